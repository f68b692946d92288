//go:build linux

package apply

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/extensions/apply/abi"
	_ "github.com/baseplan/baseplan/testdata/seed"
)

// An item is an entry of a tar in a test: "name" a file with its name for content,
// "name/" a directory, "name -> target" a symbolic link, "name => target" a hard one.
type item string

func archive(items ...item) []byte {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, it := range items {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: string(it), Mode: 0o644, Uid: os.Getuid(), Gid: os.Getgid(), ModTime: abi.Epoch}
		content := string(it)
		if name, target, ok := strings.Cut(string(it), " -> "); ok {
			h.Typeflag, h.Name, h.Linkname, content = tar.TypeSymlink, name, target, ""
		} else if name, target, ok := strings.Cut(string(it), " => "); ok {
			h.Typeflag, h.Name, h.Linkname, content = tar.TypeLink, name, target, ""
		} else if strings.HasSuffix(string(it), "/") {
			h.Typeflag, h.Mode, content = tar.TypeDir, 0o755, ""
		}
		h.Size = int64(len(content))
		if err := errors.Join(tw.WriteHeader(h), write(tw, content)); err != nil {
			panic(err)
		}
	}
	if err := tw.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newTree(t testing.TB, dir string) *tree {
	t.Helper()
	tree, err := openTree(dir)
	check(t, err)
	t.Cleanup(func() { tree.close() })
	return tree
}

// list describes a directory: path to what is there.
func list(t testing.TB, dir string) map[string]string {
	t.Helper()
	found, inodes := map[string]string{}, map[uint64]string{}
	check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel := strings.TrimPrefix(name, dir+"/")
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		entry := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			entry += " -> " + target
		case d.Type().IsRegular():
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			entry += fmt.Sprintf(" %d %s", st.Mtim.Sec, content)
		}
		if st.Nlink > 1 && !d.IsDir() {
			if inodes[st.Ino] == "" {
				inodes[st.Ino] = rel
			}
			entry += " = " + inodes[st.Ino]
		}
		found[rel] = entry
		return nil
	}))
	return found
}

func TestUnpack(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]item
		want   string
	}{
		{"files, links and parents that are missing", [][]item{{"a", "b/c/d", "l -> b", "h => a"}}, "a b/ b/c/ b/c/d h l"},
		{"names that climb and absolute ones", [][]item{{"../../a", "/b", "c/../../d", "./e"}}, "a b d e"},
		{"through links of a lower layer", [][]item{{"usr/lib/", "lib -> usr/lib", "abs -> /usr"}, {"lib/x", "abs/y", "abs/lib/z"}}, "abs lib usr/ usr/lib/ usr/lib/x usr/lib/z usr/y"},
		{"whiteouts", [][]item{{"a", "d/x", "d/y", "e/z"}, {".wh.a", "d/.wh.x", ".wh.e", ".wh.none", "none/.wh.x"}}, "d/ d/y"},
		{"a whiteout and the same name again", [][]item{{"d/x", "d/y"}, {".wh.d", "d/", "d/z"}}, "d/ d/z"},
		{"an opaque directory keeps what its layer brought before and after", [][]item{{"d/x", "d/e/y", "d/e/k"}, {"d/", "d/new", "d/e/", "d/e/m", "d/.wh..wh..opq", "d/late"}}, "d/ d/e/ d/e/m d/late d/new"},
		{"notes of aufs", [][]item{{"a"}, {".wh..wh.plnk", ".wh..wh.aufs"}}, "a"},
		{"a directory becomes a file, a link a directory", [][]item{{"d/x", "l -> d"}, {"d", "l/"}}, "d l/"},
		{"a file below a file", [][]item{{"f"}, {"f/y"}}, "error: not a directory"},
		{"a file becomes a directory when asked", [][]item{{"f"}, {"f/", "f/y"}}, "f/ f/y"},
		{"a link becomes a file, its target stays", [][]item{{"t", "l -> t"}, {"l"}}, "l t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			tree := newTree(t, dir)
			var err error
			for _, l := range c.layers {
				if err = tree.unpack(t.Context(), bytes.NewReader(archive(l...))); err != nil {
					break
				}
			}
			if want, ok := strings.CutPrefix(c.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
				return
			}
			check(t, err)
			var got []string
			check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
				if rel := strings.TrimPrefix(name, dir+"/"); rel != name {
					if d.IsDir() {
						rel += "/"
					}
					got = append(got, rel)
				}
				return err
			}))
			slices.Sort(got)
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// outside puts a tree beside one that must not change, and checks that at the end.
func outside(t testing.TB) (dir string, unchanged func()) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "root")
	check(t, os.MkdirAll(filepath.Join(top, "out", "sub"), 0o755))
	check(t, os.Mkdir(dir, 0o755))
	check(t, os.WriteFile(filepath.Join(top, "out", "f"), []byte("mine"), 0o600))
	before := list(t, filepath.Join(top, "out"))
	return dir, func() {
		t.Helper()
		if diff := cmp.Diff(before, list(t, filepath.Join(top, "out"))); diff != "" {
			t.Errorf("files outside changed:\n%s", diff)
		}
		entries, err := os.ReadDir(top)
		check(t, err)
		if len(entries) != 2 {
			t.Errorf("something came to lie beside the tree: %v", entries)
		}
	}
}

