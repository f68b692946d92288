package lifecycle_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
)

// What buildpacks of an earlier build, or of this one, leave where later phases read and write (SECURITY.md,
// "Paths that others can write").

// A keptLayer is one that a cache has.
type keptLayer struct {
	v1.Layer
	id v1.Hash
}

func (k keptLayer) DiffID() (v1.Hash, error)           { return k.id, nil }
func (keptLayer) Uncompressed() (io.ReadCloser, error) { return nil, errors.New("it is in the cache") }

// tarLayer is a layer of these entries, each with its name as content.
func tarLayer(t *testing.T, headers ...tar.Header) v1.Layer {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = h.Name
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		check(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, content)
		check(t, err)
	}
	check(t, w.Close())
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data.Bytes())), nil })
	check(t, err)
	return l
}

// poison puts another layer in the place of one in the cache: the name of a layer, or "" for that with the SBOMs.
func (r *rebuilding) poison(t *testing.T, name string, l v1.Layer) {
	t.Helper()
	m, err := r.cache.Metadata(t.Context())
	check(t, err)
	id, err := l.DiffID()
	check(t, err)
	if name == "" {
		m.SBOM.SHA = id.String()
	} else {
		changed := m.Buildpacks[0].Layers[name]
		changed.SHA = id.String()
		m.Buildpacks[0].Layers[name] = changed
	}
	check(t, r.cache.Add(t.Context(), l))
	ids, err := m.DiffIDs()
	check(t, err)
	for _, other := range ids {
		if other != id {
			check(t, r.cache.Add(t.Context(), keptLayer{id: other}))
		}
	}
	check(t, r.cache.Commit(t.Context(), m))
}

// TestRestorePoisonedSBOMs: no link in the cached SBOMs is followed, and the others are restored.
func TestRestorePoisonedSBOMs(t *testing.T) {
	secret := t.TempDir()
	write(t, filepath.Join(secret, "sbom.cdx.json"), "secret")
	dir := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	const sboms = "/layers/sbom/cache/acme_ruby"
	good := []tar.Header{dir(sboms), dir(sboms + "/b-c"), {Typeflag: tar.TypeReg, Name: sboms + "/b-c/sbom.cdx.json"}}
	for name, bad := range map[string][]tar.Header{
		"a file's link":           {dir(sboms + "/c"), link(sboms+"/c/sbom.cdx.json", filepath.Join(secret, "sbom.cdx.json"))},
		"a process's environment": {dir(sboms + "/c"), link(sboms+"/c/sbom.cdx.json", "/proc/self/environ")},
		"a neighbour's":           {dir(sboms + "/c"), link(sboms+"/c/sbom.cdx.json", "../b-c/sbom.cdx.json")},
		"a device's link":         {dir(sboms + "/c"), link(sboms+"/c/sbom.cdx.json", "/dev/zero")},
		"a link to nothing":       {dir(sboms + "/c"), link(sboms+"/c/sbom.cdx.json", "none")},
		"a directory's link":      {link(sboms+"/c", secret)},
		"a neighbour's directory": {link(sboms+"/c", "b-c")},
		"a directory":             {dir(sboms + "/c"), dir(sboms + "/c/sbom.cdx.json")},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRebuilding(t, "0.14")
			r.poison(t, "", tarLayer(t, append(slices.Clone(good), bad...)...))
			check(t, r.r.Run(t.Context()))
			files := contents(t, filepath.Join(r.r.Root, "layers/acme_ruby"))
			if got, there := files["c.sbom.cdx.json"]; there {
				t.Errorf("restored: %q", got)
			}
			if got := files["b-c.sbom.cdx.json"]; got != sboms+"/b-c/sbom.cdx.json" {
				t.Errorf("the other one is %q", got)
			}
			if files["c/file"] != "content of c" {
				t.Error("its layer is not restored")
			}
			if !strings.Contains(r.log.String(), "level=WARN") || !strings.Contains(r.log.String(), "acme/ruby:c") {
				t.Errorf("no warning is logged:\n%s", r.log.String())
			}
		})
	}
}

