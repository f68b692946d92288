package layers_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

// tree makes files below a new root. A name that ends in a slash is a directory, a
// content "-> x" a symbolic link, and "!" before the content makes it executable.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file, content := filepath.Join(root, name), files[name]
		target, link := strings.CutPrefix(content, "-> ")
		body, exec := strings.CutPrefix(content, "!")
		check(t, os.MkdirAll(filepath.Dir(file), 0o755))
		switch {
		case strings.HasSuffix(name, "/"):
			check(t, os.MkdirAll(file, 0o755))
		case link:
			check(t, os.Symlink(target, file))
		case exec:
			check(t, os.WriteFile(file, []byte(body), 0o755))
		default:
			check(t, os.WriteFile(file, []byte(content), 0o644))
		}
	}
	return root
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t testing.TB, l v1.Layer) []byte {
	t.Helper()
	r, err := l.Uncompressed()
	check(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	check(t, err)
	return data
}

// listing is a line for each entry: name, mode, owner, target.
func listing(t testing.TB, data []byte) []string {
	t.Helper()
	var lines []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		check(t, err)
		if !h.ModTime.Equal(layers.Epoch) {
			t.Errorf("%s has time %s", h.Name, h.ModTime)
		}
		line := fmt.Sprintf("%c %o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		lines = append(lines, line)
	}
}

func names(t testing.TB, l v1.Layer) []string {
	t.Helper()
	all := listing(t, content(t, l))
	for i, line := range all {
		name, _, _ := strings.Cut(strings.SplitN(line, " ", 4)[3], " -> ")
		all[i] = name
	}
	return all
}

// referenceTree is what the layers of testdata were made of.
func referenceTree(t testing.TB) string {
	return tree(t, map[string]string{
		"layers/acme_ruby/gems/bin/rake":               "!gem\n",
		"layers/acme_ruby/ruby/lib/libruby.so":         "lib\n",
		"layers/acme_ruby/ruby/lib/libruby.so.3":       "-> libruby.so",
		"layers/acme_ruby/env/env.launch/FOO.override": "x",
		"workspace/app.rb":                             "puts 1\n",
	})
}

func TestSameBytesAsExistingImages(t *testing.T) {
	var config v1.ConfigFile
	data, err := os.ReadFile("testdata/app-config.json")
	check(t, err)
	check(t, json.Unmarshal(lineLabels(t, data), &config))
	want := map[string]v1.Hash{}
	for i, h := range config.History {
		want[h.CreatedBy] = config.RootFS.DiffIDs[i]
	}

	source := layers.Source{Root: referenceTree(t), Base: "/layers", UID: 1000, GID: 1000}
	app, err := source.App("/workspace", nil, nil)
	check(t, err)
	processes, err := layers.Processes([]string{"web"})
	check(t, err)
	dir := func(name string) *layers.Layer {
		l, err := source.Dir("/layers/acme_ruby/" + name)
		check(t, err)
		return l
	}
	for createdBy, l := range map[string]*layers.Layer{
		"Layer: 'env', Created by buildpack: acme/ruby@1.2.3":  dir("env"),
		"Layer: 'gems', Created by buildpack: acme/ruby@1.2.3": dir("gems"),
		"Layer: 'ruby', Created by buildpack: acme/ruby@1.2.3": dir("ruby"),
		"Application Layer":        app[0],
		"Buildpacks Process Types": processes,
	} {
		got, err := l.DiffID()
		check(t, err)
		if got != want[createdBy] {
			t.Errorf("%s: got %s, want %s\n%s", createdBy, got, want[createdBy], strings.Join(listing(t, content(t, l)), "\n"))
		}
		file := filepath.Join("testdata", got.Hex+".tar")
		if data, err := os.ReadFile(file); err == nil && !bytes.Equal(data, content(t, l)) {
			t.Errorf("%s: the bytes are not those of %s", createdBy, file)
		}
	}
}

// lineLabels makes strings again of the labels, which are unpacked in the file.
func lineLabels(t *testing.T, data []byte) []byte {
	var doc map[string]any
	check(t, json.Unmarshal(data, &doc))
	doc["config"].(map[string]any)["Labels"] = nil
	data, err := json.Marshal(doc)
	check(t, err)
	return data
}

func TestDirKeepsLinksModesAndOrder(t *testing.T) {
	long := strings.Repeat("long/", 30) + "name"
	root := tree(t, map[string]string{
		"layers/bp/l/a/x":        "1",
		"layers/bp/l/a.txt":      "2",
		"layers/bp/l/a-b/":       "",
		"layers/bp/l/out":        "-> ../../../../etc/passwd",
		"layers/bp/l/abs":        "-> /etc/passwd",
		"layers/bp/l/suid":       "!s",
		"layers/bp/l/ünï":        "",
		"layers/bp/other/no":     "",
		"layers/bp/deep/" + long: "deep",
	})
	check(t, os.Link(filepath.Join(root, "layers/bp/l/a/x"), filepath.Join(root, "layers/bp/l/a/y")))
	check(t, os.Chmod(filepath.Join(root, "layers/bp/l/suid"), 0o755|fs.ModeSetuid))
	check(t, os.Chmod(filepath.Join(root, "layers/bp"), 0o750))
	sock, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	check(t, err)
	defer syscall.Close(sock)
	t.Chdir(root) // a socket's path is short
	check(t, syscall.Bind(sock, &syscall.SockaddrUnix{Name: "layers/bp/l/sock"}))

	l, err := layers.Source{Root: root, Base: "/layers", UID: 7, GID: 8}.Dir("/layers/bp/l")
	check(t, err)
	want := []string{
		"5 755 7:8 /layers",
		"5 750 7:8 /layers/bp",
		"5 755 7:8 /layers/bp/l",
		"5 755 7:8 /layers/bp/l/a",
		"0 644 7:8 /layers/bp/l/a/x",
		"0 644 7:8 /layers/bp/l/a/y",
		"5 755 7:8 /layers/bp/l/a-b",
		"0 644 7:8 /layers/bp/l/a.txt",
		"2 777 7:8 /layers/bp/l/abs -> /etc/passwd",
		"2 777 7:8 /layers/bp/l/out -> ../../../../etc/passwd",
		"0 4755 7:8 /layers/bp/l/suid",
		"0 644 7:8 /layers/bp/l/ünï",
	}
	if diff := cmp.Diff(want, listing(t, content(t, l))); diff != "" {
		t.Error(diff)
	}
	deep, err := layers.Source{Root: root}.Dir("/layers/bp/deep")
	check(t, err)
	if got := names(t, deep); got[len(got)-1] != "/layers/bp/deep/"+long {
		t.Errorf("the long name became %s", got[len(got)-1])
	}
}

// TestParentsKeepTheirOwner archives directories that lie deeper than usual: in the image, /home is
// root's as it is here, and not the build user's.
func TestParentsKeepTheirOwner(t *testing.T) {
	root := tree(t, map[string]string{"home/x/app/a": "", "home/x/layers/bp/l/b": "", "home/x/layers/sbom/c": ""})
	check(t, os.Chmod(filepath.Join(root, "home/x"), 0o710|fs.ModeSetgid))
	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	if os.Getuid() == 0 {
		check(t, os.Chown(filepath.Join(root, "home/x"), 3, 4))
		check(t, os.Chmod(filepath.Join(root, "home/x"), 0o710|fs.ModeSetgid))
	}
	x := owner
	if os.Getuid() == 0 {
		x = "3:4"
	}
	source := layers.Source{Root: root, Base: "/home/x/layers", UID: 7000, GID: 8000}
	above := []string{"5 755 " + owner + " /home", "5 2710 " + x + " /home/x"}
	for dir, want := range map[string][]string{
		"/home/x/app":           {"5 755 7000:8000 /home/x/app", "0 644 7000:8000 /home/x/app/a"},
		"/home/x/layers/bp/l":   {"5 755 7000:8000 /home/x/layers", "5 755 7000:8000 /home/x/layers/bp", "5 755 7000:8000 /home/x/layers/bp/l", "0 644 7000:8000 /home/x/layers/bp/l/b"},
		"/home/x/layers/sbom":   {"5 755 7000:8000 /home/x/layers", "5 755 7000:8000 /home/x/layers/sbom", "0 644 7000:8000 /home/x/layers/sbom/c"},
		"/home/x/layers-beside": nil,
	} {
		l, err := source.Dir(dir)
		if want == nil {
			if err == nil {
				t.Errorf("%s is there", dir)
			}
			continue
		}
		check(t, err)
		if diff := cmp.Diff(append(slices.Clone(above), want...), listing(t, content(t, l))); diff != "" {
			t.Errorf("%s: %s", dir, diff)
		}
	}
	parts, err := source.App("/home/x/app", [][]string{{"a"}}, nil)
	check(t, err)
	for i, l := range parts[:1] {
		if diff := cmp.Diff(above, listing(t, content(t, l))[:2]); diff != "" {
			t.Errorf("slice %d: %s", i, diff)
		}
	}
}

func TestDirRefuses(t *testing.T) {
	root := tree(t, map[string]string{"layers/file": "", "layers/link": "-> /etc", "layers/dev/": ""})
	for _, dir := range []string{"", "/", "layers", "/layers/../etc", "/layers/", "//layers", "/layers/file", "/layers/link", "/layers/\x00"} {
		if _, err := (layers.Source{Root: root}).Dir(dir); err == nil {
			t.Errorf("%q was taken", dir)
		}
	}
	_, err := layers.Source{Root: root}.Dir("/layers/missing")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/layers/missing") {
		t.Errorf("a missing directory: %v", err)
	}
}

