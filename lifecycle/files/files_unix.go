//go:build unix

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// NoFollow are the flags to open a file with if it may be a symbolic link, which is not followed, or a named pipe,
// which is not waited for. Where the system has no such flags, compare the opened file with the result of Lstat.
const NoFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// Owner returns the user and group that own a file. It reports false if the system has no such numbers.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// Identity returns the numbers of the device and of the file on it; zero if the system has none.
func Identity(info fs.FileInfo) (device, inode uint64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Dev), uint64(st.Ino)
}

// TryLock locks a file until it is closed. The error is [ErrLocked] if another process has locked it, and wraps
// [errors.ErrUnsupported] if the system or the file system has no locks.
func TryLock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EBADF):
			return fmt.Errorf("locking %s: %w: %w", f.Name(), errors.ErrUnsupported, err)
		default:
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
}
