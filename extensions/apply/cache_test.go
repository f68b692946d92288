//go:build linux

package apply

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/extensions"
)

func TestCache(t *testing.T) {
	f := newFixture(t, "etc/x")
	f.file(t, "a", "one")
	f.file(t, "sub/b", "b")
	text := onBase + "ARG where=/w\nCOPY a /a\nWORKDIR $where\nWORKDIR $where\nCOPY sub ./\nUSER 1000:1000\n"
	apply := func(t *testing.T) (*Result, map[string]string) {
		t.Helper()
		r, got, err := f.apply(t, dockerfile(t, text))
		check(t, err)
		return r, got
	}
	first, _ := apply(t)
	if first.Executed != 4 || len(first.Layers) != 3 {
		t.Fatalf("%d executed, %d layers", first.Executed, len(first.Layers))
	}
	again, got := apply(t)
	if again.Executed != 0 || len(got) != 2 {
		t.Errorf("%d executed, the root has %v: want nothing to be done to it", again.Executed, got)
	}
	for i, l := range again.Layers {
		if !l.Cached || l.diffID != first.Layers[i].diffID || l.Instruction != first.Layers[i].Instruction {
			t.Errorf("layer %d: %+v", i, l)
		}
		check(t, validate.Layer(l))
	}
	for _, c := range []struct {
		name   string
		change func()
		want   int // executed
	}{
		{"content of a source", func() { f.file(t, "a", "two") }, 4},
		{"content of the last source", func() { f.file(t, "sub/b", "other") }, 1},
		{"mode of a source", func() { check(t, os.Chmod(filepath.Join(f.App, "sub/b"), 0o600)) }, 1},
		{"a new file", func() { f.file(t, "sub/c", "c") }, 1},
		{"another name", func() { check(t, os.Rename(filepath.Join(f.App, "sub/c"), filepath.Join(f.App, "sub/d"))) }, 1},
		{"the base image", func() { f.Digest = "sha256:other" }, 4},
		{"an instruction", func() { text = strings.Replace(text, "/a\n", "/aa\n", 1) }, 4},
		{"an arg that is used", func() { text = strings.Replace(text, "=/w", "=/v", 1) }, 3},
		{"the owner", func() { text = strings.Replace(text, "COPY sub", "COPY --chown=5 sub", 1) }, 1},
		{"the user of a WORKDIR", func() { f.config.User = "5:5" }, 3},
		{"what is left out", func() { f.Root.Exclude = []string{"/srv"} }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change()
			if r, _ := apply(t); r.Executed != c.want {
				t.Errorf("%d executed, want %d", r.Executed, c.want)
			}
			if r, _ := apply(t); r.Executed != 0 {
				t.Errorf("%d executed the second time", r.Executed)
			}
		})
	}
	at := time.Now().Add(time.Hour)
	check(t, os.Chtimes(filepath.Join(f.App, "a"), at, at))
	if r, _ := apply(t); r.Executed != 0 {
		t.Error("another modification time of a source made a difference")
	}
	f.TTL = time.Nanosecond
	if r, _ := apply(t); r.Executed != 4 {
		t.Errorf("%d executed of what was too old", r.Executed)
	}
	f.TTL, f.Digest = 0, ""
	if r, _ := apply(t); r.Executed != 4 {
		t.Errorf("%d executed with a base image that is not known", r.Executed)
	}
}

// A build image goes on being used, so cached layers are put into it.
func TestCacheOfABuildImage(t *testing.T) {
	f := newFixture(t, "etc/x")
	f.file(t, "a", "one")
	build := func(text string) *extensions.Dockerfile {
		d := dockerfile(t, onBase+text)
		d.Image = extensions.Build
		return d
	}
	_, want, err := f.apply(t, build("COPY a /etc/a\nCOPY a /b\n"))
	check(t, err)
	r, got, err := f.apply(t, build("COPY a /etc/a\nCOPY a /b\n"))
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" || r.Executed != 0 {
		t.Errorf("%d executed\n%s", r.Executed, diff)
	}
	// The first two from the cache, the third on top of them.
	f.file(t, "c", "c")
	r, got, err = f.apply(t, build("COPY a /etc/a\nCOPY a /b\nCOPY c /etc/a\n"))
	check(t, err)
	if r.Executed != 1 || !strings.HasSuffix(got["etc/a"], " c") || got["b"] == "" || !slices.Equal(content(t, r.Layers[2]), []string{"etc/", "etc/a"}) {
		t.Errorf("%d executed, got %v, layer %v", r.Executed, got, content(t, r.Layers[2]))
	}
}

