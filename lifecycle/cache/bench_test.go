package cache_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/layers"
)

const layersSize = 8 * 20 << 20

// bigLayers are 8 layers of 20 MB, each half text and half incompressible.
func bigLayers(b *testing.B) []v1.Layer {
	b.Helper()
	root := b.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	all := make([]v1.Layer, 8)
	for i := range all {
		dir := fmt.Sprintf("/layers/bp/%d", i)
		check(b, os.MkdirAll(filepath.Join(root, dir), 0o755))
		data := make([]byte, 10<<20)
		_, _ = random.Read(data)
		check(b, os.WriteFile(filepath.Join(root, dir, "random"), data, 0o644))
		check(b, os.WriteFile(filepath.Join(root, dir, "text"), []byte(strings.Repeat("The quick brown fox, and so on.\n", 10<<15)), 0o644))
		l, err := layers.Source{Root: root}.Dir(dir)
		check(b, err)
		diffID(b, l)
		all[i] = l
	}
	return all
}

// each does it with all layers, two at a time.
func each(b *testing.B, all []v1.Layer, do func(i int, id v1.Hash) error) {
	var g errgroup.Group
	g.SetLimit(2)
	for i, l := range all {
		g.Go(func() error { return do(i, diffID(b, l)) })
	}
	check(b, g.Wait())
}

// BenchmarkRestore verifies and unpacks the layers of a cache directory.
func BenchmarkRestore(b *testing.B) {
	all, c, to := bigLayers(b), &cache.Volume{Dir: b.TempDir()}, layers.Source{Root: b.TempDir()}
	commit(b, c, all...)
	b.SetBytes(layersSize)
	for b.Loop() {
		each(b, all, func(i int, id v1.Hash) error {
			r, err := c.Open(b.Context(), id)
			if err != nil {
				return err
			}
			defer r.Close()
			return to.Extract(r, fmt.Sprintf("/layers/bp/%d", i))
		})
	}
}

// BenchmarkVerify only reads them.
func BenchmarkVerify(b *testing.B) {
	all, c := bigLayers(b), &cache.Volume{Dir: b.TempDir()}
	commit(b, c, all...)
	b.SetBytes(layersSize)
	for b.Loop() {
		each(b, all, func(_ int, id v1.Hash) error {
			r, err := c.Open(b.Context(), id)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, 256<<10))
			return err
		})
	}
}

// BenchmarkCommit writes the layers into an empty cache directory.
func BenchmarkCommit(b *testing.B) {
	all := bigLayers(b)
	b.SetBytes(layersSize)
	for b.Loop() {
		dir, err := os.MkdirTemp(b.TempDir(), "")
		check(b, err)
		commit(b, &cache.Volume{Dir: dir}, all...)
		check(b, os.RemoveAll(dir))
	}
}

// BenchmarkCommitUnchanged commits the layers that the cache directory has.
func BenchmarkCommitUnchanged(b *testing.B) {
	all, dir := bigLayers(b), b.TempDir()
	commit(b, &cache.Volume{Dir: dir}, all...)
	for b.Loop() {
		commit(b, &cache.Volume{Dir: dir}, all...)
	}
}