// TestRestorePoisonedLaunchSBOMs: no link is followed in the SBOMs that the analyzer restored, which any buildpack can change.
func TestRestorePoisonedLaunchSBOMs(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "secret")
	for name, odd := range map[string]func(file string) error{
		"a link":              func(f string) error { return os.Symlink(secret, f) },
		"a link to a device":  func(f string) error { return os.Symlink("/dev/zero", f) },
		"a pipe":              func(f string) error { return syscall.Mkfifo(f, 0o644) },
		"a link to a process": func(f string) error { return os.Symlink("/proc/self/environ", f) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRebuilding(t, "0.14")
			file := filepath.Join(r.r.Root, "layers/sbom/launch/acme_ruby/l/sbom.cdx.json")
			check(t, os.Remove(file))
			check(t, odd(file))
			check(t, r.r.Run(t.Context()))
			if got, there := contents(t, filepath.Join(r.r.Root, "layers/acme_ruby"))["l.sbom.cdx.json"]; there {
				t.Errorf("restored: %q", got)
			}
			if !strings.Contains(r.log.String(), "level=WARN") {
				t.Errorf("no warning is logged:\n%s", r.log.String())
			}
		})
	}
}

// TestRestoreFollowsNoLinks: links that bin/detect left where the restorer writes are not followed.
func TestRestoreFollowsNoLinks(t *testing.T) {
	all := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd", "l": "ms"}
	for name, tt := range map[string]struct {
		at   string
		want map[string]string
	}{
		"the SBOMs":                  {"sbom", map[string]string{"b-c-l": "md", "b-c": "md", "c-l": "md", "c": "md", "l": "m"}},
		"the cached SBOMs":           {"sbom/cache", all},
		"a buildpack's directory":    {"acme_ruby", all},
		"a buildpack's in the SBOMs": {"sbom/launch/acme_ruby", map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd", "l": "m"}},
	} {
		for _, kind := range []string{"link", "relative link", "pipe", "file"} {
			t.Run(name+" as a "+kind, func(t *testing.T) {
				r := newRebuilding(t, "0.14")
				outside := filepath.Join(r.r.Root, "outside")
				write(t, filepath.Join(outside, "c/file"), "outside")
				write(t, filepath.Join(outside, "cache/x"), "outside")
				write(t, filepath.Join(outside, "launch/x"), "outside")
				before := contents(t, outside)
				at := filepath.Join(r.r.Root, "layers", tt.at)
				check(t, os.RemoveAll(at))
				switch kind {
				case "link":
					check(t, os.Symlink(outside, at))
				case "relative link":
					to, err := filepath.Rel(filepath.Dir(at), outside)
					check(t, err)
					check(t, os.Symlink(to, at))
				case "pipe":
					check(t, syscall.Mkfifo(at, 0o644))
				case "file":
					check(t, os.WriteFile(at, nil, 0o644))
				}
				if diff := gocmp.Diff(tt.want, r.restored(t)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if diff := gocmp.Diff(before, contents(t, outside)); diff != "" {
					t.Error(diff)
				}
				if _, err := os.Lstat(filepath.Join(r.r.Root, "layers/sbom")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("<layers>/sbom is left: %v", err)
				}
			})
		}
	}
}

// TestRestorePoisonedLayers: a layer with what may do more than its owner is reported and made anew; the others are
// restored.
func TestRestorePoisonedLayers(t *testing.T) {
	file := func(records map[string]string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: "/layers/acme_ruby/c/bin", PAXRecords: records}
	}
	for name, bad := range map[string]tar.Header{
		"a device":                      {Typeflag: tar.TypeChar, Name: "/layers/acme_ruby/c/mem", Devmajor: 1, Devminor: 1},
		"a disk":                        {Typeflag: tar.TypeBlock, Name: "/layers/acme_ruby/c/disk", Devmajor: 8},
		"a pipe":                        {Typeflag: tar.TypeFifo, Name: "/layers/acme_ruby/c/pipe"},
		"a hard link":                   {Typeflag: tar.TypeLink, Name: "/layers/acme_ruby/c/shadow", Linkname: "/etc/shadow"},
		"capabilities":                  file(map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}),
		"capabilities as bsdtar's":      file(map[string]string{"LIBARCHIVE.xattr.security.capability": "AQAAAg"}),
		"file of another layer":         {Typeflag: tar.TypeReg, Name: "/layers/acme_ruby/b-c/file"},
		"file behind a link":            {Typeflag: tar.TypeSymlink, Name: "/layers/acme_ruby/c-l", Linkname: "/etc"},
		"a layer that is itself a link": {Typeflag: tar.TypeSymlink, Name: "/layers/acme_ruby/c", Linkname: "/etc"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRebuilding(t, "0.14")
			r.poison(t, "c", tarLayer(t, tar.Header{Typeflag: tar.TypeDir, Name: "/layers/acme_ruby/c"}, bad))
			want := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "l": "ms"}
			if diff := gocmp.Diff(want, r.restored(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !strings.Contains(r.log.String(), "so it has to be rebuilt") {
				t.Errorf("no warning is logged:\n%s", r.log.String())
			}
		})
	}
}

