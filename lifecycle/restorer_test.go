package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// layerTypes are all layer types, named by those that are set: build, cache, launch.
var layerTypes = []string{"b-c-l", "b-c", "b-l", "b", "c-l", "c", "l", "none"}

// typedLayers are a buildpack's layers of all types, each with metadata and an SBOM.
func typedLayers() map[string]string {
	files := map[string]string{"layers/acme_ruby/store.toml": "[metadata]\nlast = \"all\"\n"}
	for _, name := range layerTypes {
		dir := "layers/acme_ruby/" + name
		files[dir+"/file"] = "content of " + name
		files[dir+".sbom.cdx.json"] = `{"of": "` + name + `"}`
		files[dir+".toml"] = fmt.Sprintf("[types]\nbuild = %t\ncache = %t\nlaunch = %t\n[metadata]\nname = %q\n",
			strings.HasPrefix(name, "b"), strings.Contains(name, "c"), strings.HasSuffix(name, "l"), name)
	}
	return files
}

// A rebuilding is a build that was exported, whose layers are to be restored.
type rebuilding struct {
	r     lifecycle.Restorer
	cache *cache.Volume
	log   record
}

// newRebuilding exports layers of all types with a cache, and analyzes what came of it.
func newRebuilding(t *testing.T, api string) *rebuilding {
	t.Helper()
	x := newExporting(t, nil)
	x.remove("layers/acme_ruby")
	x.write(typedLayers())
	x.e.API = version(t, api)
	for i := range x.e.Group.Buildpacks {
		x.e.Group.Buildpacks[i].API = "0.11"
	}
	volume := &cache.Volume{Dir: t.TempDir()}
	x.e.Cache = volume
	before := x.run()
	out := &rebuilding{cache: volume}
	a := lifecycle.Analyzer{
		API: x.e.API, Images: x.e.Writer, Names: x.e.Names, RunImage: reference.Parse(x.registry.Name + "/run:base"), Layers: "/layers", Root: t.TempDir(),
	}
	analysis, err := a.Run(t.Context())
	check(t, err)
	if diff := gocmp.Diff(*before.meta, analysis.Analyzed.Metadata); diff != "" {
		t.Fatal(diff)
	}
	out.r = lifecycle.Restorer{
		API: x.e.API, Group: x.e.Group, Analyzed: analysis.Analyzed, Cache: volume, Layers: "/layers", Root: a.Root, Log: out.log.log(slog.LevelInfo),
	}
	return out
}

// restored are the layers that are there after a restore: "m" their metadata, "s" their SBOM, "d" their content.
func (r *rebuilding) restored(t *testing.T) map[string]string {
	t.Helper()
	check(t, r.r.Run(t.Context()))
	return r.found(t)
}

func (r *rebuilding) found(t *testing.T) map[string]string {
	t.Helper()
	files := contents(t, filepath.Join(r.r.Root, "layers"))
	got := map[string]string{}
	for _, name := range layerTypes {
		dir, what := "acme_ruby/"+name, ""
		for _, f := range []struct{ mark, file, want string }{
			{"m", dir + ".toml", fmt.Sprintf("[metadata]\nname = %q\n", name)},
			{"s", dir + ".sbom.cdx.json", `{"of": "` + name + `"}`},
			{"d", dir + "/file", "content of " + name},
		} {
			content, there := files[f.file]
			if there && content != f.want {
				t.Errorf("%s is %q, want %q", f.file, content, f.want)
			}
			if there {
				what += f.mark
			}
			delete(files, f.file)
		}
		if what != "" {
			got[name] = what
		}
	}
	delete(files, "acme_ruby/store.toml")
	if len(files) > 0 {
		t.Errorf("besides: %v", files)
	}
	return got
}

