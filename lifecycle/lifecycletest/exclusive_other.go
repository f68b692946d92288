//go:build !unix

package lifecycletest

import (
	"runtime"
	"testing"
)

// Exclusive skips the test, since what it protects is created by Linux programs.
func Exclusive(t testing.TB, _ string) (release func()) {
	t.Helper()
	t.Skipf("this test does not run on %s", runtime.GOOS)
	return nil
}