// The digest depends neither on the place nor on the clock, nor on how the tar is read.
func TestSameDirectorySameLayer(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		files := rapid.MapOfN(rapid.StringMatching(`l/[a-c.-]{1,3}x/[a-z]{1,3}`), rapid.StringN(0, 5000, 9000), 1, 8).Draw(r, "files")
		var all [2]*layers.Layer
		for i := range all {
			root := tree(t, files)
			for name := range files {
				at := time.Unix(int64(1e9*i+1), 0)
				check(t, os.Chtimes(filepath.Join(root, name), at, at))
			}
			l, err := layers.Source{Root: root}.Dir("/l")
			check(t, err)
			all[i] = l
		}
		if i, err := all[0].Digest(); err != nil { // hashes while it compresses
			t.Fatal(i, err)
		}
		first, err := all[0].DiffID()
		check(t, err)
		second, err := all[1].DiffID()
		check(t, err)
		if sum := fmt.Sprintf("%x", sha256.Sum256(content(t, all[1]))); first != second || second.Hex != sum {
			t.Fatalf("%s, %s and %s", first, second, sum)
		}
		check(t, validate.Layer(all[0]))
		check(t, all[0].Close())
		check(t, all[1].Close())
	})
}

func TestLayerCanBeReadConcurrently(t *testing.T) {
	l, err := layers.Source{Root: referenceTree(t)}.Dir("/layers")
	check(t, err)
	var g sync.WaitGroup
	digests, sums := make([]v1.Hash, 8), make([][32]byte, 8)
	for i := range digests {
		g.Go(func() {
			if i%2 == 0 {
				_, _ = l.DiffID()
			}
			digests[i], _ = l.Digest()
			sums[i] = sha256.Sum256(content(t, l))
		})
	}
	g.Wait()
	if len(slices.Compact(digests)) != 1 || len(slices.Compact(sums)) != 1 || digests[0].Hex == "" {
		t.Errorf("got %v", digests)
	}
}

