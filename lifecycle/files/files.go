// Package files reads and writes files in directories that others can write to, such as a
// buildpack or an earlier build.
//
// Start with [Within]. A phase that runs as root or has credentials must not follow a symbolic
// link that a buildpack made, nor block on a named pipe. So below a base directory no
// component of a path may be a symbolic link, and only regular files are opened.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package files

import (
	"context"
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
	// ErrNotRegular is wrapped by errors about a symbolic link, pipe, device or the like in place of a file.
	ErrNotRegular = errors.New("it is not a regular file")

	// ErrNotDirectory is wrapped by errors about anything in place of a directory, including a link to one.
	ErrNotDirectory = errors.New("it is not a directory")

	// ErrReplaced is wrapped by errors about a file or directory that was replaced while it was opened.
	ErrReplaced = errors.New("it was replaced while it was opened")

	// ErrLocked is the error of [TryLock] for a file that another process has locked.
	ErrLocked = errors.New("it is locked by another process")
)

// Open opens a regular file for reading. It follows symbolic links; use it for files of the platform
// and the operator, which Kubernetes mounts as links.
func Open(name string) (*os.File, error) {
	info, err := os.Stat(name) // since opening a device may have side effects
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

// checked returns f, or closes it and returns an error if it is not regular, or is not the file want.
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

// Read returns the content of a file opened with [Open].
func Read(name string) ([]byte, error) { return all(Open(name)) }

func all(f *os.File, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Below reports whether name is below base, judging by the paths alone, and returns its path relative to base.
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

// Within opens the directory rel below base. Symbolic links are followed in the path of base, which
// the platform chooses, but not below it. With create, missing directories below base are
// created. The error wraps [fs.ErrNotExist] if a directory is missing, and
// [ErrNotDirectory] if a component is not a directory.
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

// Child opens the directory name in dir, as [Within] does. Since an os.Root follows links that stay within
// it, Child compares the opened directory with the result of Lstat.
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
		return nil, withPath(err, path)
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

// OpenIn opens the regular file name in dir for reading. A symbolic link is an error.
func OpenIn(dir *os.Root, name string) (*os.File, error) { return openIn(dir, name, os.O_RDONLY) }

// EditIn opens the regular file name in dir for reading and writing. A symbolic link is an error.
func EditIn(dir *os.Root, name string) (*os.File, error) { return openIn(dir, name, os.O_RDWR) }

func openIn(dir *os.Root, name string, flag int) (*os.File, error) {
	path := filepath.Join(dir.Name(), name)
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, withPath(err, path)
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	f, err := dir.OpenFile(name, flag|NoFollow, 0)
	if err != nil {
		return nil, withPath(err, path)
	}
	return checked(f, path, info)
}

// withPath replaces the path in a PathError by the full path.
func withPath(err error, path string) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: p.Op, Path: path, Err: p.Err}
	}
	return err
}

// ReadIn returns the content of a file opened with [OpenIn].
func ReadIn(dir *os.Root, name string) ([]byte, error) { return all(OpenIn(dir, name)) }

// OpenWithin opens a regular file for reading. If it is below base, no symbolic link is followed below
// base; otherwise it is a file of the platform, opened with [Open].
func OpenWithin(base, name string) (*os.File, error) {
	rel, ok := Below(base, name)
	if !ok {
		return Open(name)
	}
	dir, err := Within(base, filepath.Dir(rel), false)
	if err != nil {
		return nil, withPath(err, name)
	}
	defer dir.Close()
	return OpenIn(dir, filepath.Base(rel))
}

// ReadWithin returns the content of a file opened with [OpenWithin].
func ReadWithin(base, name string) ([]byte, error) { return all(OpenWithin(base, name)) }

// Create creates a new file in dir with a unique name that begins with prefix, and returns the name.
func Create(dir *os.Root, prefix string, mode fs.FileMode) (*os.File, string, error) {
	for {
		name := prefix + strconv.FormatUint(rand.Uint64(), 36)
		f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, fs.ErrExist) {
			return f, name, err
		}
	}
}

// WriteIn writes a file in dir atomically. If it replaces a regular file, owner, group and mode are
// kept, see [KeepAttributes]; otherwise the mode is 0644. A symbolic link is replaced, not followed.
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
	if err := errors.Join(err, KeepAttributes(f, old), f.Close()); err != nil {
		return err
	}
	return dir.Rename(temp, name)
}

// KeepAttributes gives a new file the owner, group and permissions of the file that it replaces, since
// other programs may have to write that file as another user. If the process may not change the owner or
// group, it makes the file readable for all, so that everybody who could read the old file can read the
// new one. If old is nil or not a regular file, the mode is 0644.
func KeepAttributes(f *os.File, old fs.FileInfo) error {
	if old == nil || !old.Mode().IsRegular() {
		return f.Chmod(0o644)
	}
	mode := old.Mode().Perm()
	if uid, gid, ok := Owner(old); ok {
		if f.Chown(uid, gid) != nil {
			_ = f.Chown(-1, gid)
		}
		if info, err := f.Stat(); err != nil || !sameOwner(info, old) {
			mode |= 0o444
		}
	}
	return f.Chmod(mode)
}

func sameOwner(a, b fs.FileInfo) bool {
	uid, gid, _ := Owner(a)
	wantUID, wantGID, _ := Owner(b)
	return uid == wantUID && gid == wantGID
}

// WriteWithin writes a file as [WriteIn] does, and creates its directory if it does not exist. If the
// file is below base, no symbolic link is followed below base.
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

// RemoveWithin removes rel below base, with its content, if it exists. No symbolic link is followed below base.
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

// Until returns a reader that fails once the context is done.
func Until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
