package files_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/files"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// modes is all in a directory with its mode, owner, and target or content.
func modes(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	must(t, filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		must(t, syscall.Lstat(name, &st))
		entry := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFREG:
			data, err := os.ReadFile(name)
			must(t, err)
			entry += " " + string(data)
		case syscall.S_IFLNK:
			target, err := os.Readlink(name)
			must(t, err)
			entry += " -> " + target
		}
		rel, err := filepath.Rel(dir, name)
		must(t, err)
		found[rel] = entry
		return nil
	}))
	return found
}

func TestCopyTree(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	from := filepath.Join(t.TempDir(), "from")
	for name, mode := range map[string]fs.FileMode{"secret": 0o600, "key": 0o400, "public": 0o666, "run": 0o755, "sub/deep": 0o640, "suid": 0o755 | fs.ModeSetuid, "shut/x": 0o444} {
		file := filepath.Join(from, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(name), 0o600))
		if os.Getuid() == 0 {
			must(t, os.Chown(file, 1234, 4321))
		}
		must(t, os.Chmod(file, mode))
	}
	must(t, os.Symlink("../outside", filepath.Join(from, "link")))
	must(t, os.Chmod(filepath.Join(from, "sub"), 0o2770|fs.ModeSetgid))
	must(t, os.Chmod(filepath.Join(from, "shut"), 0o555))
	must(t, os.Chmod(from, 0o710))
	root, err := os.OpenRoot(from)
	must(t, err)
	defer root.Close()
	to := filepath.Join(t.TempDir(), "to")
	must(t, files.CopyTree(to, root))
	want := modes(t, from)
	if diff := cmp.Diff(want, modes(t, to)); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(want["secret"], "100600 ") || !strings.HasPrefix(want["sub"], "42770 ") {
		t.Errorf("the test made %v", want)
	}

	// One that is there keeps what it has, and can then be removed although a part of it forbids to.
	there := t.TempDir()
	must(t, os.Chmod(there, 0o750))
	must(t, files.CopyTree(there, root))
	want["."] = modes(t, there)["."]
	if diff := cmp.Diff(want, modes(t, there)); diff != "" || !strings.HasPrefix(want["."], "40750 ") {
		t.Errorf("%s %s", want["."], diff)
	}
	must(t, files.CopyFile(filepath.Join(there, "again"), root, "key"))
	if got := modes(t, there)["again"]; got != want["key"] {
		t.Errorf("got %s, want %s", got, want["key"])
	}
	must(t, files.RemoveTree(there))
	if _, err := os.Lstat(there); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
	must(t, files.RemoveTree(there))
	must(t, os.Chmod(filepath.Join(from, "shut"), 0o755)) // for the test's own cleaning
	must(t, os.Chmod(filepath.Join(to, "shut"), 0o755))
}

// TestCopyTreeRefuses puts into a directory what is no file, and links where it is copied to.
func TestCopyTreeRefuses(t *testing.T) {
	from, outside := t.TempDir(), t.TempDir()
	root, err := os.OpenRoot(from)
	must(t, err)
	defer root.Close()
	must(t, syscall.Mkfifo(filepath.Join(from, "fifo"), 0o644))
	if err := files.CopyTree(filepath.Join(t.TempDir(), "to"), root); err == nil || !strings.Contains(err.Error(), filepath.Join(from, "fifo")) {
		t.Errorf("a pipe: got %v", err)
	}
	must(t, os.Remove(filepath.Join(from, "fifo")))
	must(t, os.Mkdir(filepath.Join(from, "d"), 0o755))
	must(t, os.WriteFile(filepath.Join(from, "d/f"), []byte("x"), 0o644))
	to := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(to, "d")))
	if err := files.CopyTree(to, root); err == nil {
		t.Error("written through a link")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v, %v", left, err)
	}
}
