package main

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/cmd/internal/trust"
	"github.com/baseplan/baseplan/lifecycle/files"
)

// A pipe in place of a key or of the trusted root is not waited for.
func TestKeyFilesThatArePipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, odd := range []string{pipe, "/dev/zero"} {
		if _, err := trust.Keys([]string{odd}, keySetting); !errors.Is(err, files.ErrNotRegular) {
			t.Errorf("the key %s: %v", odd, err)
		}
		if _, err := trust.Root(odd, rootSetting); !errors.Is(err, files.ErrNotRegular) {
			t.Errorf("the trusted root %s: %v", odd, err)
		}
	}
}
