package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExecDBounds: what an exec.d executable writes without end is not read without end.
func TestExecDBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "endless")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec yes 'A = \"b\"' >&3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Launcher{App: t.TempDir()}).output(path, os.Environ()); err == nil || !strings.Contains(err.Error(), "more than 8 MiB") {
		t.Errorf("%v, want the limit", err)
	}
	if _, err := decodeVars([]byte("A = " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000))); err == nil || !strings.Contains(err.Error(), "line 1: nested more than 64 levels") {
		t.Errorf("%v, want the bound on nesting", err)
	}
}
