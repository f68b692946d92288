package image

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func reads(content string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }
}

func hashed(t *testing.T, content string) v1.Hash {
	t.Helper()
	h, _, err := v1.SHA256(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLaunchCache(t *testing.T) {
	c := LaunchCache{t.TempDir()}
	ctx := t.Context()
	a, b := hashed(t, "a"), hashed(t, "b")
	for id, content := range map[v1.Hash]string{a: "a", b: "b"} {
		if err := c.put(ctx, id, reads(content)); err != nil {
			t.Fatal(err)
		}
	}
	// Neither what is not what it is called, nor what breaks off, nor a path, gets in.
	if err := c.put(ctx, hashed(t, "c"), reads("other")); !errors.Is(err, errCorrupt) {
		t.Errorf("other content: %v", err)
	}
	if err := c.put(ctx, hashed(t, "c"), func() (io.ReadCloser, error) { return nil, fs.ErrClosed }); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("no content: %v", err)
	}
	for _, bad := range []v1.Hash{{Algorithm: "sha256", Hex: "../../x"}, {Algorithm: "../sha256", Hex: a.Hex}, {}} {
		if err := c.put(ctx, bad, reads("x")); err == nil {
			t.Errorf("%v was put", bad)
		}
		if _, err := c.Open(bad); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	// What a process that was killed has left goes, files of others stay.
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("staging/.new-1", "half")
	write("committed/"+b.String()+".tar", "broken")
	write("committed/io.buildpacks.lifecycle.cache.metadata", "{}")
	write("other", "")
	if !c.removeCorrupt(ctx, []part{{diffID: a}, {diffID: b}, {diffID: hashed(t, "c")}}) || c.has(b) || !c.has(a) {
		t.Error("the broken layer is still there, or a good one is not")
	}
	if c.removeCorrupt(ctx, []part{{diffID: a}, {diffID: b}}) {
		t.Error("a good layer was healed")
	}
	if err := errors.Join(c.put(ctx, b, reads("b")), c.prune(map[v1.Hash]bool{a: true})); err != nil {
		t.Fatal(err)
	}
	var left []string
	err := fs.WalkDir(os.DirFS(c.Dir), ".", func(name string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			left = append(left, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(left)
	want := []string{"committed/io.buildpacks.lifecycle.cache.metadata", "committed/" + a.String() + ".tar", "other"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
	f, err := c.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if content, err := io.ReadAll(f); err != nil || string(content) != "a" {
		t.Errorf("%q, %v", content, err)
	}
}

// TestLaunchCacheOfTwoBuilds: one does not take away what another is writing.
func TestLaunchCacheOfTwoBuilds(t *testing.T) {
	c := LaunchCache{t.TempDir()}
	a := hashed(t, "a")
	err := c.put(t.Context(), a, func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "a") // what is read of it was written to staging before the end comes
			w.CloseWithError(c.prune(nil))
		}()
		return r, nil
	})
	if err != nil || !c.has(a) {
		t.Errorf("%v; it is there: %t", err, c.has(a))
	}
	if err := errors.Join(c.put(t.Context(), a, func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("a")), c.put(t.Context(), a, reads("a"))
	}), c.prune(map[v1.Hash]bool{a: true})); err != nil || !c.has(a) {
		t.Errorf("both write the same: %v", err)
	}
}

// TestLaunchCacheOfOddFiles: what is no regular file is not there, and not waited for.
func TestLaunchCacheOfOddFiles(t *testing.T) {
	a := hashed(t, "a")
	elsewhere := LaunchCache{t.TempDir()}
	if err := elsewhere.put(t.Context(), a, reads("a")); err != nil {
		t.Fatal(err)
	}
	for name, odd := range map[string]func(file, good string) error{
		"a pipe":    func(f, _ string) error { return syscall.Mkfifo(f, 0o644) },
		"a link":    func(f, good string) error { return os.Symlink(good, f) },
		"a device":  func(f, _ string) error { return os.Symlink("/dev/zero", f) },
		"a file":    func(f, _ string) error { return os.WriteFile(f, []byte("b"), 0o644) },
		"a folder":  func(f, _ string) error { return os.Mkdir(f, 0o755) },
		"a foreign": func(f, good string) error { return os.Link(good, f) },
	} {
		for _, of := range []string{"committed", "committed/" + a.String() + ".tar", "staging"} {
			t.Run(name+" as "+of, func(t *testing.T) {
				c := LaunchCache{t.TempDir()}
				if err := errors.Join(c.put(t.Context(), a, reads("a")), os.RemoveAll(filepath.Join(c.Dir, of))); err != nil {
					t.Fatal(err)
				}
				if err := odd(filepath.Join(c.Dir, of), filepath.Join(elsewhere.Dir, of)); err != nil {
					t.Skip(err) // a hard link of a folder
				}
				if r, err := c.Verified(a); err == nil {
					content, err := io.ReadAll(r)
					if good := of == "staging" || name == "a foreign"; good != (err == nil && string(content) == "a") {
						t.Errorf("%q, %v", content, err)
					}
					_ = r.Close()
				}
				_ = errors.Join(c.put(t.Context(), a, reads("a")), c.prune(nil)) // neither may hang, or go elsewhere
				if !elsewhere.has(a) {
					t.Fatal("it was removed where the link leads")
				}
			})
		}
	}
}
