// Package files reads and writes files where somebody else may write, too: a buildpack, or
// an earlier build that left a cache.
//
// Start with [Within]. A phase with credentials or as root must not be led elsewhere by a
// symbolic link, nor wait for the other end of a pipe. So below a base directory no link is
// followed at any component, and only regular files are opened.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

var (
	// ErrNotRegular is wrapped by errors about a file that is a link, a pipe, a device or the like.
	ErrNotRegular = errors.New("it is not a regular file")

	// ErrNotDirectory is wrapped by errors about what stands in place of a directory, a link to one included.
	ErrNotDirectory = errors.New("it is not a directory")

	// ErrReplaced is wrapped by errors about what was another thing once it was open.
	ErrReplaced = errors.New("it was replaced while it was opened")
)

// Open opens a regular file for reading, following links: for files of the platform and the
// operator, which Kubernetes mounts as links.
func Open(name string) (*os.File, error) {
	info, err := os.Stat(name) // to open a device may do something
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return checked(f, name, nil)
}

// checked closes a file that is not regular, or not the one that was looked at.
func checked(f *os.File, name string, want fs.FileInfo) (*os.File, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	case want != nil && !os.SameFile(info, want):
		err = &fs.PathError{Op: "open", Path: name, Err: ErrReplaced}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read reads a file as [Open] opens it.
func Read(name string) ([]byte, error) { return all(Open(name)) }

func all(f *os.File, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Below reports whether a path is in a directory, by name, and which it is there.
func Below(base, name string) (rel string, ok bool) {
	if base == "" {
		return "", false
	}
	if !filepath.IsAbs(name) && filepath.IsAbs(base) {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
	}
	rel, err := filepath.Rel(base, name)
	return rel, err == nil && rel != "." && filepath.IsLocal(rel)
}

// Within opens the directory rel of a base directory. Links are followed up to the base,
// whose path is the platform's, and not below it. With create, what is missing below the
// base is made. The error wraps [fs.ErrNotExist] if something is missing, and
// [ErrNotDirectory] if something else stands in the way.
func Within(base, rel string, create bool) (*os.Root, error) {
	dir, err := os.OpenRoot(base)
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(filepath.Clean(rel), string(filepath.Separator)) {
		if name == "." {
			continue
		}
		next, err := Child(dir, name, create)
		if err := errors.Join(err, dir.Close()); err != nil {
			return nil, err
		}
		dir = next
	}
	return dir, nil
}

// Child opens a directory in a directory, as [Within] does. That it is the very one of that name is seen
// afterwards, since an os.Root follows links that stay within.
func Child(dir *os.Root, name string, create bool) (*os.Root, error) {
	if !filepath.IsLocal(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotDirectory}
	}
	if create {
		if err := dir.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	path := filepath.Join(dir.Name(), name)
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, at(err, path)
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotDirectory}
	}
	next, err := dir.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := next.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrReplaced}
	}
	if err != nil {
		return nil, errors.Join(err, next.Close())
	}
	return next, nil
}

// OpenIn opens a regular file of a directory for reading; a link is none.
func OpenIn(dir *os.Root, name string) (*os.File, error) { return openIn(dir, name, os.O_RDONLY) }

// EditIn opens a regular file of a directory for reading and writing; a link is none.
func EditIn(dir *os.Root, name string) (*os.File, error) { return openIn(dir, name, os.O_RDWR) }

func openIn(dir *os.Root, name string, flag int) (*os.File, error) {
	path := filepath.Join(dir.Name(), name)
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, at(err, path)
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	f, err := dir.OpenFile(name, flag|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, at(err, path)
	}
	return checked(f, path, info)
}

// at has an error name the whole path.
func at(err error, path string) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: p.Op, Path: path, Err: p.Err}
	}
	return err
}

// ReadIn reads a file as [OpenIn] opens it.
func ReadIn(dir *os.Root, name string) ([]byte, error) { return all(OpenIn(dir, name)) }

// OpenWithin opens a regular file for reading. If it is in the base directory, no link is followed
// below that; else it is one of the platform's, opened by [Open].
func OpenWithin(base, name string) (*os.File, error) {
	rel, ok := Below(base, name)
	if !ok {
		return Open(name)
	}
	dir, err := Within(base, filepath.Dir(rel), false)
	if err != nil {
		return nil, at(err, name)
	}
	defer dir.Close()
	return OpenIn(dir, filepath.Base(rel))
}

// ReadWithin reads a file as [OpenWithin] opens it.
func ReadWithin(base, name string) ([]byte, error) { return all(OpenWithin(base, name)) }

// Create makes a new file in a directory under a name of its own that begins with a prefix.
func Create(dir *os.Root, prefix string, mode fs.FileMode) (*os.File, string, error) {
	for {
		name := prefix + strconv.FormatUint(rand.Uint64(), 36)
		f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, fs.ErrExist) {
			return f, name, err
		}
	}
}

// WriteIn writes a file of a directory whole or not at all. A regular file of that name is replaced,
// and the new one keeps its owner, group and mode, see [Keep]; a new file has mode 0644. A link is
// replaced, not followed.
func WriteIn(dir *os.Root, name string, data []byte) (err error) {
	old, _ := dir.Lstat(name)
	f, temp, err := Create(dir, "."+name+".", 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Join(dir.Name(), name), err)
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(temp)
			err = fmt.Errorf("writing %s: %w", filepath.Join(dir.Name(), name), err)
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, Keep(f, old), f.Close()); err != nil {
		return err
	}
	return dir.Rename(temp, name)
}

// Keep gives a new file the owner, group and permissions of the one that it replaces: other
// programs may have to write that file again, as another user. What this process may not give
// stays its own, and whoever could read the old file can read the new one. If old is nil or no
// regular file, the mode is 0644.
func Keep(f *os.File, old fs.FileInfo) error {
	if old == nil || !old.Mode().IsRegular() {
		return f.Chmod(0o644)
	}
	mode := old.Mode().Perm()
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		if f.Chown(int(st.Uid), int(st.Gid)) != nil {
			_ = f.Chown(-1, int(st.Gid))
		}
		if info, err := f.Stat(); err != nil || !sameOwner(info, st) {
			mode |= 0o444
		}
	}
	return f.Chmod(mode)
}

func sameOwner(info fs.FileInfo, want *syscall.Stat_t) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == want.Uid && st.Gid == want.Gid
}

// WriteWithin writes a file as [WriteIn] does, and makes its directory if need be. If it is
// in the base directory, no link is followed below that.
func WriteWithin(base, name string, data []byte) error {
	rel, ok := Below(base, name)
	if !ok {
		base, rel = filepath.Dir(name), filepath.Base(name)
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	dir, err := Within(base, filepath.Dir(rel), true)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer dir.Close()
	return WriteIn(dir, filepath.Base(rel), data)
}

// RemoveWithin removes a path and all in it, if it is there. No link is followed below the base.
func RemoveWithin(base, rel string) error {
	dir, err := Within(base, filepath.Dir(rel), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(dir.RemoveAll(filepath.Base(rel)), dir.Close())
}
