//go:build linux

package apply

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// An openDir is an open directory of a tree.
type openDir struct {
	fd   int
	name string
	real string // name without links
}

// dirs are the open directories of a tree: the one opened last and those above it. Layers list
// directories depth first, so one system call is enough to open most of them.
type dirs struct {
	root  string
	stack []openDir

	// sandboxed distrusts O_NOFOLLOW, since with O_DIRECTORY the kernel of a sandbox follows links nevertheless.
	sandboxed bool

	// The link that the last name led through, so that it is resolved once for all files.
	alias, aliasReal string
}

func (d *dirs) close() {
	for _, o := range d.stack {
		unix.Close(o.fd)
	}
	d.stack, d.alias, d.aliasReal = nil, "", ""
}

// open opens a directory. It stays open until the next call. resolve returns a name without
// links.
func (d *dirs) open(name string, resolve func(string) (string, error)) (openDir, error) {
	if d.alias == name {
		return d.walk(d.aliasReal)
	}
	d.alias = ""
	o, err := d.walk(name)
	if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		return o, err
	}
	real, err := resolve(name)
	if err != nil {
		return openDir{}, err
	}
	if o, err = d.walk(real); err == nil {
		d.alias, d.aliasReal = name, real
	}
	return o, err
}

// walk opens a directory through the directories above it, and follows no link.
func (d *dirs) walk(name string) (openDir, error) {
	for len(d.stack) > 0 && !within(name, d.top().name) {
		unix.Close(d.top().fd)
		d.stack = d.stack[:len(d.stack)-1]
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	if len(d.stack) == 0 {
		fd, err := unix.Open(d.root, flags, 0)
		if err != nil {
			return openDir{}, &pathError{"opening", d.root, err}
		}
		d.stack = append(d.stack, openDir{fd, "/", "/"})
	}
	for d.top().name != name {
		top := d.top()
		base, _, _ := strings.Cut(strings.TrimPrefix(name[len(top.name):], "/"), "/")
		next := path.Join(top.name, base)
		fd, err := d.openat(top.fd, base, flags|unix.O_NOFOLLOW)
		if err != nil {
			return openDir{}, &pathError{"opening", next, err}
		}
		d.stack = append(d.stack, openDir{fd, next, path.Join(top.real, base)})
	}
	return d.top(), nil
}

func (d *dirs) openat(dir int, base string, flags int) (int, error) {
	if d.sandboxed {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return -1, err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return -1, unix.ENOTDIR
		}
	}
	return unix.Openat(dir, base, flags, 0)
}

func (d *dirs) top() openDir { return d.stack[len(d.stack)-1] }

// within reports whether name is dir or below it.
func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}
