//go:build linux

package apply

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1"
)

// What the application can put into its build context: the extender, which is root, neither waits for it nor reads
// what is elsewhere.
func TestSpecialFilesInTheContext(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	check(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for name, c := range map[string]struct {
		put  func(f *fixture) error
		copy string
		want string // of the error; empty: nothing of it is copied
	}{
		"a pipe":             {func(f *fixture) error { return syscall.Mkfifo(filepath.Join(f.App, "x"), 0o666) }, "COPY x /x", errNotRegular.Error()},
		"a pipe, added":      {func(f *fixture) error { return syscall.Mkfifo(filepath.Join(f.App, "x"), 0o666) }, "ADD x /x", errNotRegular.Error()},
		"a pipe among all":   {func(f *fixture) error { return syscall.Mkfifo(filepath.Join(f.App, "x"), 0o666) }, "COPY . /all/", ""},
		"a socket among all": {func(f *fixture) error { return socket(filepath.Join(f.App, "x")) }, "COPY . /all/", ""},
		"a link out":         {func(f *fixture) error { return os.Symlink(outside, filepath.Join(f.App, "x")) }, "COPY x /x", "no such file"},
		"a link to a pipe": {func(f *fixture) error {
			return errors.Join(syscall.Mkfifo(filepath.Join(f.App, "y"), 0o666), os.Symlink("y", filepath.Join(f.App, "x")))
		}, "COPY x /x", errNotRegular.Error()},
		"a folder that leads out": {func(f *fixture) error { return os.Symlink(filepath.Dir(outside), filepath.Join(f.App, "d")) }, "COPY d/secret /x", "no such file"},
		"an ignore file that is a pipe": {func(f *fixture) error { return syscall.Mkfifo(filepath.Join(f.App, ".dockerignore"), 0o666) },
			"COPY . /all/", ".dockerignore"},
		"an ignore file that leads out": {func(f *fixture) error { return os.Symlink(outside, filepath.Join(f.App, ".dockerignore")) },
			"COPY . /all/", ".dockerignore"},
		"a device": {func(f *fixture) error {
			if os.Getuid() != 0 {
				return os.Symlink("/dev/zero", filepath.Join(f.App, "x"))
			}
			return syscall.Mknod(filepath.Join(f.App, "x"), syscall.S_IFCHR|0o666, 1<<8|5)
		}, "COPY x /x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.file(t, "kept", "kept")
			check(t, c.put(f))
			_, got, err := f.apply(t, dockerfile(t, onBase+c.copy+"\n"))
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			for name, entry := range got {
				if strings.Contains(entry, "secret") || !strings.HasPrefix(entry, "100644") && !strings.HasPrefix(entry, "40755") {
					t.Errorf("copied %s: %s", name, entry)
				}
			}
		})
	}
}

func socket(name string) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Bind(fd, &syscall.SockaddrUnix{Name: name})
}

// An extension's context is in <generated>, and a link does not lead it elsewhere.
func TestContextLinksStayInside(t *testing.T) {
	f := newFixture(t)
	f.Generated = t.TempDir()
	outside := t.TempDir()
	check(t, os.WriteFile(filepath.Join(outside, "a"), []byte("secret"), 0o600))
	check(t, os.Mkdir(filepath.Join(f.Generated, "ext"), 0o755))
	check(t, os.Symlink(outside, filepath.Join(f.Generated, "ext/context")))
	d := dockerfile(t, onBase+"COPY a /\n")
	d.Context = "ext/context"
	if _, got, err := f.apply(t, d); err == nil || got["a"] != "" {
		t.Errorf("got %v, %v", got, err)
	}
}

// A file that changes after it was hashed would be kept for the next build as what it was.
func TestChangedContextFileIsAnError(t *testing.T) {
	f := newFixture(t)
	f.file(t, "a", "one")
	b, err := f.begin(f.config)
	check(t, err)
	b.tree = newTree(t, t.TempDir())
	s, err := newStage(b, dockerfile(t, onBase+"COPY a /\n"))
	check(t, err)
	c, err := s.context()
	check(t, err)
	src, err := c.source("a", transfer{})
	check(t, err)
	f.file(t, "a", "two")
	w := copier{tree: b.tree, dest: "/"}
	if err := w.copy(t.Context(), src); err == nil || !strings.Contains(err.Error(), "the file was changed") {
		t.Errorf("got %v", err)
	}
}

