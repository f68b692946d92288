//go:build !unix

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// NoFollow are the flags to open a file with if it may be a symbolic link, which is not followed, or a named pipe,
// which is not waited for. Where the system has no such flags, compare the opened file with the result of Lstat.
const NoFollow = 0

// Owner returns the user and group that own a file. It reports false if the system has no such numbers.
func Owner(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }

// Identity returns the numbers of the device and of the file on it; zero if the system has none.
func Identity(fs.FileInfo) (device, inode uint64) { return 0, 0 }

// TryLock locks a file until it is closed. The error is [ErrLocked] if another process has locked it, and wraps
// [errors.ErrUnsupported] if the system or the file system has no locks.
func TryLock(f *os.File) error {
	return fmt.Errorf("locking %s: %w on %s", f.Name(), errors.ErrUnsupported, runtime.GOOS)
}