// Whatever a tar says, nothing outside the tree is touched.
func TestUnpackStaysInside(t *testing.T) {
	names := []string{"a", "b", "a/b", "a/b/c", "../out/f", "/out/f", "a/../../out", ".wh.a", ".wh.b", "a/.wh.b", "a/.wh..wh..opq", ".wh..", ".wh...", "b/f", "b/sub/x", "a/f"}
	rapid.Check(t, func(rt *rapid.T) {
		dir, unchanged := outside(t)
		targets := []string{"..", "../out", "../../out", dir + "/../out", "/", ".", "a", "b", "../out/f", "/../out/f", "/out"}
		var layers [][]item
		for range rapid.IntRange(1, 3).Draw(rt, "layers") {
			layers = append(layers, rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) item {
				name := rapid.SampledFrom(names).Draw(rt, "name")
				switch rapid.IntRange(0, 3).Draw(rt, "kind") {
				case 0:
					return item(name + "/")
				case 1:
					return item(name + " -> " + rapid.SampledFrom(targets).Draw(rt, "target"))
				case 2:
					return item(name + " => " + rapid.SampledFrom(targets).Draw(rt, "target"))
				}
				return item(name)
			}), 1, 8).Draw(rt, "entries"))
		}
		tree := newTree(t, dir)
		for _, l := range layers {
			_ = tree.unpack(t.Context(), bytes.NewReader(archive(l...))) // an error is fine
		}
		unchanged()
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive("a", "b/", "b/c", "l -> ../out", "l/x", "h => l/f", ".wh.a", "b/.wh..wh..opq"))
	f.Add(archive("x -> /", "x/out/f", "y -> x/../out", "y/f"))
	f.Fuzz(func(t *testing.T, layer []byte) {
		if devicesIn(layer) {
			t.Skip("it would make device nodes")
		}
		dir, unchanged := outside(t)
		tree := newTree(t, dir)
		_ = tree.unpack(t.Context(), bytes.NewReader(layer))
		unchanged()
	})
}

func devicesIn(layer []byte) bool {
	for tr := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := tr.Next()
		if err != nil {
			return false
		}
		if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock || h.Size > 1<<20 {
			return true
		}
	}
}

// The changes between two states, taken as a layer and applied to a copy of the
// first, give the second.
func TestLayerHoldsAllChanges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, copied := t.TempDir(), t.TempDir()
		tree := newTree(t, dir)
		lower := archive("a", "d/", "d/x", "d/y", "d/e/", "d/e/z", "l -> d", "s -> /a", "h1", "h2 => h1", "a.b", "a-b/c")
		check(t, tree.unpack(t.Context(), bytes.NewReader(lower)))
		before, err := tree.scan(nil)
		check(t, err)
		check(t, before.settleClock())
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			mutate(rt, dir)
		}
		after, err := tree.scan(nil)
		check(t, err)
		var layer bytes.Buffer
		check(t, tree.writeLayer(&layer, after.since(before, nil), func(*file) bool { return false }))
		other := newTree(t, copied)
		check(t, other.unpack(t.Context(), bytes.NewReader(lower)))
		check(t, other.unpack(t.Context(), bytes.NewReader(layer.Bytes())))
		if diff := cmp.Diff(list(t, dir), list(t, copied)); diff != "" {
			rt.Fatalf("the layer gives another tree (-changed +unpacked):\n%s", diff)
		}
		nothing := after.since(after, nil)
		if len(nothing) > 0 {
			rt.Fatalf("no change, but %d entries", len(nothing))
		}
	})
}

