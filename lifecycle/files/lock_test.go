package files_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/files"
)

func TestTryLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	opened := func() *os.File {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second := opened(), opened()
	defer second.Close()
	if err := files.TryLock(first); err != nil {
		t.Fatal(err)
	}
	if err := files.TryLock(second); !errors.Is(err, files.ErrLocked) {
		t.Errorf("locking a locked file: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := files.TryLock(second); err != nil {
		t.Errorf("locking a file that is not locked any more: %v", err)
	}
}
