package image_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// benchApp is what a build leaves on disk: 8 layers of 20 MB, each 10 files of text and 10 that
// do not compress, and an app of 2,000 files of 500 bytes.
func benchApp(b *testing.B) (source layers.Source, dirs []string) {
	b.Helper()
	root := b.TempDir()
	write := func(file, content string) {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for n := range 8 {
		dir := fmt.Sprintf("/layers/bp/layer%d", n)
		for m := range 20 {
			content := random(fmt.Sprint(n, m), 1<<20)
			if m%2 == 0 {
				content = string(lifecycletest.Prose(uint64(100*n+m), 1<<20))
			}
			write(filepath.Join(root, dir, fmt.Sprint(m)), content)
		}
		dirs = append(dirs, dir)
	}
	for n := range 2000 {
		write(filepath.Join(root, "workspace", fmt.Sprint(n/50), fmt.Sprint(n)), string(lifecycletest.Prose(uint64(n), 500)))
	}
	return layers.Source{Root: root}, append(dirs, "/workspace")
}

func benchWrite(b *testing.B, w *image.Writer, base, previous *image.Image, source layers.Source, dirs []string, name string) {
	b.Helper()
	d := image.Draft{Base: base, Previous: previous, Config: *base.Config.DeepCopy()}
	var all []v1.Layer
	for _, dir := range dirs {
		l, err := source.Dir(dir)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		all = append(all, l)
		d.Layers = append(d.Layers, image.Add{Layer: l})
	}
	if err := w.Prepare(b.Context(), reference.Parse(name), previous, all...); err != nil {
		b.Fatal(err)
	}
	if _, err := w.Write(b.Context(), d, refs(name)...); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWrite exports to a registry in this process, whose own work (some 100 ms a core) counts.
// With BASEPLAN_BENCH_REGISTRY=host:port it is one that runs there.
func BenchmarkWrite(b *testing.B) {
	source, dirs := benchApp(b)
	host := os.Getenv("BASEPLAN_BENCH_REGISTRY")
	o := &image.Opener{}
	w := &image.Writer{Opener: o}
	fresh := func() (string, *image.Image, func()) {
		registry := lifecycletest.Registry()
		name, stop := registry.Name, registry.Close
		if host != "" {
			name = host
		}
		push(b, name+"/run:1", lifecycletest.Debian())
		return name, open(b, o, name+"/run:1"), stop
	}
	b.Run("cold", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			name, base, stop := fresh()
			b.StartTimer()
			benchWrite(b, w, base, nil, source, dirs, fmt.Sprintf("%s/app%d:1", name, n))
			b.StopTimer()
			stop()
			b.StartTimer()
		}
	})
	name, base, stop := fresh()
	defer stop()
	benchWrite(b, w, base, nil, source, dirs, name+"/app:1")
	previous := open(b, o, name+"/app:1")
	b.Run("same", func(b *testing.B) {
		for b.Loop() {
			benchWrite(b, w, base, previous, source, dirs, name+"/app:1")
		}
	})
	b.Run("one layer changed", func(b *testing.B) {
		file := filepath.Join(source.Root, dirs[3], "0")
		for n := uint64(0); b.Loop(); n++ {
			if err := os.WriteFile(file, lifecycletest.Prose(1_000_000+n, 1<<20), 0o644); err != nil {
				b.Fatal(err)
			}
			benchWrite(b, w, base, previous, source, dirs, name+"/app:1")
		}
	})
}