func TestChangedFileIsAnError(t *testing.T) {
	const file, dir = "archiving /workspace/app.rb: it changed while it was read", "archiving /workspace: it changed while it was read"
	for name, test := range map[string]struct {
		change func(file string) error
		want   string
	}{
		"longer":  {func(f string) error { return os.WriteFile(f, []byte("puts 1; puts 2\n"), 0o644) }, file},
		"shorter": {func(f string) error { return os.Truncate(f, 2) }, file},
		"touched": {func(f string) error { return os.Chtimes(f, time.Time{}, layers.Epoch) }, file},
		"mode":    {func(f string) error { return os.Chmod(f, 0o600) }, file},
		"replaced": {func(f string) error {
			return errors.Join(os.WriteFile(f+"2", []byte("puts 2\n"), 0o644), os.Rename(f+"2", f))
		}, file},
		"a link":      {func(f string) error { return errors.Join(os.Remove(f), os.Symlink("/etc/passwd", f)) }, file},
		"a pipe":      {func(f string) error { return errors.Join(os.Remove(f), syscall.Mkfifo(f, 0o644)) }, file},
		"a directory": {func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o755)) }, file},
		"gone":        {os.Remove, dir},
		"renamed":     {func(f string) error { return os.Rename(f, f+"2") }, dir},
		"another":     {func(f string) error { return os.WriteFile(f+"2", nil, 0o644) }, dir},
	} {
		t.Run(name, func(t *testing.T) {
			root := referenceTree(t)
			l, err := layers.Source{Root: root}.Dir("/workspace")
			check(t, err)
			_, err = l.DiffID()
			check(t, err)
			check(t, test.change(filepath.Join(root, "workspace/app.rb")))
			_, err = l.Digest()
			if !errors.Is(err, layers.ErrChanged) || err.Error() != test.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A layer of a slice reads only its own files, so others may change.
func TestChangedFileOfAnotherSlice(t *testing.T) {
	root := tree(t, map[string]string{"app/a": "a", "app/b": "b"})
	all, err := layers.Source{Root: root}.App("/app", [][]string{{"a"}}, nil)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(root, "app/a"), []byte("longer"), 0o644))
	if _, err := all[0].DiffID(); !errors.Is(err, layers.ErrChanged) {
		t.Errorf("the slice has other content: %v", err)
	}
	if _, err := all[1].DiffID(); err != nil {
		t.Error(err)
	}
}

func TestFullSpoolIsAnError(t *testing.T) {
	root := referenceTree(t)
	l, err := layers.Source{Root: root, Spool: filepath.Join(root, "missing")}.Dir("/workspace")
	check(t, err)
	if _, err := l.Compressed(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := l.DiffID(); err != nil {
		t.Errorf("the diff ID needs no spool: %v", err)
	}
}

func TestSpoolLeavesNothingBehind(t *testing.T) {
	spool := t.TempDir()
	l, err := layers.Source{Root: referenceTree(t), Spool: spool}.Dir("/workspace")
	check(t, err)
	check(t, validate.Layer(l))
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestAppSlices(t *testing.T) {
	files := map[string]string{
		"w/app/app.rb": "", "w/app/.env": "", "w/app/public/a.css": "", "w/app/public/img/b.png": "",
		"w/app/node_modules/x/index.js": "", "w/app/link": "-> public", "w/app/empty/": "",
	}
	dirs := []string{"/w", "/w/app"}
	for _, test := range []struct {
		name   string
		slices [][]string
		want   [][]string // without the parents
	}{
		{"none", nil, [][]string{{"/w/app/.env", "/w/app/app.rb", "/w/app/empty", "/w/app/link", "/w/app/node_modules",
			"/w/app/node_modules/x", "/w/app/node_modules/x/index.js", "/w/app/public", "/w/app/public/a.css", "/w/app/public/img", "/w/app/public/img/b.png"}}},
		{"the first match wins", [][]string{{"public/*.css"}, {"public", "node_modules/"}, {"*.rb", "node_modules"}}, [][]string{
			{"/w/app/public", "/w/app/public/a.css"},
			{"/w/app/node_modules", "/w/app/node_modules/x", "/w/app/node_modules/x/index.js", "/w/app/public", "/w/app/public/img", "/w/app/public/img/b.png"},
			{"/w/app/app.rb"},
			{"/w/app/.env", "/w/app/empty", "/w/app/link"}}},
		{"a part of what an earlier slice has", [][]string{{"public"}, {"public/img/b.png", "app.rb"}}, [][]string{
			{"/w/app/public", "/w/app/public/a.css", "/w/app/public/img", "/w/app/public/img/b.png"},
			{"/w/app/app.rb"},
			{"/w/app/.env", "/w/app/empty", "/w/app/link", "/w/app/node_modules", "/w/app/node_modules/x", "/w/app/node_modules/x/index.js"}}},
		{"absolute", [][]string{{"/w/app/public/*/*.png"}, {"/w/app/[^p]*"}}, [][]string{
			{"/w/app/public", "/w/app/public/img", "/w/app/public/img/b.png"},
			{"/w/app/.env", "/w/app/app.rb", "/w/app/empty", "/w/app/link", "/w/app/node_modules", "/w/app/node_modules/x", "/w/app/node_modules/x/index.js"},
			{"/w/app/public", "/w/app/public/a.css"}}},
		{"not through links", [][]string{{"link/*"}, {}}, [][]string{nil, nil, {"/w/app/.env", "/w/app/app.rb", "/w/app/empty", "/w/app/link", "/w/app/node_modules",
			"/w/app/node_modules/x", "/w/app/node_modules/x/index.js", "/w/app/public", "/w/app/public/a.css", "/w/app/public/img", "/w/app/public/img/b.png"}}},
		{"all", [][]string{{"./app.rb/../app.rb"}, {"."}, {"*"}}, [][]string{{"/w/app/app.rb"}, {"/w/app/.env", "/w/app/empty", "/w/app/link", "/w/app/node_modules",
			"/w/app/node_modules/x", "/w/app/node_modules/x/index.js", "/w/app/public", "/w/app/public/a.css", "/w/app/public/img", "/w/app/public/img/b.png"}, nil, nil}},
		{"directories that slices empty", [][]string{{"public/*", "node_modules/*/*"}}, [][]string{
			{"/w/app/node_modules", "/w/app/node_modules/x", "/w/app/node_modules/x/index.js", "/w/app/public", "/w/app/public/a.css", "/w/app/public/img", "/w/app/public/img/b.png"},
			{"/w/app/.env", "/w/app/app.rb", "/w/app/empty", "/w/app/link"}}},
		{"a directory that earlier slices empty", [][]string{{"public/img/*"}, {"public"}, {"node_modules/*/*"}, {"node_modules", "empty"}}, [][]string{
			{"/w/app/public", "/w/app/public/img", "/w/app/public/img/b.png"}, {"/w/app/public", "/w/app/public/a.css"},
			{"/w/app/node_modules", "/w/app/node_modules/x", "/w/app/node_modules/x/index.js"}, {"/w/app/empty"},
			{"/w/app/.env", "/w/app/app.rb", "/w/app/link"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := layers.Source{Root: tree(t, files)}.App("/w/app", test.slices, nil)
			check(t, err)
			if len(got) != len(test.want) {
				t.Fatalf("%d layers, want %d", len(got), len(test.want))
			}
			for i, want := range test.want {
				if got[i].Empty() != (want == nil) {
					t.Errorf("layer %d: empty is %t", i, got[i].Empty())
				}
				if want != nil {
					want = append(slices.Clone(dirs), want...)
				}
				if diff := cmp.Diff(want, names(t, got[i])); diff != "" {
					t.Errorf("layer %d: %s", i, diff)
				}
			}
		})
	}
}

func TestAppIgnoresGlobsOutside(t *testing.T) {
	root := tree(t, map[string]string{"w/app/a": "", "w/apple": "", "w/b": ""})
	for _, glob := range []string{"../b", "a/../../b", "/w/b", "/w/app/../b", "/w/apple", "/", "/w/*"} {
		var told []string
		all, err := layers.Source{Root: root}.App("/w/app", [][]string{{"a"}, {glob}}, func(slice int, glob string) {
			told = append(told, fmt.Sprintf("%d %s", slice, glob))
		})
		check(t, err)
		if !all[1].Empty() || !slices.Equal(told, []string{"1 " + glob}) {
			t.Errorf("%q: the slice is empty: %t; told %q", glob, all[1].Empty(), told)
		}
	}
	_, err := layers.Source{Root: root}.App("/w/app", [][]string{{"a"}, {"["}}, nil)
	if err == nil || !strings.Contains(err.Error(), `slice 2: path "["`) {
		t.Errorf("a malformed glob: %v", err)
	}
}

// Whatever the slices are, every file is in exactly one layer.
func TestAppSlicesDivide(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		files := rapid.MapOfN(rapid.StringMatching(`app/[ab]x/[ab]y/[a-c]`), rapid.Just(""), 1, 10).Draw(r, "files")
		globs := rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching(`[ab*]x?(/[ab*?]y?(/[a-c*])?)?`), 0, 3), 0, 4).Draw(r, "slices")
		all, err := layers.Source{Root: tree(t, files)}.App("/app", globs, nil)
		check(t, err)
		got := map[string]int{}
		for _, l := range all {
			for _, line := range listing(t, content(t, l)) {
				if name, ok := strings.CutPrefix(line, "0 644 0:0 /"); ok {
					got[name]++
				}
			}
		}
		want := map[string]int{}
		for name := range files {
			want[name] = 1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatal(diff)
		}
	})
}