// Once a layer had to be made anew, those behind it are not what they were either.
func TestNothingIsReusedAfterACacheMiss(t *testing.T) {
	f := newFixture(t)
	f.file(t, "a", "a")
	f.file(t, "b", "b")
	d := dockerfile(t, onBase+"COPY a /a\nCOPY b /b\n")
	first, _, err := f.apply(t, d)
	check(t, err)
	check(t, os.RemoveAll(filepath.Dir(first.Layers[0].file)))
	again, _, err := f.apply(t, d)
	check(t, err)
	if again.Executed != 2 {
		t.Errorf("%d executed, want 2", again.Executed)
	}
}

func TestDamagedCache(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, entry string){
		"a flipped byte": func(t *testing.T, entry string) {
			file := filepath.Join(entry, layerFile)
			b, err := os.ReadFile(file)
			check(t, err)
			b[len(b)/2] ^= 1
			check(t, os.WriteFile(file, b, 0o600))
		},
		"a layer cut off": func(t *testing.T, entry string) { check(t, os.Truncate(filepath.Join(entry, layerFile), 100)) },
		"no layer":        func(t *testing.T, entry string) { check(t, os.Remove(filepath.Join(entry, layerFile))) },
		"no description":  func(t *testing.T, entry string) { check(t, os.Remove(filepath.Join(entry, entryFile))) },
		"an empty one":    func(t *testing.T, entry string) { check(t, os.Truncate(filepath.Join(entry, entryFile), 0)) },
		"a file for folder": func(t *testing.T, entry string) {
			check(t, os.RemoveAll(entry))
			check(t, os.WriteFile(entry, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.file(t, "a", "one")
			var warnings bytes.Buffer
			f.Log = slog.New(slog.NewTextHandler(&warnings, &slog.HandlerOptions{Level: slog.LevelWarn}))
			other := filepath.Join(f.Cache, "base", "of-another-tool")
			check(t, os.MkdirAll(other, 0o755))
			d := dockerfile(t, onBase+"COPY a /a\n")
			first, _, err := f.apply(t, d)
			check(t, err)
			damage(t, filepath.Dir(first.Layers[0].file))
			again, _, err := f.apply(t, d)
			check(t, err)
			if again.Executed != 1 || again.Layers[0].diffID != first.Layers[0].diffID || !strings.Contains(warnings.String(), "removing an invalid entry") {
				t.Errorf("%d executed; %s", again.Executed, &warnings)
			}
			if third, _, err := f.apply(t, d); err != nil || third.Executed != 0 {
				t.Errorf("the entry was not made anew: %v, %v", third, err)
			}
			if _, err := os.Stat(other); err != nil {
				t.Error(err)
			}
		})
	}
}

// A cache that cannot be written is none, but no error either.
func TestUnusableCache(t *testing.T) {
	f := newFixture(t)
	f.file(t, "a", "one")
	f.Cache = filepath.Join(f.App, "a") // a file
	r, _, err := f.apply(t, dockerfile(t, onBase+"COPY a /a\n"))
	check(t, err)
	check(t, validate.Layer(r.Layers[0]))
}

func TestExpiredEntriesArePruned(t *testing.T) {
	f := newFixture(t)
	f.file(t, "a", "one")
	r, _, err := f.apply(t, dockerfile(t, onBase+"COPY a /a\n"))
	check(t, err)
	entry := filepath.Dir(r.Layers[0].file)
	half := filepath.Join(filepath.Dir(entry), "new-123")
	check(t, os.Mkdir(half, 0o700))
	old := time.Now().Add(-15 * 24 * time.Hour)
	for _, dir := range []string{entry, half} {
		check(t, os.Chtimes(dir, old, old))
	}
	f.file(t, "a", "two")
	r, _, err = f.apply(t, dockerfile(t, onBase+"COPY a /a\n"))
	check(t, err)
	left, err := os.ReadDir(filepath.Dir(entry))
	check(t, err)
	if len(left) != 1 || left[0].Name() != filepath.Base(filepath.Dir(r.Layers[0].file)) {
		t.Errorf("left: %v", left)
	}
}
