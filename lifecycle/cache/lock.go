package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// patience is how long to wait for the lock of another process. Replacing a cache is quick, so a process that
// holds the lock for longer is stuck or malicious.
const patience = time.Minute

// lockName is the name of the lock file. It exists only during a commit. One in each staging directory shows that
// its process is alive.
const lockName = ".lock"

// locked calls do while holding the lock of a cache directory. On a file system without locks it
// does not exclude other processes.
func (v *Volume) locked(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("another process holds the lock on %s", v.path(lockName)))
	defer cancel()
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		f, err := v.lock()
		if err != nil {
			return err
		}
		if f == nil {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			continue
		}
		// Removed while locked: a process that has opened it notices that it is no longer the file of the directory.
		err = do()
		return errors.Join(err, files.RemoveWithin(v.Dir, lockName), f.Close())
	}
}

// lock opens and locks the file; nil if another process holds the lock.
func (v *Volume) lock() (*os.File, error) {
	root, err := os.OpenRoot(v.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if f, err = files.EditIn(root, lockName); errors.Is(err, fs.ErrNotExist) || errors.Is(err, files.ErrReplaced) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", v.Dir, err)
	}
	free, err := tryLock(f)
	if err == nil && free {
		opened, statErr := f.Stat()
		now, goneErr := root.Lstat(lockName)
		if statErr == nil && goneErr == nil && os.SameFile(opened, now) {
			return f, nil
		}
		err = statErr
	}
	return nil, errors.Join(err, f.Close())
}

// tryLock locks a file until it is closed, and reports whether it succeeded. Without support for locks, it succeeds.
func tryLock(f *os.File) (bool, error) {
	err := files.TryLock(f)
	switch {
	case errors.Is(err, files.ErrLocked):
		return false, nil
	case errors.Is(err, errors.ErrUnsupported):
		return true, nil
	}
	return err == nil, err
}
