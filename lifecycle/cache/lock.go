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

// patience is how long a process waits for the lock of another: to replace a cache takes a
// moment, and who holds the lock for longer is stuck, or means harm.
const patience = time.Minute

// lockName is the file that is locked. It is not there while nobody commits. One in each staging says that its
// process is alive.
const lockName = ".lock"

// locked runs what only one process may do at a time with a cache directory. A file system
// without locks leaves it to chance.
func (v *Volume) locked(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("another process keeps %s locked", v.path(lockName)))
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
		// Removed while it is locked; who has opened it sees that it is not that of the directory any more.
		err = do()
		return errors.Join(err, files.RemoveWithin(v.Dir, lockName), f.Close())
	}
}

// lock opens and locks the file; nil if another process has it.
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

// tryLock locks a file until it is closed, and reports whether it could. Where there are no locks, it could.
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
