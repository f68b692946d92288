//go:build linux

package apply

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	continuity "github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"
)

// epoch is the modification time of what has none of its own: files of a build
// context were generated a moment ago, and the same content has to give the same
// layer.
var epoch = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

// A tree is a directory that stands for the root of a file system. Names are
// paths in it. Symbolic links are followed as a process with that root would
// follow them, and every change is made through a descriptor of its directory
// below [os.Root], so nothing outside is touched whatever the names or the tree
// hold.
type tree struct {
	dir    string // absolute, without links
	root   *os.Root
	owners bool // this process may give files away

	// noDevices keeps device nodes out: a command that is shut into the tree could
	// reach the machine's disks through one.
	noDevices bool

	at     *os.File // the directory opened last,
	atName string   // by its name
	atReal string   // and without links

	times map[string]time.Time // modification times that directories get in the end, by real name
	buf   []byte
}

func openTree(dir string) (*tree, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{dir: dir, root: root, owners: os.Geteuid() == 0, times: map[string]time.Time{}, buf: make([]byte, 64<<10)}, nil
}

func (t *tree) close() error {
	t.forget()
	return t.root.Close()
}

func (t *tree) forget() {
	if t.at != nil {
		t.at.Close()
	}
	t.at, t.atName, t.atReal = nil, "", ""
}

