//go:build linux

package apply

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// A snapshot is the metadata of every file of a tree at one moment, without content. A change
// of content also changes the ctime, which, unlike the modification time, package managers
// cannot set back.
type snapshot []file // sorted; a directory precedes its content

// A file is the metadata of one file.
type file struct {
	path  string // "/etc/passwd"
	stat  unix.Stat_t
	attrs string // extended attributes of a directory, or of a file where the kernel does not note changes
}

func (f *file) kind() uint32 { return f.stat.Mode & unix.S_IFMT }
func (f *file) isDir() bool  { return f.kind() == unix.S_IFDIR }

// An inode identifies a file regardless of its names.
type inode struct{ dev, ino uint64 }

func (f *file) inode() inode { return inode{uint64(f.stat.Dev), f.stat.Ino} } // its type depends on the architecture

// linked reports whether the file may have other hard links.
func (f *file) linked() bool { return !f.isDir() && f.stat.Nlink > 1 }

// same reports whether the file is unchanged. For directories the ctime is ignored: it changes
// with every file that is added or removed, even temporarily.
func (f *file) same(g *file) bool {
	a, b := &f.stat, &g.stat
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Rdev != b.Rdev || a.Mtim != b.Mtim || f.attrs != g.attrs {
		return false
	}
	return f.isDir() || f.inode() == g.inode() && a.Size == b.Size && a.Ctim == b.Ctim
}

// skipped returns the paths to leave out of a snapshot: the given ones, and mounts, which are
// not part of an image.
func skipped(dir string, paths []string) (map[string]bool, error) {
	skip := map[string]bool{}
	for _, p := range paths {
		skip[path.Clean("/"+p)] = true
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return nil, err
	}
	for _, m := range mounts {
		if rel := strings.TrimPrefix(m.Mountpoint, strings.TrimSuffix(dir, "/")); rel != "" && rel != "/" {
			skip[path.Clean(rel)] = true
		}
	}
	return skip, nil
}

// scan takes a snapshot.
func (t *tree) scan(skip map[string]bool) (snapshot, error) {
	if t.sandboxed {
		return t.scanByKernel(skip)
	}
	s := scanner{skip: skip, files: make(snapshot, 0, 8<<10)}
	fd, err := unix.Open(t.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := s.dir(fd, ""); err != nil {
		return nil, err
	}
	return s.files, nil
}

type scanner struct {
	skip  map[string]bool
	files snapshot
	buf   [32 << 10]byte
}

func (s *scanner) dir(fd int, name string) error {
	names, err := s.names(fd)
	if err != nil {
		return &pathError{"reading", name, err}
	}
	for _, base := range names {
		if err := s.one(fd, name, base); err != nil {
			return err
		}
	}
	return nil
}

// one adds a file, or a directory and everything in it.
func (s *scanner) one(fd int, dir, base string) error {
	f := file{path: strings.TrimSuffix(dir, "/") + "/" + base}
	if s.skip[f.path] {
		return nil
	}
	if err := unix.Fstatat(fd, base, &f.stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &pathError{"reading", f.path, err}
	}
	f.stat.Atim = unix.Timespec{}
	if !f.isDir() {
		s.files = append(s.files, f)
		return nil
	}
	return s.enter(fd, base, f)
}

func (s *scanner) enter(parent int, base string, f file) error {
	fd, err := unix.Openat(parent, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &pathError{"reading", f.path, err}
	}
	defer unix.Close(fd)
	if f.attrs, err = attrText(fd); err != nil {
		return &pathError{"reading", f.path, err}
	}
	s.files = append(s.files, f)
	return s.dir(fd, f.path)
}

func attrText(fd int) (string, error) {
	attrs, err := xattrs(fd)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		text.WriteString(name + "\x00" + attrs[name] + "\x00")
	}
	return text.String(), err
}

func (s *scanner) names(fd int) ([]string, error) {
	var names []string
	for {
		n, err := unix.ReadDirent(fd, s.buf[:])
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			slices.Sort(names)
			return names, nil
		}
		for rest := s.buf[:n]; len(rest) > 0; {
			consumed, _, more := unix.ParseDirent(rest, -1, names)
			rest, names = rest[consumed:], more
		}
	}
}

