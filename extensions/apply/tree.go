//go:build linux

package apply

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	continuity "github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// A tree is a directory used as the root of a file system. Names are paths in it. Symbolic
// links are followed as in a chroot, and every change is made through a descriptor of the
// parent directory, opened below [os.Root]. So nothing outside is touched, whatever the names
// or the tree contain.
type tree struct {
	dir    string // absolute, without links
	root   *os.Root
	owners bool // this process can change the owner of files

	// noDevices rejects device nodes: through one, a command confined to the tree could access
	// the machine's disks.
	noDevices bool

	// sandboxed lets the kernel of a sandbox take snapshots.
	sandboxed bool

	dirs  dirs
	times map[string]time.Time // modification times to set on directories by setDirTimes, by real name
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
	return &tree{dir: dir, root: root, dirs: dirs{root: dir}, owners: os.Geteuid() == 0, times: map[string]time.Time{}, buf: make([]byte, 64<<10)}, nil
}

func (t *tree) close() error {
	t.closeDir()
	return t.root.Close()
}

// closeDir forgets the directories that were opened, since others may have changed them.
func (t *tree) closeDir() { t.dirs.close() }

// resolve returns name with all links followed: "/a/b" without links. The path need not exist.
func (t *tree) resolve(name string) (string, error) {
	full, err := continuity.RootPath(t.dir, path.Clean("/"+name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return path.Clean("/" + strings.TrimPrefix(full, t.dir)), nil
}

// below converts a result of resolve to a path for [os.Root].
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

// readFile reads a regular file of the tree of at most limit bytes.
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

// open opens a directory. It stays open until another one is opened.
func (t *tree) open(name string) (openDir, error) { return t.dirs.open(name, t.resolve) }

// mkdirAll creates a directory and its missing parents with the given owner.
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
			err = t.put(&tar.Header{Typeflag: tar.TypeDir, Name: real[:i], Mode: 0o755, Uid: uid, Gid: gid, ModTime: abi.Epoch}, nil)
		case err == nil && !info.IsDir():
			err = fmt.Errorf("%s is not a directory", real[:i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// saveDirTime records a directory's modification time before its content changes, so that setDirTimes can
// restore it.
func (t *tree) saveDirTime(dir openDir) error {
	if _, ok := t.times[dir.real]; ok {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(dir.fd, &st); err != nil {
		return err
	}
	t.times[dir.real] = time.Unix(st.Mtim.Unix())
	return nil
}

// setDirTimes sets the recorded modification times of directories.
func (t *tree) setDirTimes() error {
	for _, name := range slices.Sorted(maps.Keys(t.times)) {
		dir, err := t.dirs.walk(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue // removed since
		}
		if err == nil {
			err = setTime(dir.fd, ".", t.times[name])
		}
		if err != nil {
			return &fs.PathError{Op: "utimensat", Path: name, Err: err}
		}
	}
	clear(t.times)
	return nil
}

func setTime(dir int, base string, mtime time.Time) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime.UnixNano())}
	return unix.UtimesNanoAt(dir, base, ts, unix.AT_SYMLINK_NOFOLLOW)
}

// put creates the file, directory, link or node that a tar header describes. An existing
// directory stays and gets the header's metadata; anything else in the way is replaced. Missing
// parents are created.
func (t *tree) put(h *tar.Header, content io.Reader) error {
	name := path.Clean("/" + h.Name)
	if name == "/" {
		return t.putRoot(h)
	}
	if t.noDevices && isDevice(h) {
		return fmt.Errorf("writing %s: device nodes are not allowed in an isolated root", name)
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
	real := path.Join(dir.real, base)
	if err := t.saveDirTime(dir); err != nil {
		return err
	}
	err = t.create(dir, base, h, content)
	if errors.Is(err, unix.EEXIST) {
		var kept bool
		if kept, err = t.clear(dir, base, real, h.Typeflag == tar.TypeDir); err == nil && !kept {
			err = t.create(dir, base, h, content)
		}
	}
	if err == nil && h.Typeflag != tar.TypeLink {
		err = t.setMetadata(dir, base, h)
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
		return errors.New("writing /: not a directory entry")
	}
	dir, err := t.open("/")
	if err != nil {
		return err
	}
	t.times["/"] = h.ModTime
	return t.setMetadata(dir, ".", h)
}

// clear removes what is in the way. kept reports that an existing directory was kept.
func (t *tree) clear(dir openDir, base, real string, keepDir bool) (kept bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(dir.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW)
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
	return false, unix.Unlinkat(dir.fd, base, 0)
}

func (t *tree) create(dir openDir, base string, h *tar.Header, content io.Reader) error {
	fd := dir.fd
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
	_, err = io.CopyBuffer(onlyWriter{rawFile(fd)}, content, t.buf)
	return errors.Join(err, unix.Close(fd))
}

// A rawFile is the descriptor of a file to write: an [os.File] takes more system calls.
type rawFile int

func (f rawFile) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(int(f), p[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// onlyWriter makes [io.CopyBuffer] use its buffer instead of allocating one per file.
type onlyWriter struct{ io.Writer }

// link creates a hard link to a file of the tree.
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

// setMetadata sets a file's owner, mode, extended attributes and time, in that order, so that the
// kernel does not undo any.
func (t *tree) setMetadata(dir openDir, base string, h *tar.Header) error {
	fd := dir.fd
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
		return nil // set by setDirTimes, after the last change in it
	}
	return setTime(dir.fd, base, h.ModTime)
}

func setXattrs(dir int, base string, h *tar.Header) error {
	var f *os.File
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, paxXattr)
		if !ok || !abi.KeptXattr(name) {
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

// remove removes a file, or a directory and everything in it. It is not an error if it does not
// exist.
func (t *tree) remove(name string) error {
	name = path.Clean("/" + name)
	dir, err := t.open(path.Dir(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.saveDirTime(dir); err != nil {
		return err
	}
	return t.root.RemoveAll(below(path.Join(dir.real, path.Base(name))))
}