// TestRestoreLayerTypes is the table of buildpack.md, "Layer Types".
func TestRestoreLayerTypes(t *testing.T) {
	table := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd", "l": "ms"}
	without := func(s string) map[string]string {
		out := map[string]string{}
		for name, what := range table {
			if what = strings.ReplaceAll(what, s, ""); what != "" {
				out[name] = what
			}
		}
		return out
	}
	fromCache := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd"}
	for _, tt := range []struct {
		name   string
		change func(*rebuilding)
		want   map[string]string
	}{
		{"as it was", func(*rebuilding) {}, table},
		{"without layers", func(r *rebuilding) { r.r.SkipLayers = true }, map[string]string{}},
		{"without SBOMs", func(r *rebuilding) { r.r.SkipSBOM = true }, without("s")},
		{"without a cache", func(r *rebuilding) { r.r.Cache = nil }, map[string]string{"l": "ms"}},
		{"in another environment", func(r *rebuilding) { r.r.ExecEnv = "test" }, map[string]string{}},
		{"in another environment of an older platform", func(r *rebuilding) { r.r.API = version(t, "0.14"); r.r.ExecEnv = "test" }, table},
		{"in the same environment by name", func(r *rebuilding) { r.r.ExecEnv = "production" }, table},
		{"of another buildpack", func(r *rebuilding) { r.r.Group.Buildpacks[0].ID = "acme/other" }, map[string]string{}},
		{"previous image lost", func(r *rebuilding) { r.r.Analyzed = &platform.Analyzed{} }, fromCache},
		{"previous image lost, Buildpack API 0.12", func(r *rebuilding) {
			r.r.Analyzed, r.r.Group.Buildpacks[0].API = &platform.Analyzed{}, "0.12"
		}, fromCache},
		{"previous image of other layers", func(r *rebuilding) {
			l := r.r.Analyzed.Metadata.Buildpack("acme/ruby").Layers
			c := l["c-l"]
			c.SHA = "sha256:" + strings.Repeat("0", 64)
			l["c-l"] = c
			delete(l, "b-c-l")
		}, map[string]string{"b-c-l": "msd", "b-c": "msd", "c": "msd", "l": "ms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRebuilding(t, "0.15")
			tt.change(r)
			if diff := gocmp.Diff(tt.want, r.restored(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRestoreLogs are texts that people search for (docs/compatibility.md, "Log texts").
func TestRestoreLogs(t *testing.T) {
	r := newRebuilding(t, "0.14")
	r.restored(t)
	for _, line := range []string{
		`Restoring metadata for "acme/ruby:l" from app image`, `Restoring metadata for "acme/ruby:c-l" from app image`,
		`Restoring metadata for "acme/ruby:b-c" from cache`,
		`Restoring data for "acme/ruby:b-c" from cache`, `Restoring data for "acme/ruby:c-l" from cache`,
	} {
		if !strings.Contains(strings.ReplaceAll(r.log.String(), `\"`, `"`), line) {
			t.Errorf("not in the log: %s\n%s", line, r.log.String())
		}
	}
	data, err := os.ReadFile(filepath.Join(r.r.Root, "layers/acme_ruby/store.toml"))
	check(t, err)
	if string(data) != "[metadata]\nlast = \"all\"\n" {
		t.Errorf("store.toml is %q", data)
	}
}

// TestRestoreReplacesLeftovers: layer directories may outlive a build.
func TestRestoreReplacesLeftovers(t *testing.T) {
	r := newRebuilding(t, "0.14")
	for _, name := range []string{"old/file", "old.toml", "old.sbom.cdx.json", "launch.toml", "build.toml", "launch.sbom.cdx.json", "c/stale", "b.ignore/x", "broken.toml"} {
		write(t, filepath.Join(r.r.Root, "layers/acme_ruby", name), "= no TOML")
	}
	want := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd", "l": "ms"}
	if diff := gocmp.Diff(want, r.restored(t)); diff != "" {
		t.Error(diff)
	}
	r.r.Analyzed = &platform.Analyzed{}
	r.r.SkipLayers = true
	r.restored(t)
	if got := contents(t, filepath.Join(r.r.Root, "layers")); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

// TestRestoreFromBrokenCache: damage is reported, and costs what is damaged.
func TestRestoreFromBrokenCache(t *testing.T) {
	tarOf := func(r *rebuilding, name string) string {
		m, err := r.cache.Metadata(t.Context())
		check(t, err)
		return filepath.Join(r.cache.Dir, "committed", m.Buildpacks[0].Layers[name].SHA+".tar")
	}
	change := func(r *rebuilding, name string, do func([]byte) []byte) {
		file := tarOf(r, name)
		data, err := os.ReadFile(file)
		check(t, err)
		check(t, os.WriteFile(file, do(data), 0o644))
	}
	all := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd", "l": "ms"}
	less := func(names ...string) map[string]string {
		out := map[string]string{}
		for name, what := range all {
			if !slices.Contains(names, name) {
				out[name] = what
			}
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		damage func(*rebuilding)
		want   map[string]string
	}{
		{"a changed byte", func(r *rebuilding) {
			change(r, "c-l", func(b []byte) []byte { return []byte(strings.Replace(string(b), "content of", "CONTENT OF", 1)) })
		}, less("c-l")},
		{"cut off", func(r *rebuilding) { change(r, "b-c", func(b []byte) []byte { return b[:700] }) }, less("b-c")},
		{"empty", func(r *rebuilding) { change(r, "b-c", func([]byte) []byte { return nil }) }, less("b-c")},
		{"longer", func(r *rebuilding) { change(r, "c", func(b []byte) []byte { return append(b, 0) }) }, less("c")},
		{"lost", func(r *rebuilding) { check(t, os.Remove(tarOf(r, "c"))); check(t, os.Remove(tarOf(r, "b-c-l"))) }, less("c", "b-c-l")},
		{"a directory", func(r *rebuilding) { check(t, os.Remove(tarOf(r, "c"))); check(t, os.Mkdir(tarOf(r, "c"), 0o755)) }, less("c")},
		{"metadata", func(r *rebuilding) {
			check(t, os.WriteFile(filepath.Join(r.cache.Dir, "committed", cache.MetadataName), []byte("{"), 0o644))
		}, map[string]string{"l": "ms"}},
		{"names that lead elsewhere", func(r *rebuilding) {
			file := filepath.Join(r.cache.Dir, "committed", cache.MetadataName)
			data, err := os.ReadFile(file)
			check(t, err)
			check(t, os.WriteFile(file, []byte(strings.Replace(string(data), `"b-c":`, `"../../../b-c":`, 1)), 0o644))
		}, map[string]string{"l": "ms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRebuilding(t, "0.14")
			tt.damage(r)
			if diff := gocmp.Diff(tt.want, r.restored(t)); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(r.log.String(), "level=WARN") {
				t.Errorf("no warning is logged:\n%s", r.log.String())
			}
		})
	}
}

// TestRestoreHostileMetadata: what a previous image's label says must not lead out of the layers.
func TestRestoreHostileMetadata(t *testing.T) {
	for name, layer := range map[string]string{"up": "../up", "absolute": "/tmp/x", "dots": "..", "none": ""} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			r := lifecycle.Restorer{
				API: version(t, "0.14"), Layers: "/layers", Root: filepath.Join(root, "in"),
				Group: platform.Group{Buildpacks: []platform.Module{{ID: "acme/ruby", Version: "1", API: "0.10"}}},
				Analyzed: &platform.Analyzed{Metadata: platform.AppMetadata{Buildpacks: []platform.BuildpackLayers{{
					Key: "acme/ruby", Layers: map[string]platform.Layer{layer: {Launch: true, Data: "x"}},
				}}}},
			}
			if err := r.Run(t.Context()); fail.CodeOf(err) != fail.Restore {
				t.Errorf("%v", err)
			}
			if got := contents(t, root); len(got) > 0 {
				t.Errorf("wrote %v", got)
			}
		})
	}
	r := lifecycle.Restorer{API: version(t, "0.14"), Layers: "/layers", Root: t.TempDir(), Analyzed: &platform.Analyzed{}, Group: platform.Group{Buildpacks: []platform.Module{{ID: "..", Version: "1", API: "0.10"}}}}
	if err := r.Run(t.Context()); fail.CodeOf(err) != fail.Restore {
		t.Errorf("a buildpack called ..: %v", err)
	}
}

func TestRestoreCanBeCancelled(t *testing.T) {
	r := newRebuilding(t, "0.14")
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if err := r.r.Run(ctx); !errors.Is(err, reason) {
		t.Errorf("%v, want %v", err, reason)
	}
}

// TestRestoreFromCacheImage is the same table, from a registry.
func TestRestoreFromCacheImage(t *testing.T) {
	x := newExporting(t, nil)
	x.remove("layers/acme_ruby")
	x.write(typedLayers())
	ref, err := x.opener.Registry.Reference(reference.Parse(x.registry.Name + "/cache:1"))
	check(t, err)
	img := &cache.Image{Ref: ref, Registry: x.opener.Registry}
	x.e.Cache = img
	before := x.run()
	r := &rebuilding{r: lifecycle.Restorer{
		API: x.e.API, Group: x.e.Group, Cache: img, Layers: "/layers", Root: t.TempDir(),
		Analyzed: &platform.Analyzed{PreviousImage: &platform.ImageReference{Reference: "x"}, Metadata: *before.meta},
	}}
	want := map[string]string{"b-c-l": "msd", "b-c": "msd", "c-l": "msd", "c": "msd", "l": "m"} // the analyzer brings the SBOM of l
	if diff := gocmp.Diff(want, r.restored(t)); diff != "" {
		t.Error(diff)
	}
}

// TestRestoreTheReferencesCache takes over a cache that another lifecycle left (cache/testdata/README.md).
func TestRestoreTheReferencesCache(t *testing.T) {
	volume := t.TempDir()
	check(t, os.CopyFS(volume, os.DirFS("cache/testdata")))
	tars, err := filepath.Glob(filepath.Join(volume, "committed", "*.tar"))
	check(t, err)
	for _, file := range tars { // the colon of their names has no place in a module
		check(t, os.Rename(file, filepath.Join(filepath.Dir(file), "sha256:"+filepath.Base(file))))
	}
	metadata, err := (&cache.Volume{Dir: volume}).Metadata(t.Context())
	check(t, err)
	r := lifecycle.Restorer{
		API: version(t, "0.14"), Layers: "/layers", Root: t.TempDir(), Cache: &cache.Volume{Dir: volume}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Group: platform.Group{Buildpacks: []platform.Module{{ID: "acme/ruby", Version: "1.2.3", API: "0.10"}}},
		Analyzed: &platform.Analyzed{Metadata: platform.AppMetadata{Buildpacks: []platform.BuildpackLayers{{
			Key: "acme/ruby", Version: "1.2.3", Layers: metadata.Buildpacks[0].Layers,
		}}}},
	}
	check(t, r.Run(t.Context()))
	want := map[string]string{
		"gems.toml": "[metadata]\nsha = \"abc\"\n", "gems/bin/rake": "gem\n",
		"ruby.toml": "[metadata]\nversion = \"3.3.0\"\n", "ruby/lib/libruby.so": "lib\n", "ruby/lib/libruby.so.3": "lib\n",
	}
	if diff := gocmp.Diff(want, contents(t, filepath.Join(r.Root, "layers/acme_ruby"))); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkRestore verifies and unpacks 8 cached layers of 20 MB, half text and half incompressible.
func BenchmarkRestore(b *testing.B) {
	x := bigBuild(b)
	for n := range 8 {
		x.write(map[string]string{fmt.Sprintf("layers/acme_ruby/big%d.toml", n): "[types]\nlaunch = true\ncache = true\n"})
	}
	x.remove("layers/acme_ruby/gems.toml", "layers/acme_ruby/ruby.toml")
	volume := &cache.Volume{Dir: b.TempDir()}
	x.e.Cache = volume
	_, err := x.try(b.Context())
	check(b, err)
	metadata, err := volume.Metadata(b.Context())
	check(b, err)
	if len(metadata.Buildpacks) != 1 || len(metadata.Buildpacks[0].Layers) != 8 {
		b.Fatalf("the cache has %+v", metadata)
	}
	r := lifecycle.Restorer{
		API: x.e.API, Group: x.e.Group, Cache: volume, Layers: "/layers", Root: b.TempDir(),
		Analyzed: &platform.Analyzed{Metadata: platform.AppMetadata{Buildpacks: []platform.BuildpackLayers{{
			Key: metadata.Buildpacks[0].Key, Layers: metadata.Buildpacks[0].Layers,
		}}}},
	}
	b.SetBytes(8 * 20 << 20)
	for b.Loop() {
		check(b, r.Run(b.Context()))
		b.StopTimer()
		check(b, os.RemoveAll(r.Root))
		b.StartTimer()
	}
}
