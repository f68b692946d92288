//go:build unix

package lifecycletest

import (
	"os"
	"syscall"
	"testing"
)

// Exclusive locks a file against other processes and other tests of this one until release is
// called.
func Exclusive(t testing.TB, file string) (release func()) {
	t.Helper()
	lock, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("locking %s: %v", lock.Name(), err)
	}
	return func() { _ = lock.Close() } // releases the lock
}
