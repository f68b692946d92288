package cache_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// layer is /layers/bp/<name> with one file of that content.
func layer(t testing.TB, name, content string) *layers.Layer {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "layers/bp", name)
	check(t, os.MkdirAll(dir, 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644))
	l, err := layers.Source{Root: root}.Dir("/layers/bp/" + name)
	check(t, err)
	return l
}

func diffID(t testing.TB, l v1.Layer) v1.Hash {
	t.Helper()
	h, err := l.DiffID()
	check(t, err)
	return h
}

// metadata names layers "0", "1" and so on of a buildpack bp.
func metadata(t testing.TB, all ...v1.Layer) cache.Metadata {
	m := cache.Metadata{Buildpacks: []cache.Buildpack{{Key: "bp", Version: "1", Layers: map[string]cache.Layer{}}}}
	for i, l := range all {
		m.Buildpacks[0].Layers[fmt.Sprint(i)] = cache.Layer{LayerRef: cache.LayerRef{SHA: diffID(t, l).String()}, Cache: true}
	}
	return m
}

func read(t testing.TB, c cache.Cache, id v1.Hash) (string, error) {
	t.Helper()
	r, err := c.Open(t.Context(), id)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

func content(t testing.TB, l v1.Layer) string {
	t.Helper()
	r, err := l.Uncompressed()
	check(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	check(t, err)
	return string(data)
}

func commit(t testing.TB, c cache.Cache, all ...v1.Layer) {
	t.Helper()
	for _, l := range all {
		check(t, c.Add(t.Context(), l))
	}
	check(t, c.Commit(t.Context(), metadata(t, all...)))
}

// unread is a layer whose content is gone.
type unread struct{ v1.Layer }

func (unread) Uncompressed() (io.ReadCloser, error) { return nil, errors.New("read") }
func (unread) Compressed() (io.ReadCloser, error)   { return nil, errors.New("read") }
func (unread) Digest() (v1.Hash, error)             { return v1.Hash{}, errors.New("read") }
func (unread) Size() (int64, error)                 { return 0, errors.New("read") }

// kinds open the same cache again and again, as one process after another does.
var kinds = map[string]func(t *testing.T) func() cache.Cache{
	"volume": func(t *testing.T) func() cache.Cache {
		dir := t.TempDir()
		return func() cache.Cache { return &cache.Volume{Dir: dir} }
	},
	"image": func(t *testing.T) func() cache.Cache {
		host := lifecycletest.Registry()
		t.Cleanup(host.Close)
		return func() cache.Cache { return &cache.Image{Ref: lifecycletest.Reference(host.Name + "/cache:1")} }
	},
}

func TestCache(t *testing.T) {
	a, b, c := layer(t, "a", "1"), layer(t, "b", "2"), layer(t, "c", "3")
	for kind, start := range kinds {
		t.Run(kind, func(t *testing.T) {
			open := start(t)
			m, err := open().Metadata(t.Context())
			check(t, err)
			if diff := cmp.Diff(cache.Metadata{}, m); diff != "" {
				t.Errorf("before the first build: %s", diff)
			}
			first := open()
			commit(t, first, a, b)

			second := open()
			check(t, second.Add(t.Context(), unread{b})) // it is there: not read again
			check(t, second.Add(t.Context(), c))
			for _, l := range []v1.Layer{a, b} {
				got, err := read(t, second, diffID(t, l))
				if err != nil || got != content(t, l) {
					t.Errorf("before the second commit: %v", err)
				}
			}
			if _, err := read(t, second, diffID(t, c)); !errors.Is(err, cache.ErrNotFound) {
				t.Errorf("added and not committed: %v", err)
			}
			check(t, second.Commit(t.Context(), metadata(t, b, c)))

			for _, after := range []cache.Cache{second, open()} {
				m, err := after.Metadata(t.Context())
				check(t, err)
				if diff := cmp.Diff(metadata(t, b, c), m); diff != "" {
					t.Error(diff)
				}
				for _, l := range []v1.Layer{b, c} {
					if got, err := read(t, after, diffID(t, l)); err != nil || got != content(t, l) {
						t.Errorf("after the second commit: %v", err)
					}
				}
				if _, err := read(t, after, diffID(t, a)); !errors.Is(err, cache.ErrNotFound) {
					t.Errorf("a layer not added again: %v", err)
				}
			}
		})
	}
}

func TestCacheRefusesMetadataOfMissingLayers(t *testing.T) {
	a, b := layer(t, "a", "1"), layer(t, "b", "2")
	for kind, start := range kinds {
		t.Run(kind, func(t *testing.T) {
			open := start(t)
			commit(t, open(), a)
			c := open()
			check(t, c.Add(t.Context(), b))
			if err := c.Commit(t.Context(), metadata(t, a, b)); err == nil || !strings.Contains(err.Error(), diffID(t, a).String()) {
				t.Errorf("got %v", err)
			}
			check(t, c.Close())
			if err := c.Commit(t.Context(), metadata(t, b)); err == nil {
				t.Error("what was added before Close was committed")
			}
			if _, err := read(t, open(), diffID(t, a)); err != nil {
				t.Errorf("the layers before: %v", err)
			}
			check(t, c.Add(t.Context(), a))
			check(t, c.Commit(t.Context(), metadata(t, a)))
		})
	}
}

func TestCacheAddsAtTheSameTime(t *testing.T) {
	all := make([]v1.Layer, 12)
	for i := range all {
		all[i] = layer(t, "l", fmt.Sprint(i/3)) // three times each
	}
	for kind, start := range kinds {
		t.Run(kind, func(t *testing.T) {
			c := start(t)()
			var g sync.WaitGroup
			errs := make([]error, len(all))
			for i, l := range all {
				g.Go(func() { errs[i] = c.Add(t.Context(), l) })
			}
			g.Wait()
			check(t, errors.Join(errs...))
			check(t, c.Commit(t.Context(), metadata(t, all...)))
			for _, l := range all {
				if got, err := read(t, c, diffID(t, l)); err != nil || got != content(t, l) {
					t.Error(err)
				}
			}
		})
	}
}

func TestCacheNamesFaultsOfLayers(t *testing.T) {
	for kind, start := range kinds {
		t.Run(kind, func(t *testing.T) {
			open := start(t)
			bad := layer(t, "a", "1")
			c := open()
			err := c.Add(t.Context(), unread{bad})
			if err == nil {
				err = c.Commit(t.Context(), metadata(t, bad))
			}
			if err == nil {
				t.Error("a layer that cannot be read was cached")
			}
			check(t, c.Close())
			commit(t, open(), bad) // nothing stands in the way of the next
			for _, id := range []v1.Hash{{}, {Algorithm: "sha256", Hex: "../../x"}, {Algorithm: "sha512", Hex: strings.Repeat("0", 128)}} {
				if _, err := open().Open(t.Context(), id); !errors.Is(err, cache.ErrNotFound) {
					t.Errorf("%q: %v", id, err)
				}
			}
		})
	}
}

func TestMetadataOfOtherLifecycles(t *testing.T) {
	sha := "sha256:" + strings.Repeat("0", 64)
	for _, test := range []struct{ name, json, want string }{ // want: part of the error
		{"nothing", `{}`, ""},
		{"null", `{"sbom":null,"buildpacks":null}`, ""},
		{"unknown keys", `{"version":9,"buildpacks":[{"key":"a","store":{},"layers":{"l":{"sha":"` + sha + `","new":1}}}]}`, ""},
		{"empty", ``, "unexpected end"},
		{"cut", `{"buildpacks":[{"key":`, "unexpected end"},
		{"wrong type", `{"buildpacks":{"key":"a"}}`, "buildpacks"},
		{"no digest", `{"buildpacks":[{"key":"a/b","layers":{"l":{"sha":"x"}}}]}`, "a/b:l sha"},
		{"a path as digest", `{"sbom":{"sha":"sha256:../../../../../../../../../../../../../../../../../../../../../x"}}`, "sbom.sha"},
		{"dots", `{"buildpacks":[{"key":"a","layers":{"..":{"sha":"` + sha + `"}}}]}`, `layer name ".."`},
		{"a path as layer", `{"buildpacks":[{"key":"a","layers":{"../../etc":{"sha":"` + sha + `"}}}]}`, `layer name "../../etc"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			check(t, os.Mkdir(filepath.Join(dir, "committed"), 0o755))
			check(t, os.WriteFile(filepath.Join(dir, "committed", cache.MetadataName), []byte(test.json), 0o644))
			c := &cache.Volume{Dir: dir}
			_, err := c.Metadata(t.Context())
			if test.want == "" {
				check(t, err)
				return
			}
			if !errors.Is(err, cache.ErrCorrupt) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v", err)
			}
			commit(t, c, layer(t, "a", "1")) // it is replaced
			_, err = c.Metadata(t.Context())
			check(t, err)
		})
	}
}

func FuzzDecodeMetadata(f *testing.F) {
	data, err := os.ReadFile("testdata/committed/" + cache.MetadataName)
	check(f, err)
	f.Add(data)
	f.Add([]byte(`{"buildpacks":[{"layers":{"..":{}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := cache.DecodeMetadata(data, "fuzz")
		if err != nil {
			if !errors.Is(err, cache.ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		encoded, err := m.Encode()
		check(t, err)
		again, err := cache.DecodeMetadata(encoded, "again")
		check(t, err)
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEmptyImageIsAnImage(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	ref := lifecycletest.Reference(host.Name + "/cache:1")
	for _, all := range [][]v1.Layer{{}, {layer(t, "a", "1"), layer(t, "b", "2")}, {}} {
		commit(t, &cache.Image{Ref: ref}, all...)
		img, err := remote.Image(ref)
		check(t, err)
		check(t, validate.Image(img))
		got, err := img.Layers()
		check(t, err)
		if len(got) != max(1, len(all)) {
			t.Errorf("%d layers for %d", len(got), len(all))
		}
	}
}

// The order in which layers are added does not matter.
func TestSameLayersSameImage(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	a, b := layer(t, "a", "1"), layer(t, "b", "2")
	var digests []v1.Hash
	for i, all := range [][]v1.Layer{{a, b}, {b, a}} {
		ref := lifecycletest.Reference(fmt.Sprintf("%s/cache:%d", host.Name, i))
		c := &cache.Image{Ref: ref}
		for _, l := range all {
			check(t, c.Add(t.Context(), l))
		}
		check(t, c.Commit(t.Context(), metadata(t, a, b)))
		desc, err := remote.Head(ref)
		check(t, err)
		digests = append(digests, desc.Digest)
	}
	if digests[0] != digests[1] {
		t.Error(digests)
	}
}

// wrapped is a cache image whose registry does something else with some requests.
func wrapped(t *testing.T, host *lifecycletest.Host, instead func(w http.ResponseWriter, r *http.Request) bool) *cache.Image {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(w, r) {
			host.Handler().ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return &cache.Image{Ref: lifecycletest.Reference(strings.TrimPrefix(server.URL, "http://") + "/cache:1")}
}

func TestReusedLayersAreNeitherDownloadedNorUploaded(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	a := layer(t, "a", strings.Repeat("1", 1000))
	commit(t, &cache.Image{Ref: lifecycletest.Reference(host.Name + "/cache:1")}, a)
	blob, err := a.Digest()
	check(t, err)
	var mu sync.Mutex
	var blobs []string
	uploads := 0
	c := wrapped(t, host, func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(r.URL.Path, blob.Hex) {
			blobs = append(blobs, r.Method)
		}
		if r.Method == http.MethodPost {
			uploads++
		}
		return false
	})
	check(t, c.Add(t.Context(), unread{a}))
	check(t, c.Commit(t.Context(), metadata(t, a)))
	for _, method := range blobs {
		if method != http.MethodHead {
			t.Errorf("%v of the layer", blobs)
		}
	}
	if uploads != 0 { // the configuration is the same, too
		t.Errorf("%d uploads", uploads)
	}
}

func TestFaultsOfTheRegistry(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	a := layer(t, "a", strings.Repeat("1", 1000))
	commit(t, &cache.Image{Ref: lifecycletest.Reference(host.Name + "/cache:1")}, a)
	blob, err := a.Digest()
	check(t, err)
	isBlob := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, blob.Hex)
	}
	size, err := a.Size()
	check(t, err)

	for _, test := range []struct {
		name    string
		corrupt bool
		instead func(w http.ResponseWriter, r *http.Request) bool
	}{
		{"wrong content", true, func(w http.ResponseWriter, r *http.Request) bool {
			if !isBlob(r) {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(make([]byte, size))
			return true
		}},
		{"forbidden", false, func(w http.ResponseWriter, r *http.Request) bool {
			if isBlob(r) {
				w.WriteHeader(http.StatusForbidden)
			}
			return isBlob(r)
		}},
		{"cut off", false, func(w http.ResponseWriter, r *http.Request) bool {
			if !isBlob(r) {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write([]byte{0x1f, 0x8b})
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := wrapped(t, host, test.instead)
			_, err := read(t, c, diffID(t, a))
			if err == nil || errors.Is(err, cache.ErrCorrupt) != test.corrupt {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("no access", func(t *testing.T) {
		c := wrapped(t, host, func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		})
		_, err := c.Metadata(t.Context())
		if err == nil || errors.Is(err, cache.ErrCorrupt) || !strings.Contains(err.Error(), "/cache:1") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("lost blob", func(t *testing.T) {
		c := wrapped(t, host, func(w http.ResponseWriter, r *http.Request) bool {
			lost := r.Method == http.MethodHead && strings.Contains(r.URL.Path, blob.Hex)
			if lost {
				w.WriteHeader(http.StatusNotFound)
			}
			return lost
		})
		commit(t, c, a) // uploaded again
	})
}