// resolve follows every link of a name: "/a/b" without links, or what it would
// be once it is made.
func (t *tree) resolve(name string) (string, error) {
	full, err := continuity.RootPath(t.dir, path.Clean("/"+name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return path.Clean("/" + strings.TrimPrefix(full, t.dir)), nil
}

// below spells a name of resolve as [os.Root] takes it.
func below(real string) string { return path.Clean("./" + real) }

// stat follows the links of a name.
func (t *tree) stat(name string) (fs.FileInfo, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	return t.root.Lstat(below(real))
}

func (t *tree) isDir(name string) bool {
	info, err := t.stat(name)
	return err == nil && info.IsDir()
}

// readFile reads a file of the tree that is not too large.
func (t *tree) readFile(name string, limit int64) ([]byte, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	f, err := t.root.OpenFile(below(real), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		return nil, errors.Join(err, fmt.Errorf("%s: not a regular file of at most %d bytes", name, limit))
	}
	return io.ReadAll(f)
}

// open opens a directory, which stays open until the next one is.
func (t *tree) open(name string) (*os.File, error) {
	if t.at != nil && t.atName == name {
		return t.at, nil
	}
	real, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	f, err := t.root.OpenFile(below(real), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	t.forget()
	t.at, t.atName, t.atReal = f, name, real
	return f, nil
}

// mkdirAll makes a directory and its missing parents, which belong to an owner.
func (t *tree) mkdirAll(name string, uid, gid int) error {
	real, err := t.resolve(name)
	if err != nil {
		return err
	}
	for i := 1; i <= len(real); i++ {
		if i < len(real) && real[i] != '/' || real == "/" {
			continue
		}
		info, err := t.root.Lstat(below(real[:i]))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = t.put(&tar.Header{Typeflag: tar.TypeDir, Name: real[:i], Mode: 0o755, Uid: uid, Gid: gid, ModTime: epoch}, nil)
		case err == nil && !info.IsDir():
			err = fmt.Errorf("%s is not a directory", real[:i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// touch notes the modification time that a directory keeps although something
// in it changes.
func (t *tree) touch(real string, dir *os.File) error {
	if _, ok := t.times[real]; ok {
		return nil
	}
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	t.times[real] = info.ModTime()
	return nil
}

// settle gives the directories their modification times.
func (t *tree) settle() error {
	for name, mtime := range t.times {
		dir, err := t.root.OpenFile(below(name), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue // removed since
		}
		if err != nil {
			return err
		}
		err = setTime(dir, ".", mtime)
		dir.Close()
		if err != nil {
			return &fs.PathError{Op: "utimensat", Path: name, Err: err}
		}
	}
	clear(t.times)
	return nil
}

func setTime(dir *os.File, base string, mtime time.Time) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime.UnixNano())}
	return unix.UtimesNanoAt(int(dir.Fd()), base, ts, unix.AT_SYMLINK_NOFOLLOW)
}

// put makes what a tar header describes: a file, directory, link, node. A
// directory that is there stays and gets the header's metadata; anything else
// in the way is replaced. Missing parents are made.
func (t *tree) put(h *tar.Header, content io.Reader) error {
	name := path.Clean("/" + h.Name)
	if name == "/" {
		return t.putRoot(h)
	}
	if t.noDevices && isDevice(h) {
		return fmt.Errorf("writing %s: an isolated root takes no device nodes", name)
	}
	parent, base := path.Split(name)
	parent = path.Clean(parent)
	dir, err := t.open(parent)
	if errors.Is(err, fs.ErrNotExist) {
		if err = t.mkdirAll(parent, 0, 0); err == nil {
			dir, err = t.open(parent)
		}
	}
	if err != nil {
		return err
	}
	real := path.Join(t.atReal, base)
	if err := t.touch(t.atReal, dir); err != nil {
		return err
	}
	there, err := t.clear(dir, base, real, h.Typeflag == tar.TypeDir)
	if err == nil && !there {
		err = t.create(dir, base, h, content)
	}
	if err == nil && h.Typeflag != tar.TypeLink {
		err = t.dress(dir, base, h)
	}
	if h.Typeflag == tar.TypeDir {
		t.times[real] = h.ModTime
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func (t *tree) putRoot(h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return errors.New("writing /: it is a directory")
	}
	dir, err := t.open("/")
	if err != nil {
		return err
	}
	t.times["/"] = h.ModTime
	return t.dress(dir, ".", h)
}

// clear makes room; there reports a directory that may stay.
func (t *tree) clear(dir *os.File, base, real string, keepDir bool) (there bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case err != nil:
		return false, err
	case st.Mode&unix.S_IFMT == unix.S_IFDIR && keepDir:
		return true, nil
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return false, t.root.RemoveAll(below(real))
	}
	return false, unix.Unlinkat(int(dir.Fd()), base, 0)
}

func (t *tree) create(dir *os.File, base string, h *tar.Header, content io.Reader) error {
	fd := int(dir.Fd())
	switch h.Typeflag {
	case tar.TypeReg:
		return t.createFile(fd, base, content)
	case tar.TypeDir:
		return unix.Mkdirat(fd, base, 0o700)
	case tar.TypeSymlink:
		return unix.Symlinkat(h.Linkname, fd, base)
	case tar.TypeLink:
		return t.link(h.Linkname, fd, base)
	case tar.TypeFifo:
		return unix.Mknodat(fd, base, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar:
		return unix.Mknodat(fd, base, unix.S_IFCHR|0o600, device(h))
	case tar.TypeBlock:
		return unix.Mknodat(fd, base, unix.S_IFBLK|0o600, device(h))
	}
	return fmt.Errorf("entry of type %q", h.Typeflag)
}

func isDevice(h *tar.Header) bool { return h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock }

func device(h *tar.Header) int { return int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))) }

func (t *tree) createFile(dir int, base string, content io.Reader) error {
	fd, err := unix.Openat(dir, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	_, err = io.CopyBuffer(onlyWriter{f}, content, t.buf)
	return errors.Join(err, f.Close())
}

// onlyWriter makes [io.CopyBuffer] use its buffer, rather than one for each file.
type onlyWriter struct{ io.Writer }

// link makes a hard link to a file of the tree.
func (t *tree) link(target string, dir int, base string) error {
	target = path.Clean("/" + target)
	real, err := t.resolve(path.Dir(target))
	if err != nil {
		return err
	}
	from, err := t.root.OpenFile(below(real), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	return unix.Linkat(int(from.Fd()), path.Base(target), dir, base, 0)
}

// dress gives a file its owner, mode, attributes and time, in the order in which
// the kernel does not undo them.
func (t *tree) dress(dir *os.File, base string, h *tar.Header) error {
	fd := int(dir.Fd())
	if t.owners {
		if err := unix.Fchownat(fd, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Fchmodat(fd, base, uint32(h.Mode)&0o7777, 0); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeDir {
		if err := setXattrs(fd, base, h); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeDir {
		return nil // later, when nothing changes in it any more
	}
	return setTime(dir, base, h.ModTime)
}

func setXattrs(dir int, base string, h *tar.Header) error {
	var f *os.File
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, paxXattr)
		if !ok || !keptXattr(name) {
			continue
		}
		if f == nil {
			fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
			if err != nil {
				return err
			}
			f = os.NewFile(uintptr(fd), base)
			defer f.Close()
		}
		err := unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("setting attribute %s: %w", name, err)
		}
	}
	return nil
}

// remove removes a file or directory with all that is in it; it is no error if
// there is none.
func (t *tree) remove(name string) error {
	name = path.Clean("/" + name)
	dir, err := t.open(path.Dir(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.touch(t.atReal, dir); err != nil {
		return err
	}
	return t.root.RemoveAll(below(path.Join(t.atReal, path.Base(name))))
}
