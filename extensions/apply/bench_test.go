//go:build linux

package apply

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// largeRoot is a root file system of 6,500 files and 130 MB, or the directory that
// BASEPLAN_BENCH_ROOT names.
func largeRoot(b *testing.B) string {
	b.Helper()
	if dir := os.Getenv("BASEPLAN_BENCH_ROOT"); dir != "" {
		return dir
	}
	dir := b.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 20<<10/16)
	for i := range 6500 {
		name := filepath.Join(dir, "usr", fmt.Sprint("share-", i/800), fmt.Sprint("package-", i/12), fmt.Sprint("file-", i))
		check(b, os.MkdirAll(filepath.Dir(name), 0o755))
		check(b, os.WriteFile(name, content, 0o644))
	}
	return dir
}

// BenchmarkSnapshot is what a small RUN costs beside itself: the state behind it,
// what has changed since the one before, and the layer of it. Promised: less than
// 150 ms for a Debian root of 6,500 files.
func BenchmarkSnapshot(b *testing.B) {
	dir := largeRoot(b)
	tree := newTree(b, dir)
	changed := filepath.Join(dir, "changed-by-a-small-run")
	b.Cleanup(func() { os.Remove(changed) })
	before, err := tree.scan(nil)
	check(b, err)
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		check(b, os.WriteFile(changed, fmt.Appendf(nil, "%d", i), 0o644))
		b.StartTimer()
		now, err := tree.scan(nil)
		check(b, err)
		changes := now.since(before, nil)
		if len(changes) != 1 {
			b.Fatalf("%d changes", len(changes))
		}
		check(b, tree.writeLayer(io.Discard, changes, func(*file) bool { return false }))
		before = now
	}
	b.ReportMetric(float64(len(before)), "files")
}

// BenchmarkUnpack is what an isolated root costs beforehand.
func BenchmarkUnpack(b *testing.B) {
	tree := newTree(b, largeRoot(b))
	all, err := tree.scan(nil)
	check(b, err)
	var layer bytes.Buffer
	check(b, tree.writeLayer(&layer, all.since(nil, nil), func(*file) bool { return false }))
	b.SetBytes(int64(layer.Len()))
	for b.Loop() {
		b.StopTimer()
		dir, err := os.MkdirTemp(b.TempDir(), "")
		check(b, err)
		to := newTree(b, dir)
		b.StartTimer()
		check(b, to.unpack(b.Context(), bytes.NewReader(layer.Bytes())))
		b.StopTimer()
		check(b, os.RemoveAll(dir))
		b.StartTimer()
	}
}