// TestRestoreKeepsModes: diff IDs depend on them.
func TestRestoreKeepsModes(t *testing.T) {
	r := newRebuilding(t, "0.14")
	modes := map[string]int64{"setuid": 0o4755, "setgid": 0o2755, "none": 0o000, "sticky": 0o1777}
	headers := []tar.Header{{Typeflag: tar.TypeDir, Name: "/layers/acme_ruby/c", Mode: 0o2775, Uid: 0, Gid: 0}}
	for name, mode := range modes {
		headers = append(headers, tar.Header{Typeflag: tar.TypeReg, Name: "/layers/acme_ruby/c/" + name, Mode: mode | 0o100000, Uid: 4, Gid: 5})
	}
	r.poison(t, "c", tarLayer(t, headers...))
	r.r.UID, r.r.GID = os.Getuid(), os.Getgid()
	check(t, r.r.Run(t.Context()))
	modes["."] = 0o2775
	for name, mode := range modes {
		var stat syscall.Stat_t
		check(t, syscall.Lstat(filepath.Join(r.r.Root, "layers/acme_ruby/c", name), &stat))
		if int64(stat.Mode)&0o7777 != mode || int(stat.Uid) != os.Getuid() || int(stat.Gid) != os.Getgid() {
			t.Errorf("%s is %o of %d:%d", name, stat.Mode, stat.Uid, stat.Gid)
		}
	}
}