// mutate makes one change; that it may be impossible does not matter.
func mutate(rt *rapid.T, dir string) {
	names := []string{"a", "d", "d/x", "d/y", "d/e", "d/e/z", "d/e/new", "l", "s", "h1", "h2", "n", "n/m", "a.b", "a-b", "a-b/c"}
	name := filepath.Join(dir, rapid.SampledFrom(names).Draw(rt, "name"))
	other := filepath.Join(dir, rapid.SampledFrom(names).Draw(rt, "other"))
	at := time.Unix(int64(rapid.IntRange(1, 3).Draw(rt, "mtime")), 0)
	switch rapid.IntRange(0, 9).Draw(rt, "change") {
	case 0:
		os.RemoveAll(name)
	case 1:
		os.WriteFile(name, []byte(rapid.SampledFrom([]string{"", "x", "d/x"}).Draw(rt, "content")), 0o600)
	case 2:
		os.MkdirAll(name, 0o700)
	case 3:
		os.Symlink(rapid.SampledFrom([]string{"a", "d", "none"}).Draw(rt, "target"), name)
	case 4:
		os.Link(name, other)
	case 5:
		os.Rename(name, other)
	case 6:
		if info, err := os.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink == 0 {
			os.Chmod(name, 0o711)
		}
	case 7:
		os.Chtimes(name, at, at)
	case 8:
		unix.Mkfifo(name, 0o640)
	case 9:
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() { // the same size and time, other content
			os.WriteFile(name, bytes.Repeat([]byte("?"), int(info.Size())), 0o600)
			os.Chtimes(name, info.ModTime(), info.ModTime())
		}
	}
}

