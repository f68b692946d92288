package layers_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

// naiveApp returns the tars of an app as the doc comments describe them, from a list of all its files in memory.
func naiveApp(t testing.TB, root, dir string, globs [][]string) [][]byte {
	var names []string
	for p := path.Dir(dir); p != "/"; p = path.Dir(p) {
		names = append([]string{p}, names...)
	}
	check(t, filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(file, root))
		return err
	}))
	slice, left := map[string]int{}, map[string]int{}
	for _, name := range names {
		slice[name] = len(globs)
		if parent, ok := slice[path.Dir(name)]; ok {
			slice[name] = parent
		}
		for n := len(globs) - 1; n >= 0; n-- {
			for _, glob := range globs[n] {
				if ok, _ := path.Match(path.Join(dir, glob), name); ok && n < slice[name] {
					slice[name] = n
				}
			}
		}
	}
	slice[dir] = len(globs)
	for _, name := range slices.Backward(names) {
		inside := func(other string) bool { return path.Dir(other) == name }
		if slices.ContainsFunc(names, inside) && left[fmt.Sprint(slice[name], name)] == 0 {
			slice[name] = -1 // only as a parent
			continue
		}
		left[fmt.Sprint(slice[name], path.Dir(name))]++
	}
	tars := make([][]byte, len(globs)+1)
	for n := range tars {
		picked := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return !slices.ContainsFunc(names, func(other string) bool {
				return slice[other] == n && (other == name || strings.HasPrefix(other, name+"/"))
			})
		})
		tars[n] = naiveTar(t, root, picked)
	}
	return tars
}

func naiveTar(t testing.TB, root string, names []string) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range names {
		info, err := os.Lstat(root + name)
		check(t, err)
		target, _ := os.Readlink(root + name)
		h, err := tar.FileInfoHeader(info, target)
		check(t, err)
		uid, gid := 1, 2
		if strings.Count(name, "/") == 1 { // the only parent
			uid, gid = os.Getuid(), os.Getgid()
		}
		check(t, w.WriteHeader(&tar.Header{
			Typeflag: h.Typeflag, Name: name, Linkname: target, Mode: h.Mode, Size: h.Size, Uid: uid, Gid: gid, ModTime: layers.Epoch,
		}))
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(root + name)
			check(t, err)
			_, err = w.Write(data)
			check(t, err)
		}
	}
	check(t, w.Close())
	return buf.Bytes()
}

// Layers have the bytes that a program without regard to memory writes.
func TestSameBytesAsNaive(t *testing.T) {
	long := strings.Repeat("long", 30)
	rapid.Check(t, func(r *rapid.T) {
		part := rapid.SampledFrom([]string{"a", "a.b", "a-b", "b", "B", "é", "x y", long})
		files := map[string]string{"w/app/": ""}
		for range rapid.IntRange(0, 12).Draw(r, "files") {
			name := "w/app/" + strings.Join(rapid.SliceOfN(part, 1, 3).Draw(r, "name"), "/")
			suffix := rapid.SampledFrom([]string{"1", "2", "/"}).Draw(r, "suffix") // no file is also a directory
			files[name+suffix] = rapid.SampledFrom([]string{"", "x", "!#!/bin/sh", "-> a1", "-> " + long, strings.Repeat("big", 100_000)}).Draw(r, "content")
		}
		globs := rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching(`[ab*][12*]?(/[ab*][12*?]?){0,2}`), 0, 3), 0, 3).Draw(r, "slices")
		root := tree(t, files)
		check(t, os.Chmod(filepath.Join(root, "w"), 0o700))
		all, err := layers.Source{Root: root, UID: 1, GID: 2}.App("/w/app", globs, nil)
		check(t, err)
		want := naiveApp(t, root, "/w/app", globs)
		if len(all) != len(want) {
			r.Fatalf("%d layers, want %d", len(all), len(want))
		}
		for n, l := range all {
			if got := content(t, l); !bytes.Equal(want[n], got) {
				r.Fatalf("layer %d has %q, want %q", n, listing(t, got), listing(t, want[n]))
			}
		}
	})
}

// A layer keeps some bytes of a file, however long its name is: memory hardly grows with an app.
func TestLayersKeepLittle(t *testing.T) {
	const count = 4000
	files := map[string]string{}
	for i := range count {
		files[fmt.Sprintf("app/%d/%s%d", i/50, strings.Repeat("n", 60), i)] = "x"
	}
	source := layers.Source{Root: tree(t, files)}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	all, err := source.App("/app", [][]string{{"1*"}, {"2*"}}, nil)
	check(t, err)
	for _, l := range all {
		_, err := l.DiffID()
		check(t, err)
	}
	if kept := (heap() - before) / count; kept > 100 {
		t.Errorf("%d bytes a file", kept)
	}
	runtime.KeepAlive(all)
}
