package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// CopyTree copies the content of a directory to another directory, which is created if it does not
// exist; an existing one keeps its mode and owner. Modes and symbolic links are preserved. If the process is
// root, so are owners; otherwise a copy of another user's setuid file would be root's. Anything but files,
// directories and symbolic links is an error.
func CopyTree(to string, from *os.Root) error {
	mkdirErr := os.Mkdir(to, 0o700)
	if mkdirErr != nil && !errors.Is(mkdirErr, fs.ErrExist) {
		return mkdirErr
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
	for _, dir := range slices.Backward(c.dirs) { // last, since a directory may be read-only
		if dir.name == "." && mkdirErr != nil {
			continue
		}
		if err := c.setAttributes(dir.name, dir.info); err != nil {
			return err
		}
	}
	return nil
}

// CopyFile copies the regular file name in from to the path to, as [CopyTree] does.
func CopyFile(to string, from *os.Root, name string) error {
	dest, err := os.OpenRoot(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dest.Close()
	c := copying{from: from, to: dest}
	return c.file(name, filepath.Base(to))
}

// A copying is the state of a CopyTree.
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
		return errors.Join(c.to.Symlink(target, name), c.chown(name, info))
	}
	return fmt.Errorf("%s is not a file, directory or symbolic link, and cannot be copied", filepath.Join(c.from.Name(), name))
}

func (c *copying) file(name, as string) error {
	in, err := c.from.OpenFile(name, os.O_RDONLY|NoFollow, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat() // of the opened file, since the name may have been replaced
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
	return c.setAttributes(as, info)
}

// setAttributes sets the owner and then the mode: a change of owner clears the setuid bit.
func (c *copying) setAttributes(name string, info fs.FileInfo) error {
	if err := c.chown(name, info); err != nil {
		return err
	}
	return c.to.Chmod(name, info.Mode())
}

func (c *copying) chown(name string, info fs.FileInfo) error {
	uid, gid, ok := Owner(info)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return c.to.Lchown(name, uid, gid)
}

// RemoveTree removes a directory and its content, including read-only directories.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && err == nil {
			err = os.Chmod(name, 0o700) // it is removed next
		}
		return err
	})
	return os.RemoveAll(dir)
}