// Layers lie in <layers> until they are exported, where buildpacks can exchange them.
func TestLayersAreVerified(t *testing.T) {
	f := newFixture(t)
	f.Digest = "" // no cache
	f.file(t, "a", "a")
	for name, change := range map[string]func(file string) error{
		"another file": func(file string) error { return errors.Join(os.Remove(file), os.WriteFile(file, []byte("x"), 0o644)) },
		"a pipe":       func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o644)) },
		"a link":       func(file string) error { return errors.Join(os.Rename(file, file+"2"), os.Symlink(file+"2", file)) },
	} {
		r, _, err := f.apply(t, dockerfile(t, onBase+"COPY a /\n"))
		check(t, err)
		_, err = r.Layers[0].Digest()
		check(t, err)
		for _, part := range []struct {
			file string
			open func() (io.ReadCloser, error)
		}{{r.Layers[0].file, r.Layers[0].Uncompressed}, {r.Layers[0].packed, r.Layers[0].Compressed}} {
			check(t, change(part.file))
			in, err := part.open()
			if err == nil {
				_, err = io.Copy(io.Discard, in)
				in.Close()
			}
			if err == nil {
				t.Errorf("%s was read as %s", name, part.file)
			}
		}
	}
}

// The cache of layers counts only where nobody but this user can have filled it.
func TestCacheWritableByOthersIsNotUsed(t *testing.T) {
	d := dockerfile(t, onBase+"COPY a /a\n")
	storeOf := func(f *fixture) string { return filepath.Join(f.Cache, storeName) }
	for name, c := range map[string]struct {
		change func(f *fixture) error
		root   bool
		kept   bool // the next build finds what this one makes
	}{
		"as it was":        {func(*fixture) error { return nil }, false, true},
		"others may write": {func(f *fixture) error { return os.Chmod(storeOf(f), 0o777) }, false, true},
		"the store is a link": {func(f *fixture) error {
			return errors.Join(os.Rename(storeOf(f), f.Cache+"/x"), os.Symlink(f.Cache+"/x", storeOf(f)))
		}, false, true},
		"the store is a pipe": {func(f *fixture) error {
			return errors.Join(os.RemoveAll(storeOf(f)), syscall.Mkfifo(storeOf(f), 0o666))
		}, false, true},
		"others may write above it": {func(f *fixture) error { return os.Chmod(f.Cache, 0o777) }, false, false},
		"the directory is a link": {func(f *fixture) error {
			return errors.Join(os.Rename(f.Cache, f.Cache+"2"), os.Symlink(f.Cache+"2", f.Cache))
		}, false, false},
		"the store is another's":     {func(f *fixture) error { return os.Chown(storeOf(f), 1000, 1000) }, true, true},
		"the directory is another's": {func(f *fixture) error { return os.Chown(f.Cache, 1000, 1000) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root && os.Getuid() != 0 {
				t.Skip("to give files away takes root")
			}
			f := newFixture(t)
			f.file(t, "a", "a")
			first, _, err := f.apply(t, d)
			check(t, err)
			check(t, c.change(f))
			again, got, err := f.apply(t, d)
			check(t, err)
			if (again.Executed == 0) != (name == "as it was") || again.Executed > 0 && !strings.HasSuffix(got["a"], " a") {
				t.Errorf("%d executed, %v", again.Executed, got)
			}
			third, _, err := f.apply(t, d)
			check(t, err)
			if (third.Executed == 0) != c.kept {
				t.Errorf("%d executed in the build after that", third.Executed)
			}
			var ids [2]v1.Hash
			for i, r := range []*Result{first, again} {
				ids[i] = r.Layers[0].diffID
			}
			if ids[0] != ids[1] {
				t.Errorf("got %v", ids)
			}
		})
	}
}

// An entry that is a link or a pipe is dropped.
func TestSpecialFilesInTheCache(t *testing.T) {
	for name, change := range map[string]func(entry string) error{
		"entry is a link": func(e string) error { return errors.Join(os.Rename(e, e+"2"), os.Symlink(e+"2", e)) },
		"file is a pipe": func(e string) error {
			return errors.Join(os.Remove(e+"/"+entryFile), syscall.Mkfifo(e+"/"+entryFile, 0o600))
		},
		"layer is a pipe": func(e string) error {
			return errors.Join(os.Remove(e+"/"+layerFile), syscall.Mkfifo(e+"/"+layerFile, 0o600))
		},
		"layer is a link": func(e string) error {
			return errors.Join(os.Rename(e+"/"+layerFile, e+"/x"), os.Symlink("x", e+"/"+layerFile))
		},
		"others may write":   func(e string) error { return os.Chmod(e, 0o777) },
		"layer is a folder":  func(e string) error { return errors.Join(os.Remove(e+"/"+layerFile), os.Mkdir(e+"/"+layerFile, 0o755)) },
		"file is no mapping": func(e string) error { return os.WriteFile(e+"/"+entryFile, []byte("[]"), 0o600) },
	} {
		f := newFixture(t)
		f.file(t, "a", "a")
		d := dockerfile(t, onBase+"COPY a /a\n")
		first, _, err := f.apply(t, d)
		check(t, err)
		check(t, change(filepath.Dir(first.Layers[0].file)))
		again, got, err := f.apply(t, d)
		check(t, err)
		if again.Executed != 1 || !strings.HasSuffix(got["a"], " a") {
			t.Errorf("%s: %d executed, got %v", name, again.Executed, got)
		}
	}
}