// As package managers do it: other content, but size and times as before.
func TestChangeWithTimesSetBack(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	check(t, os.WriteFile(file, []byte("before"), 0o644))
	tree := newTree(t, dir)
	before, err := tree.scan(nil)
	check(t, err)
	check(t, before.settleClock())
	info, err := os.Stat(file)
	check(t, err)
	check(t, os.WriteFile(file, []byte("behind"), 0o644))
	check(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
	after, err := tree.scan(nil)
	check(t, err)
	if changes := after.since(before, nil); len(changes) != 1 || changes[0].path != "/f" {
		t.Errorf("got %v", changes)
	}
}

// Many times over: a snapshot, and at once the same file changed again.
func TestChangesWithinOneClockTickAreFound(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	tree := newTree(t, dir)
	at := time.Unix(1, 0)
	for i := range 200 {
		check(t, os.WriteFile(file, fmt.Appendf(nil, "%03d", i), 0o644))
		check(t, os.Chtimes(file, at, at))
		before, err := tree.scan(nil)
		check(t, err)
		check(t, before.settleClock())
		check(t, os.WriteFile(file, fmt.Appendf(nil, "%03d", i+500), 0o644))
		check(t, os.Chtimes(file, at, at))
		after, err := tree.scan(nil)
		check(t, err)
		if len(after.since(before, nil)) != 1 {
			t.Fatalf("round %d: the change was missed", i)
		}
	}
}

func TestSnapshotExcludesPaths(t *testing.T) {
	dir := t.TempDir()
	tree := newTree(t, dir)
	check(t, tree.unpack(t.Context(), bytes.NewReader(archive("proc/x", "layers/y", "etc/z", "opt/skip/a", "opt/keep"))))
	s, err := tree.scan(map[string]bool{"/proc": true, "/layers": true, "/opt/skip": true})
	check(t, err)
	var got []string
	for _, f := range s {
		got = append(got, f.path)
	}
	if diff := cmp.Diff([]string{"/etc", "/etc/z", "/opt", "/opt/keep"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestExtendedAttributes(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	tree, other := newTree(t, dir), newTree(t, copied)
	for _, x := range []*struct{ dir string }{{dir}, {copied}} {
		check(t, os.WriteFile(filepath.Join(x.dir, "f"), nil, 0o644))
		check(t, os.Mkdir(filepath.Join(x.dir, "d"), 0o755))
	}
	before, err := tree.scan(nil)
	check(t, err)
	check(t, before.settleClock())
	for _, name := range []string{"f", "d"} {
		if err := unix.Setxattr(filepath.Join(dir, name), "user.note", []byte("of "+name), 0); err != nil {
			t.Skipf("no extended attributes in %s: %v", dir, err)
		}
	}
	after, err := tree.scan(nil)
	check(t, err)
	var layer bytes.Buffer
	check(t, tree.writeLayer(&layer, after.since(before, nil), func(*file) bool { return false }))
	check(t, other.unpack(t.Context(), &layer))
	for _, name := range []string{"f", "d"} {
		value := make([]byte, 10)
		n, err := unix.Getxattr(filepath.Join(copied, name), "user.note", value)
		if err != nil || string(value[:n]) != "of "+name {
			t.Errorf("%s: %q, %v", name, value[:max(n, 0)], err)
		}
	}
}

// TestAttributesOfHardLinks finds the attributes at every name of a file: docker gives a file an owner at each name
// that it unpacks, with which the kernel drops capabilities, and sets what stands at that name.
func TestAttributesOfHardLinks(t *testing.T) {
	dir := t.TempDir()
	tree := newTree(t, dir)
	before, err := tree.scan(nil)
	check(t, err)
	check(t, before.settleClock())
	check(t, os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o644))
	for _, name := range []string{"b", "c"} {
		check(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, name)))
	}
	if err := unix.Setxattr(filepath.Join(dir, "a"), "user.note", []byte("kept"), 0); err != nil {
		t.Skipf("no extended attributes in %s: %v", dir, err)
	}
	after, err := tree.scan(nil)
	check(t, err)
	var layer bytes.Buffer
	check(t, tree.writeLayer(&layer, after.since(before, nil), func(*file) bool { return false }))
	for tr, want := tar.NewReader(&layer), []byte{tar.TypeReg, tar.TypeLink, tar.TypeLink}; len(want) > 0; want = want[1:] {
		h, err := tr.Next()
		check(t, err)
		if h.Typeflag != want[0] || h.PAXRecords[paxXattr+"user.note"] != "kept" {
			t.Errorf("%s: type %q, records %q", h.Name, h.Typeflag, h.PAXRecords)
		}
	}
}

// A name that would be read as a whiteout cannot be in a layer.
func TestWhiteoutNamesAreRejected(t *testing.T) {
	dir := t.TempDir()
	tree := newTree(t, dir)
	before, err := tree.scan(nil)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, ".wh.passwd"), nil, 0o644))
	after, err := tree.scan(nil)
	check(t, err)
	err = tree.writeLayer(io.Discard, after.since(before, nil), func(*file) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "/.wh.passwd") {
		t.Errorf("got %v", err)
	}
}

func TestComparePaths(t *testing.T) {
	want := []string{"/a", "/a/b", "/a/b/c", "/a/c", "/a-b", "/a.b", "/a.b/c", "/b"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, comparePaths)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A command in an isolated root must not come by a device node: not by an archive
// of its own, nor by the layers of an image that it chose.
func TestNoDevicesInIsolatedRoots(t *testing.T) {
	var layer bytes.Buffer
	tw := tar.NewWriter(&layer)
	for name, kind := range map[string]byte{"disk": tar.TypeBlock, "mem": tar.TypeChar} {
		check(t, tw.WriteHeader(&tar.Header{Typeflag: kind, Name: name, Devmajor: 8, Mode: 0o666, Uid: os.Getuid(), Gid: os.Getgid()}))
	}
	check(t, tw.Close())
	dir := t.TempDir()
	tree := newTree(t, dir)
	tree.noDevices = true
	check(t, tree.unpack(t.Context(), bytes.NewReader(layer.Bytes())))
	if got := list(t, dir); len(got) > 0 {
		t.Errorf("unpacked %v", got)
	}
	file := filepath.Join(t.TempDir(), "a.tar")
	check(t, os.WriteFile(file, layer.Bytes(), 0o600))
	w := copier{tree: tree, dest: "/"}
	if err := w.unpack(t.Context(), func() (io.ReadCloser, error) { return os.Open(file) }, "/"); err == nil || !strings.Contains(err.Error(), "device nodes are not allowed") {
		t.Errorf("got %v", err)
	}
}