// TestExportFollowsNoLinks: links that bin/build left where the exporter writes are not followed.
func TestExportFollowsNoLinks(t *testing.T) {
	plain := newExporting(t, nil)
	plain.write(map[string]string{"layers/acme_ruby/ruby.sbom.cdx.json": `{"of": "ruby"}`})
	want := plain.run()
	for name, tt := range map[string]struct{ at, err string }{
		"the SBOMs":               {"sbom", ""},
		"the launch SBOMs":        {"sbom/launch", ""},
		"a buildpack's directory": {"acme_ruby", "it is not a directory"},
		"a launch layer":          {"acme_ruby/ruby", "not a directory"},
		"the configuration":       {"config", "not a directory"},
		"a layer's TOML":          {"acme_ruby/ruby.toml", "it is not a regular file"},
		"store.toml":              {"acme_ruby/store.toml", "it is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExporting(t, nil)
			x.write(map[string]string{"layers/acme_ruby/ruby.sbom.cdx.json": `{"of": "ruby"}`})
			at, outside := filepath.Join(x.root, "layers", tt.at), filepath.Join(x.root, "outside")
			if _, err := os.Lstat(at); err == nil {
				check(t, os.Rename(at, outside))
			} else {
				write(t, filepath.Join(outside, "launch/x"), "outside")
				check(t, os.MkdirAll(filepath.Dir(at), 0o755))
			}
			check(t, os.Symlink(outside, at))
			var before map[string]string
			if info, err := os.Stat(outside); err == nil && info.IsDir() {
				before = contents(t, outside)
			}
			_, err := x.try(t.Context())
			if tt.err != "" {
				if fail.CodeOf(err) != fail.Export || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), filepath.Base(tt.at)) {
					t.Errorf("%v", err)
				}
			} else {
				check(t, err)
				if got := x.run(); got.meta.SBOM == nil || *got.meta.SBOM != *want.meta.SBOM {
					t.Errorf("the SBOMs are %+v, want %+v", got.meta.SBOM, want.meta.SBOM)
				}
			}
			if before != nil && tt.at != "config" { // the test itself writes metadata.toml there, as a builder does
				if diff := gocmp.Diff(before, contents(t, outside)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestExportRejectsSpecialFilesAsSBOMs: an SBOM of a buildpack that is no regular file is in no image, and not waited for.
func TestExportRejectsSpecialFilesAsSBOMs(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "secret")
	for name, odd := range map[string]func(file string) error{
		"a link": func(f string) error { return os.Symlink(secret, f) },
		"a pipe": func(f string) error { return syscall.Mkfifo(f, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newExporting(t, nil)
			x.e.Cache = &cache.Volume{Dir: t.TempDir()}
			check(t, odd(filepath.Join(x.root, "layers/acme_ruby/ruby.sbom.cdx.json")))
			x.run()
			for file, content := range contents(t, filepath.Join(x.root, "layers/sbom")) {
				if strings.Contains(file, "ruby/") || content == "secret" {
					t.Errorf("%s: %q", file, content)
				}
			}
		})
	}
}

// TestExportSpecialFilesOfTheApp: links stay links, pipes stay pipes, and neither is opened.
func TestExportSpecialFilesOfTheApp(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "secret")
	x := newExporting(t, nil)
	check(t, os.Symlink(secret, filepath.Join(x.root, "workspace/link")))
	check(t, os.Symlink(filepath.Dir(secret), filepath.Join(x.root, "workspace/dir")))
	check(t, os.Symlink("/dev/zero", filepath.Join(x.root, "workspace/zero")))
	check(t, syscall.Mkfifo(filepath.Join(x.root, "workspace/pipe"), 0o644))
	x.run()
	img := x.open(x.e.Names[0].String())
	found := map[string]byte{}
	layers, err := img.Image.Layers()
	check(t, err)
	for _, l := range layers {
		r, err := l.Uncompressed()
		check(t, err)
		for entries := tar.NewReader(r); ; {
			h, err := entries.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			check(t, err)
			data, err := io.ReadAll(entries)
			check(t, err)
			if strings.Contains(string(data), "secret") {
				t.Errorf("%s holds the secret", h.Name)
			}
			if name, ok := strings.CutPrefix(h.Name, "/workspace/"); ok {
				found[name] = h.Typeflag
			}
		}
		check(t, r.Close())
	}
	want := map[string]byte{"link": tar.TypeSymlink, "dir": tar.TypeSymlink, "zero": tar.TypeSymlink, "pipe": tar.TypeFifo, "app.rb": tar.TypeReg}
	if diff := gocmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}

// TestRestoreWritesNewFiles: metadata is written to new files.
func TestRestoreWritesNewFiles(t *testing.T) {
	r := newRebuilding(t, "0.14")
	secret := filepath.Join(r.r.Root, "secret")
	write(t, secret, "secret")
	dir := filepath.Join(r.r.Root, "layers/acme_ruby")
	check(t, os.MkdirAll(dir, 0o755))
	for _, name := range []string{"store.toml", "c.toml", "c.sbom.cdx.json", "c"} {
		check(t, os.Symlink(secret, filepath.Join(dir, name)))
	}
	check(t, r.r.Run(t.Context()))
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("%q, %v", data, err)
	}
}
