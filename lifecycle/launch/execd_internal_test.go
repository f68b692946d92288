package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExecDBounds tests that the size and nesting of exec.d output are limited.
func TestExecDBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "endless")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec yes 'A = \"b\"' >&3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Launcher{App: t.TempDir()}).output(path, os.Environ()); err == nil || !strings.Contains(err.Error(), "more than 8 MiB") {
		t.Errorf("got %v, want the limit on size", err)
	}
	if _, err := decodeVars([]byte("A = " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000))); err == nil || !strings.Contains(err.Error(), "line 1: nested more than 64 levels") {
		t.Errorf("got %v, want the limit on nesting", err)
	}
}
