package lifecycle_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// bigBuild is a build with 8 launch layers of 20 MB, half text and half incompressible, and 2,000 files of the app.
func bigBuild(b *testing.B) *exporting {
	b.Helper()
	files := map[string]string{}
	for n := range 2000 {
		files[fmt.Sprintf("workspace/%d/%d.txt", n/50, n)] = strings.Repeat(fmt.Sprintf("line %d\n", n), 60)
	}
	x := newExporting(b, files)
	for n := range 8 {
		x.write(map[string]string{fmt.Sprintf("layers/acme_ruby/big%d.toml", n): "[types]\nlaunch = true\n"})
		x.bigLayer(n, byte(n))
	}
	b.SetBytes(8 * 20 << 20)
	return x
}

// bigLayer writes a layer of 20 files of 1 MB.
func (x *exporting) bigLayer(n int, seed byte) {
	random := rand.NewChaCha8([32]byte{seed})
	text := []byte(strings.Repeat(fmt.Sprintf("The quick brown fox %d jumps over the lazy dog.\n", seed), 1<<20/46))
	dir := filepath.Join(x.root, fmt.Sprintf("layers/acme_ruby/big%d", n))
	check(x.t, os.MkdirAll(dir, 0o755))
	for i := range 20 {
		data := text
		if i%2 == 0 {
			data = make([]byte, 1<<20)
			_, _ = random.Read(data)
		}
		check(x.t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), data, 0o644))
	}
}

func (x *exporting) bench(b *testing.B) {
	_, err := x.try(b.Context())
	check(b, err)
}

// previous makes the image that is there the previous one.
func (x *exporting) previous(b *testing.B) {
	img, err := remote.Image(lifecycletest.Reference(x.e.Names[0].String()))
	check(b, err)
	config, err := img.ConfigFile()
	check(b, err)
	meta, err := platform.DecodeAppMetadata(config.Config.Labels[platform.LifecycleMetadataLabel], "app")
	check(b, err)
	x.rebuild(exported{meta: meta})
}

// BenchmarkExport exports bigBuild to a registry in this process, whose own work is in the times.
func BenchmarkExport(b *testing.B) {
	b.Run("cold", func(b *testing.B) {
		x := bigBuild(b)
		for b.Loop() {
			b.StopTimer()
			host := lifecycletest.Registry()
			x.e.Names = refs(host.Name + "/app:1")
			b.StartTimer()
			x.bench(b)
			b.StopTimer()
			host.Close()
			b.StartTimer()
		}
	})
	b.Run("registry has the blobs", func(b *testing.B) {
		x := bigBuild(b)
		x.bench(b)
		for b.Loop() {
			x.bench(b)
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		x := bigBuild(b)
		x.bench(b)
		x.previous(b)
		for b.Loop() {
			x.bench(b)
		}
	})
	b.Run("one layer changed", func(b *testing.B) {
		x := bigBuild(b)
		x.bench(b)
		x.previous(b)
		for n := 1; b.Loop(); n++ {
			b.StopTimer()
			x.bigLayer(3, byte(10+n))
			b.StartTimer()
			x.bench(b)
		}
	})
	b.Run("unchanged with cache", func(b *testing.B) {
		x := bigBuild(b)
		for n := range 8 {
			x.write(map[string]string{fmt.Sprintf("layers/acme_ruby/big%d.toml", n): "[types]\nlaunch = true\ncache = true\n"})
		}
		x.e.Cache = &cache.Volume{Dir: b.TempDir()}
		x.bench(b)
		x.previous(b)
		for b.Loop() {
			x.bench(b)
		}
	})
}