// newest returns the latest ctime in a snapshot.
func (s snapshot) newest() time.Time {
	var last unix.Timespec
	for i := range s {
		c := s[i].stat.Ctim
		if c.Sec > last.Sec || c.Sec == last.Sec && c.Nsec > last.Nsec {
			last = c
		}
	}
	return time.Unix(last.Unix())
}

// settleClock waits until the file system's clock, which has a resolution of some milliseconds,
// has passed the newest ctime. Otherwise a file could change before and after the snapshot with
// the same ctime.
func (s snapshot) settleClock() error {
	newest := s.newest()
	for range 100 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
			return err
		}
		if at := time.Unix(now.Unix()); at.After(newest) || newest.Sub(at) > time.Second {
			return nil // waiting does not help if the ctime is in the future
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// A change is an entry of a layer.
type change struct {
	*file        // nil: removed
	gone  string // path of a removed file
}

// since returns the changes from an earlier snapshot to s in the order of a layer: every
// directory precedes its content. The parents of a change are included, since a layer can be
// unpacked without those below it. So are all hard links to a changed file, since a link cannot
// refer to another layer.
func (s snapshot) since(before snapshot, ignore map[string]bool) []change {
	changed := make([]bool, len(s))
	var gone []string
	for i, j := 0, 0; i < len(s) || j < len(before); {
		order := compareNext(s, i, before, j)
		switch {
		case order < 0:
			changed[i] = !ignore[s[i].path]
			i++
		case order > 0:
			if p := before[j].path; !ignore[p] && !(len(gone) > 0 && strings.HasPrefix(p, gone[len(gone)-1]+"/")) {
				gone = append(gone, p)
			}
			j++
		default:
			changed[i] = !ignore[s[i].path] && !s[i].same(&before[j])
			i, j = i+1, j+1
		}
	}
	s.markHardLinks(changed, ignore)
	return s.list(changed, gone)
}

func compareNext(s snapshot, i int, before snapshot, j int) int {
	switch {
	case i == len(s):
		return 1
	case j == len(before):
		return -1
	}
	return comparePaths(s[i].path, before[j].path)
}

// comparePaths orders paths as scan does: the content of a directory directly follows it.
func comparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' || b[i] != '/' && a[i] < b[i] {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// markHardLinks marks the other hard links of changed files.
func (s snapshot) markHardLinks(changed []bool, ignore map[string]bool) {
	inodes := map[inode]bool{}
	for i := range s {
		if changed[i] && s[i].linked() {
			inodes[s[i].inode()] = true
		}
	}
	if len(inodes) == 0 {
		return
	}
	for i := range s {
		if s[i].linked() && inodes[s[i].inode()] && !ignore[s[i].path] {
			changed[i] = true
		}
	}
}

// list merges the changed and the removed files, and adds their parent directories.
func (s snapshot) list(changed []bool, gone []string) []change {
	var out []change
	var above []int // parents of the current file
	listed := map[int]bool{}
	parents := func(p string) bool {
		for len(above) > 0 && !strings.HasPrefix(p, s[above[len(above)-1]].path+"/") {
			above = above[:len(above)-1]
		}
		dir := filepath.Dir(p)
		return dir == "/" || len(above) > 0 && s[above[len(above)-1]].path == dir
	}
	addAbove := func() {
		for _, i := range above {
			if !listed[i] {
				listed[i] = true
				out = append(out, change{file: &s[i]})
			}
		}
	}
	for i, j := 0, 0; i < len(s) || j < len(gone); {
		if i == len(s) || j < len(gone) && comparePaths(gone[j], s[i].path) < 0 {
			// If its directory is removed or replaced, so is the file.
			if parents(gone[j]) {
				addAbove()
				out = append(out, change{gone: gone[j]})
			}
			j++
			continue
		}
		parents(s[i].path)
		if changed[i] {
			addAbove()
			listed[i] = true
			out = append(out, change{file: &s[i]})
		}
		if s[i].isDir() {
			above = append(above, i)
		}
		i++
	}
	return out
}
