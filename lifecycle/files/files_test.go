package files_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/files"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A place is a base directory, a link to it, and a directory outside, with a secret.
type place struct{ base, link, outside string }

func newPlace(t testing.TB) place {
	t.Helper()
	dir := t.TempDir()
	p := place{filepath.Join(dir, "base"), filepath.Join(dir, "link"), filepath.Join(dir, "outside")}
	for _, d := range []string{filepath.Join(p.base, "a/b"), filepath.Join(p.outside, "b")} {
		check(t, os.MkdirAll(d, 0o755))
	}
	for name, data := range map[string]string{filepath.Join(p.base, "a/b/file"): "good", filepath.Join(p.outside, "b/file"): "secret", filepath.Join(p.outside, "file"): "secret"} {
		check(t, os.WriteFile(name, []byte(data), 0o644))
	}
	check(t, os.Symlink(p.base, p.link))
	return p
}

// odd are all kinds of things that may stand where a file is expected.
func odd(p place) map[string]func(file string) error {
	return map[string]func(string) error{
		"a link": func(f string) error { return os.Symlink(filepath.Join(p.outside, "file"), f) },
		"a link to a neighbour": func(f string) error {
			return errors.Join(os.WriteFile(f+"2", nil, 0o644), os.Symlink(filepath.Base(f)+"2", f))
		},
		"a link to a device": func(f string) error { return os.Symlink(os.DevNull, f) },
		"a link to nothing":  func(f string) error { return os.Symlink("none", f) },
		"a link to itself":   func(f string) error { return os.Symlink(filepath.Base(f), f) },
		"a pipe":             func(f string) error { return syscall.Mkfifo(f, 0o644) },
		"a directory":        func(f string) error { return os.Mkdir(f, 0o755) },
		"a socket": func(f string) error {
			s, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			old, err := os.Getwd()
			if err != nil {
				return err
			}
			return errors.Join(os.Chdir(filepath.Dir(f)), syscall.Bind(s, &syscall.SockaddrUnix{Name: filepath.Base(f)}), os.Chdir(old), syscall.Close(s))
		},
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	for name := range odd(place{}) {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			file := filepath.Join(p.base, "a/b/file")
			check(t, os.Remove(file))
			check(t, odd(p)[name](file))
			if data, err := files.ReadWithin(p.base, file); !errors.Is(err, files.ErrNotRegular) || !strings.Contains(err.Error(), file) {
				t.Errorf("read %q, %v", data, err)
			}
			if !strings.HasPrefix(name, "a link") || strings.HasSuffix(name, "device") {
				if data, err := files.Read(file); !errors.Is(err, files.ErrNotRegular) {
					t.Errorf("as the platform's: %q, %v", data, err)
				}
			}
			if strings.HasSuffix(name, "directory") {
				if err := files.WriteWithin(p.base, file, nil); err == nil {
					t.Error("a directory was replaced")
				}
				return
			}
			check(t, files.WriteWithin(p.base, file, []byte("new")))
			if data, err := files.ReadWithin(p.base, file); err != nil || string(data) != "new" {
				t.Errorf("written, it is %q, %v", data, err)
			}
			if data, err := os.ReadFile(filepath.Join(p.outside, "file")); err != nil || string(data) != "secret" {
				t.Errorf("written through: %q, %v", data, err)
			}
		})
	}
}

