package layers_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

// bigLayer is 20 MB in 20 files, half text and half incompressible.
func bigLayer(b *testing.B) (source layers.Source, dir string, size int64) {
	b.Helper()
	root := b.TempDir()
	check(b, os.MkdirAll(filepath.Join(root, "layers/bp/big"), 0o755))
	random, text := rand.NewChaCha8([32]byte{1}), []byte(strings.Repeat("The quick brown fox, and so on.\n", 1<<15))
	for i := range 20 {
		data := text
		if i%2 == 0 {
			data = make([]byte, 1<<20)
			_, _ = random.Read(data)
		}
		check(b, os.WriteFile(filepath.Join(root, fmt.Sprintf("layers/bp/big/%d", i)), data, 0o644))
	}
	return layers.Source{Root: root}, "/layers/bp/big", 20 << 20
}

func BenchmarkDiffID(b *testing.B) {
	source, dir, size := bigLayer(b)
	b.SetBytes(size)
	for b.Loop() {
		l, err := source.Dir(dir)
		check(b, err)
		_, err = l.DiffID()
		check(b, err)
	}
}

func BenchmarkCompress(b *testing.B) {
	source, dir, size := bigLayer(b)
	b.SetBytes(size)
	for b.Loop() {
		l, err := source.Dir(dir)
		check(b, err)
		_, err = l.Digest()
		check(b, err)
		check(b, l.Close())
	}
}

func BenchmarkStream(b *testing.B) {
	source, dir, size := bigLayer(b)
	b.SetBytes(size)
	l, err := source.Dir(dir)
	check(b, err)
	for b.Loop() {
		r, err := l.Uncompressed()
		check(b, err)
		_, err = io.Copy(io.Discard, r)
		check(b, err)
	}
}

// BenchmarkAppFiles describes and hashes an app of 2,000 small files.
func BenchmarkAppFiles(b *testing.B) {
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("app/%d/%d", i/50, i)] = strings.Repeat("x", 500)
	}
	source := layers.Source{Root: tree(b, files)}
	for b.Loop() {
		all, err := source.App("/app", [][]string{{"1*"}}, nil)
		check(b, err)
		for _, l := range all {
			_, err = l.DiffID()
			check(b, err)
		}
	}
}

func BenchmarkExtract(b *testing.B) {
	source, dir, size := bigLayer(b)
	b.SetBytes(size)
	l, err := source.Dir(dir)
	check(b, err)
	data := content(b, l)
	to := layers.Source{Root: b.TempDir()}
	for b.Loop() {
		check(b, to.Extract(bytes.NewReader(data), dir))
	}
}
