//go:build e2e

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestChownTreeAsRoot: everything in a directory is given to the build image's user, and nothing outside. It needs root.
func TestChownTreeAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("giving files to a user needs root")
	}
	root := t.TempDir()
	dir, outside := filepath.Join(root, "dir"), filepath.Join(root, "outside")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "a/b"), 0o755), os.MkdirAll(filepath.Join(dir, "run-image/x"), 0o755), os.MkdirAll(filepath.Join(outside, "in"), 0o755),
		os.WriteFile(filepath.Join(dir, "a/b/file"), nil, 0o4755), os.WriteFile(filepath.Join(outside, "in/file"), nil, 0o600),
		os.Symlink(filepath.Join(outside, "in"), filepath.Join(dir, "a/link")), os.Link(filepath.Join(outside, "in/file"), filepath.Join(dir, "a/hard")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644), os.Symlink(dir, filepath.Join(root, "layers")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	layers := filepath.Join(root, "layers") // the platform's link
	if err := chownTree(layers, 1000, 1001, filepath.Join(layers, "run-image")); err != nil {
		t.Fatal(err)
	}
	owner := func(name string) uint32 {
		var stat syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(root, name), &stat); err != nil {
			t.Fatal(err)
		}
		return stat.Uid
	}
	for name, want := range map[string]uint32{
		"dir": 1000, "dir/a": 1000, "dir/a/b": 1000, "dir/a/b/file": 1000, "dir/a/link": 1000, "dir/pipe": 1000,
		"dir/run-image": 0, "dir/run-image/x": 0, "outside": 0, "outside/in": 0, "outside/in/file": 0, "dir/a/hard": 0,
	} {
		if got := owner(name); got != want {
			t.Errorf("%s is %d's, want %d", name, got, want)
		}
	}
	info, err := os.Lstat(filepath.Join(dir, "a/b/file"))
	if err != nil || info.Mode()&os.ModeSetuid != 0 {
		t.Errorf("it is still setuid: %v, %v", info.Mode(), err)
	}
	if err := chownTree(filepath.Join(root, "new/dir"), 1000, 1001); err != nil || owner("new/dir") != 1000 {
		t.Error(errors.Join(err, errors.New("a directory that was not there")))
	}
}
