package files_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// TestFS opens what is no file, what leads out, and what is endless. None is waited for.
func TestFS(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
	must(t, os.Symlink("../file", filepath.Join(dir, "d/link")))
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "out")))
	must(t, os.Symlink("/dev/zero", filepath.Join(dir, "zero")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "long"), nil, 0o600))
	must(t, os.Truncate(filepath.Join(dir, "long"), files.MaxFile+1))
	if os.Getuid() == 0 {
		must(t, syscall.Mknod(filepath.Join(dir, "device"), syscall.S_IFCHR|0o666, 1<<8|5))
	}
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	f := files.FS{Root: root}
	for _, name := range []string{"file", "d/link"} {
		if data, err := fs.ReadFile(f, name); err != nil || string(data) != "x" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	for _, name := range []string{"out", "zero", "pipe", "long", "device", "missing", "../x"} {
		if _, err := fs.ReadFile(f, name); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, err := (files.FS{Root: root, Large: true}).Open("long"); err != nil {
		t.Error(err)
	}
	if found, err := fs.Glob(f, "d/*"); err != nil || len(found) != 1 {
		t.Errorf("got %v, %v", found, err)
	}
}
