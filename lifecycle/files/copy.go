package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// CopyTree copies what is in a directory into another one, which is made if need be. Modes stay:
// a file that only its owner may read stays one. So do links, and if this process is root owners,
// without which a copy of somebody's setuid file would be root's. What is no file, directory or
// link is refused. A directory that was there keeps its mode and owner.
func CopyTree(to string, from *os.Root) error {
	made := os.Mkdir(to, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	dest, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer dest.Close()
	c := copying{from: from, to: dest}
	if err := fs.WalkDir(from.FS(), ".", c.copy); err != nil {
		return err
	}
	for _, dir := range slices.Backward(c.dirs) { // a directory may forbid to write
		if dir.name == "." && made != nil {
			continue
		}
		if err := c.dress(dir.name, dir.info); err != nil {
			return err
		}
	}
	return nil
}

// CopyFile copies a regular file of a directory as [CopyTree] does.
func CopyFile(to string, from *os.Root, name string) error {
	dest, err := os.OpenRoot(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dest.Close()
	c := copying{from: from, to: dest}
	return c.file(name, filepath.Base(to))
}

// A copying is one run of CopyTree.
type copying struct {
	from, to *os.Root
	dirs     []named
}

type named struct {
	name string
	info fs.FileInfo
}

func (c *copying) copy(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		c.dirs = append(c.dirs, named{name, info})
		if name == "." {
			return nil
		}
		return c.to.Mkdir(name, 0o700)
	case mode.IsRegular():
		return c.file(name, name)
	case mode&fs.ModeSymlink != 0:
		target, err := c.from.Readlink(name)
		if err != nil {
			return err
		}
		return errors.Join(c.to.Symlink(target, name), c.own(name, info))
	}
	return fmt.Errorf("%s is neither a file nor a directory nor a link: it cannot be copied", filepath.Join(c.from.Name(), name))
}

func (c *copying) file(name, as string) error {
	in, err := c.from.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat() // of what was opened, whatever has that name now
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s was replaced while it was copied", filepath.Join(c.from.Name(), name))
	}
	out, err := c.to.OpenFile(as, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return c.dress(as, info)
}

// dress gives a file or directory owner and mode; the owner first, since a change of that takes setuid away.
func (c *copying) dress(name string, info fs.FileInfo) error {
	if err := c.own(name, info); err != nil {
		return err
	}
	return c.to.Chmod(name, info.Mode())
}

func (c *copying) own(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return c.to.Lchown(name, int(st.Uid), int(st.Gid))
}

// RemoveTree removes a directory and all in it, also directories that forbid to write.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && err == nil {
			err = os.Chmod(name, 0o700) //nolint:gosec // it goes
		}
		return err
	})
	return os.RemoveAll(dir)
}