func TestLauncherAndProcesses(t *testing.T) {
	root := tree(t, map[string]string{"real": "ELF", "launcher": "-> real"})
	launcher, err := layers.Launcher(filepath.Join(root, "launcher"))
	check(t, err)
	processes, err := layers.Processes([]string{"worker", "web", "web"})
	check(t, err)
	want := []string{
		"5 755 0:0 /cnb", "5 755 0:0 /cnb/lifecycle", "0 755 0:0 /cnb/lifecycle/launcher",
		"5 755 0:0 /cnb", "5 755 0:0 /cnb/process",
		"2 755 0:0 /cnb/process/web -> /cnb/lifecycle/launcher", "2 755 0:0 /cnb/process/worker -> /cnb/lifecycle/launcher",
	}
	if diff := cmp.Diff(want, append(listing(t, content(t, launcher)), listing(t, content(t, processes))...)); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "..", "a/b", "."} {
		if _, err := layers.Processes([]string{"web", bad}); err == nil {
			t.Errorf("process type %q was taken", bad)
		}
	}
	if _, err := layers.Launcher(root); err == nil {
		t.Error("a directory was taken for the launcher")
	}
}

// TestCompressorWorksAfterAFailure: compressors are used again, also one that a layer failed in.
func TestCompressorWorksAfterAFailure(t *testing.T) {
	root := tree(t, map[string]string{"l/good/file": strings.Repeat("good", 1<<18), "l/bad/file": strings.Repeat("bad", 1<<18)})
	source := layers.Source{Root: root}
	layer := func(dir string) *layers.Layer {
		l, err := source.Dir(dir)
		check(t, err)
		return l
	}
	want, err := layer("/l/good").Digest()
	check(t, err)
	bad := layer("/l/bad")
	check(t, os.WriteFile(root+"/l/bad/file", []byte("shorter"), 0o644))
	for range 5 {
		if _, err := bad.Digest(); !errors.Is(err, layers.ErrChanged) {
			t.Fatalf("a file that changed: %v", err)
		}
		got, err := layer("/l/good").Digest()
		if err != nil || got != want {
			t.Errorf("compressed after that: %s, %v, want %s", got, err, want)
		}
	}
}