// What stands in the way to a file is a directory, or it is refused.
func TestParentsMustBeDirectories(t *testing.T) {
	ways := map[string]func(p place, way string) error{
		"a link out":              func(p place, way string) error { return os.Symlink(p.outside, way) },
		"a link to a neighbour":   func(p place, way string) error { return os.Symlink("c", way) },
		"a link out by way of ..": func(_ place, way string) error { return os.Symlink("../outside", way) },
		"a pipe":                  func(_ place, way string) error { return syscall.Mkfifo(way, 0o644) },
		"a file":                  func(_ place, way string) error { return os.WriteFile(way, nil, 0o644) },
	}
	for name, replace := range ways {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			check(t, os.Rename(filepath.Join(p.base, "a"), filepath.Join(p.base, "c")))
			check(t, replace(p, filepath.Join(p.base, "a")))
			file := filepath.Join(p.base, "a/b/file")
			if data, err := files.ReadWithin(p.base, file); !errors.Is(err, files.ErrNotDirectory) {
				t.Errorf("read %q, %v", data, err)
			}
			if err := files.WriteWithin(p.base, file, []byte("new")); !errors.Is(err, files.ErrNotDirectory) {
				t.Errorf("wrote: %v", err)
			}
			if err := files.RemoveWithin(p.base, "a/b/file"); !errors.Is(err, files.ErrNotDirectory) {
				t.Errorf("removed: %v", err)
			}
			for file, want := range map[string]string{filepath.Join(p.outside, "b/file"): "secret", filepath.Join(p.base, "c/b/file"): "good"} {
				if data, err := os.ReadFile(file); err != nil || string(data) != want {
					t.Errorf("%s is %q, %v", file, data, err)
				}
			}
			check(t, files.RemoveWithin(p.base, "a"))
			if _, err := os.Lstat(filepath.Join(p.base, "a")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if _, err := os.Lstat(filepath.Join(p.outside, "b/file")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBaseDirectoryMayBeALink(t *testing.T) {
	p := newPlace(t)
	file := filepath.Join(p.link, "a/b/file")
	if data, err := files.ReadWithin(p.link, file); err != nil || string(data) != "good" {
		t.Errorf("%q, %v", data, err)
	}
	check(t, files.WriteWithin(p.link, filepath.Join(p.link, "new/dir/file"), []byte("new")))
	if data, err := os.ReadFile(filepath.Join(p.base, "new/dir/file")); err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestPlatformFilesMayBeLinks(t *testing.T) {
	p := newPlace(t)
	file := filepath.Join(p.outside, "linked")
	check(t, os.Symlink("b/file", file))
	for _, base := range []string{"", p.base} {
		if data, err := files.ReadWithin(base, file); err != nil || string(data) != "secret" {
			t.Errorf("%q: %q, %v", base, data, err)
		}
	}
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		base, name, rel string
		ok              bool
	}{
		{"/layers", "/layers/a", "a", true}, {"/layers", "/layers", "", false}, {"/layers", "/layers2/a", "", false},
		{"/layers", "/layers/../etc", "", false}, {"", "/etc", "", false}, {"/", "/etc/x", "etc/x", true}, {"/layers", "/layers/a/../b", "b", true},
		{"/layers", "/layers/..a", "..a", true},
	} {
		if rel, ok := files.Below(tt.base, tt.name); ok != tt.ok || ok && rel != tt.rel {
			t.Errorf("%q, %q: %q, %t", tt.base, tt.name, rel, ok)
		}
	}
}

// While somebody exchanges a directory for a link without end, what is read and written is within the base or nothing.
func TestPathSwappedDuringOpenStaysInside(t *testing.T) {
	p := newPlace(t)
	way, aside, link := filepath.Join(p.base, "a"), filepath.Join(p.base, "aside"), filepath.Join(p.base, "other")
	check(t, os.Symlink(p.outside, link))
	read := func() error {
		f, err := files.OpenWithin(p.base, filepath.Join(way, "b/file"))
		if err != nil {
			return err
		}
		data, readErr := io.ReadAll(f)
		check(t, errors.Join(readErr, f.Close()))
		if string(data) != "good" {
			t.Fatalf("read %q", data)
		}
		return nil
	}
	check(t, read()) // what is right is read while nothing moves; behind that it may never be there
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = errors.Join(os.Rename(way, aside), os.Rename(link, way), os.Rename(way, link), os.Rename(aside, way))
			}
		}
	}()
	for range 3000 {
		_ = read()
		_ = files.WriteWithin(p.base, filepath.Join(way, "b/new"), nil)
	}
	close(stop)
	<-stopped
	if _, err := os.Lstat(filepath.Join(p.outside, "b/new")); err == nil {
		t.Error("it was written outside")
	}
}

// TestReplacedFilesKeepOwnerAndMode rewrites files that other users and programs have to write again.
func TestReplacedFilesKeepOwnerAndMode(t *testing.T) {
	dir := t.TempDir()
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // nobody else may give files away
		uid, gid = 1000, 2000
	}
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o664} {
		name := filepath.Join(dir, mode.String())
		check(t, os.WriteFile(name, []byte("old"), mode))
		check(t, errors.Join(os.Chmod(name, mode), os.Chown(name, uid, gid)))
		check(t, files.WriteWithin(dir, name, []byte("new")))
		info, err := os.Stat(name)
		check(t, err)
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode() != mode || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("it is %v of %d:%d, want %v of %d:%d", info.Mode(), st.Uid, st.Gid, mode, uid, gid)
		}
	}
	link := filepath.Join(dir, "link")
	check(t, os.Symlink(filepath.Join(dir, "elsewhere"), link))
	check(t, files.WriteWithin(dir, link, []byte("new")))
	if info, err := os.Lstat(link); err != nil || info.Mode() != 0o644 {
		t.Errorf("in place of a link: %v, %v", info.Mode(), err)
	}
}
