package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// referenceCache is the metadata that the reference left in its cache directory (cache/testdata/README.md).
func referenceCache(t *testing.T) string {
	data, err := os.ReadFile("cache/testdata/committed/" + cache.MetadataName)
	check(t, err)
	return strings.TrimSpace(string(data))
}

func TestExportToCacheDirectory(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		t.Run(fmt.Sprintf("parallel %t", parallel), func(t *testing.T) {
			x := newExporting(t, nil)
			dir := t.TempDir()
			x.e.Cache, x.e.Parallel = &cache.Volume{Dir: dir}, parallel
			x.run()
			for _, line := range []string{"Adding cache layer 'acme/ruby:gems'\n", "Adding cache layer 'acme/ruby:ruby'\n"} {
				if !strings.Contains(x.log.String(), line) {
					t.Errorf("no %q in the log:\n%s", line, x.log.String())
				}
			}
			got := contents(t, dir)
			want := map[string]string{"committed/" + cache.MetadataName: referenceCache(t) + "\n"}
			for _, hex := range []string{"0ace3f037f7c51177fef214c63479a7359b97b62e1c65a89feef40efa7e58dc8", "d92c17ce217daa0d290c87aa6d159dedd1c410839cba91891afbea660d9671b3"} {
				data, err := os.ReadFile("layers/testdata/" + hex + ".tar")
				check(t, err)
				want["committed/sha256:"+hex+".tar"] = string(data)
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}

			// Again, with a layer for the build alone, whose SBOM only the cache can keep; one layer changes, one is gone.
			x.write(map[string]string{
				"layers/acme_ruby/tools/x": "1", "layers/acme_ruby/tools.toml": "[types]\nbuild = true\ncache = true\n",
				"layers/acme_ruby/tools.sbom.cdx.json": "{}", "layers/acme_ruby/gems.toml": "[types]\nlaunch = true\n",
			})
			x.e.Cache = &cache.Volume{Dir: dir}
			x.run()
			m, err := x.e.Cache.Metadata(t.Context())
			check(t, err)
			if len(m.Buildpacks[0].Layers) != 2 || m.Buildpacks[0].Layers["tools"].SHA == "" || m.SBOM.SHA == "" {
				t.Errorf("metadata: %+v", m)
			}
			for _, line := range []string{"Adding cache layer 'acme/ruby:tools'\n", "Reusing cache layer 'acme/ruby:ruby'\n", "Adding cache layer 'buildpacksio/lifecycle:cache.sbom'\n"} {
				if !strings.Contains(x.log.String(), line) {
					t.Errorf("no %q in the log:\n%s", line, x.log.String())
				}
			}
		})
	}
}

func TestExportToCacheImage(t *testing.T) {
	x := newExporting(t, nil)
	ref := lifecycletest.Reference(x.registry.Name + "/cache:1")
	x.e.Cache = &cache.Image{Ref: ref}
	out := x.run()
	img, err := remote.Image(ref)
	check(t, err)
	check(t, validate.Image(img))
	config, err := img.ConfigFile()
	check(t, err)
	if diff := gocmp.Diff(referenceCache(t), config.Config.Labels[cache.MetadataName]); diff != "" {
		t.Error(diff)
	}
	// A layer of both is compressed once: it is the same blob.
	app, err := out.image.LayerByDiffID(config.RootFS.DiffIDs[0])
	check(t, err)
	cached, err := img.LayerByDiffID(config.RootFS.DiffIDs[0])
	check(t, err)
	a, err := app.Digest()
	check(t, err)
	if c, err := cached.Digest(); err != nil || a != c {
		t.Errorf("the app has blob %s, the cache %s (%v)", a, c, err)
	}
}

// A broken cache fails in one of its methods.
type brokenCache struct {
	cache.Cache
	add, commit, metadata error
}

func (b brokenCache) Add(ctx context.Context, l v1.Layer) error {
	return errors.Join(b.add, b.Cache.Add(ctx, l))
}

func (b brokenCache) Commit(ctx context.Context, m cache.Metadata) error {
	if b.commit != nil {
		return b.commit
	}
	return b.Cache.Commit(ctx, m)
}

func (b brokenCache) Metadata(ctx context.Context) (cache.Metadata, error) {
	m, err := b.Cache.Metadata(ctx)
	return m, errors.Join(b.metadata, err)
}

func TestExportWithBrokenCache(t *testing.T) {
	old := `{"sbom":{"sha":""},"buildpacks":[]}`
	dir := func(t *testing.T) *cache.Volume {
		dir := t.TempDir()
		check(t, os.Mkdir(filepath.Join(dir, "committed"), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, "committed", cache.MetadataName), []byte(old), 0o644))
		return &cache.Volume{Dir: dir}
	}
	for name, test := range map[string]struct {
		cache func(t *testing.T, x *exporting) cache.Cache
		warns string // empty: the cache is all right afterwards
	}{
		"not mounted": {func(t *testing.T, _ *exporting) cache.Cache { return &cache.Volume{Dir: t.TempDir() + "/none"} }, "/none"},
		"a full disk": {func(t *testing.T, _ *exporting) cache.Cache { return brokenCache{Cache: dir(t), add: syscall.ENOSPC} }, "no space left"},
		"at the end":  {func(t *testing.T, _ *exporting) cache.Cache { return brokenCache{Cache: dir(t), commit: syscall.EROFS} }, "read-only"},
		"unreadable": {func(t *testing.T, _ *exporting) cache.Cache {
			return brokenCache{Cache: dir(t), metadata: cache.ErrCorrupt}
		}, ""},
		"another tool": {func(t *testing.T, _ *exporting) cache.Cache {
			v := dir(t)
			check(t, os.WriteFile(filepath.Join(v.Dir, "committed", cache.MetadataName), []byte("<xml>"), 0o644))
			return v
		}, ""},
		"no registry": {func(t *testing.T, _ *exporting) cache.Cache {
			return &cache.Image{Ref: lifecycletest.Reference("127.0.0.1:1/cache"), Registry: registry.Client{Retry: remote.Backoff{Duration: 1, Steps: 1}}}
		}, "127.0.0.1:1"},
		"a layer without a directory": {func(t *testing.T, x *exporting) cache.Cache {
			x.write(map[string]string{"layers/acme_ruby/none.toml": "[types]\ncache = true\n"})
			return dir(t)
		}, "layer 'acme/ruby:none' is not cached"},
		"a layer that is no directory": {func(t *testing.T, x *exporting) cache.Cache {
			x.write(map[string]string{"layers/acme_ruby/link.toml": "[types]\ncache = true\n", "layers/acme_ruby/link": "-> /etc"})
			return dir(t)
		}, "layer 'acme/ruby:link' is not cached"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExporting(t, nil)
			x.e.Cache = test.cache(t, x)
			x.run()
			log := x.log.String()
			warned := strings.Contains(log, "Warning: ")
			if warned != (test.warns != "") || !strings.Contains(log, test.warns) {
				t.Errorf("want a warning with %q:\n%s", test.warns, log)
			}
			broken, _ := x.e.Cache.(brokenCache)
			if v, ok := broken.Cache.(*cache.Volume); ok && test.warns != "" {
				if diff := gocmp.Diff(map[string]string{"committed/" + cache.MetadataName: old}, contents(t, v.Dir)); diff != "" {
					t.Errorf("the old cache is not as it was: %s", diff)
				}
			}
		})
	}
}

func TestExportToRegistryThatRefuses(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			x := newExporting(t, nil)
			dir := t.TempDir()
			x.e.Cache = &cache.Volume{Dir: dir}
			x.opener.Registry.Retry = remote.Backoff{Duration: 1, Steps: 1}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					http.Error(w, "no", status)
					return
				}
				x.registry.Handler().ServeHTTP(w, r)
			}))
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			x.e.Names = refs(host + "/app:1")
			report, err := x.try(t.Context())
			if report != nil || fail.CodeOf(err) != fail.Export || !strings.Contains(err.Error(), host+"/app:1") {
				t.Errorf("got %v, %v", report, err)
			}
			if _, err := remote.Head(lifecycletest.Reference(x.registry.Name + "/app:1")); err == nil {
				t.Error("there is an image")
			}
			if left := contents(t, dir); len(left) > 0 {
				t.Errorf("the cache was written for an image that is not there: %v", left)
			}
		})
	}
}

func TestExportCanBeCancelled(t *testing.T) {
	x := newExporting(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	cancel(stop)
	if _, err := x.try(ctx); !errors.Is(err, stop) || fail.CodeOf(err) == fail.Export {
		t.Errorf("got %v", err)
	}
}

// TestExportExtended exports on a run image that was extended, of which only the new layers are at hand.
func TestExportExtended(t *testing.T) {
	for _, rebasable := range []string{"true", "false", ""} {
		t.Run("rebasable "+rebasable, func(t *testing.T) {
			x := newExporting(t, nil)
			run := x.e.RunImage
			extended := lifecycletest.With(run.Image, lifecycletest.Layer{"etc/extended": "1"})
			cfg, err := extended.ConfigFile()
			check(t, err)
			cfg = cfg.DeepCopy()
			cfg.History[1].CreatedBy = "Layer: 'RUN apt-get install', Created by extension: acme/ext"
			cfg.Config.Env = append(cfg.Config.Env, "EXTENDED=1")
			if rebasable != "" {
				cfg.Config.Labels[platform.RebasableLabel] = rebasable
			}
			extended, err = mutate.ConfigFile(extended, cfg)
			check(t, err)
			dir := t.TempDir()
			_, err = layout.Write(dir, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: extended}))
			check(t, err)
			below, err := run.Image.Layers()
			check(t, err)
			digest, err := below[0].Digest()
			check(t, err)
			check(t, os.Remove(filepath.Join(dir, "blobs/sha256", digest.Hex)))
			x.e.Extended = x.open("oci:" + dir)
			elsewhere := lifecycletest.Registry() // which has no layer of the run image
			defer elsewhere.Close()
			x.e.Names = refs(elsewhere.Name + "/app:1")

			out := x.run()
			if got := out.history()[1]; got != cfg.History[1].CreatedBy {
				t.Errorf("the layer above the run image's is %q", got)
			}
			if out.meta.RunImage.TopLayer != run.Config.RootFS.DiffIDs[0].String() {
				t.Error("a rebase would cut elsewhere than above the run image")
			}
			if got, want := out.config.Config.Labels[platform.RebasableLabel], fmt.Sprint(rebasable == "true"); got != want {
				t.Errorf("rebasable is %q, want %q", got, want)
			}
			if out.config.Config.Env[1] != "EXTENDED=1" {
				t.Errorf("environment: %q", out.config.Config.Env)
			}

			x.e.RunImage = x.open(x.pushRun("other"))
			if _, err := x.try(t.Context()); fail.CodeOf(err) != fail.Export || !strings.Contains(err.Error(), "is not based on the run image") {
				t.Errorf("another run image: %v", err)
			}
		})
	}
}

func TestExportToLayout(t *testing.T) {
	x := newExporting(t, nil)
	dir := t.TempDir()
	x.e.Names = refs("registry.example/app:1", "registry.example/app:2")
	x.e.Locator = func(name reference.Reference) reference.Reference { return name.In(dir) }
	report, err := x.try(t.Context())
	check(t, err)
	for _, tag := range []string{"1", "2"} {
		img := x.open("oci:" + filepath.Join(dir, "registry.example/app", tag))
		check(t, validate.Image(img.Image))
		if img.Digest.String() != report.Image.Digest {
			t.Errorf("%s: the report has %s, the image %s", tag, report.Image.Digest, img.Digest)
		}
	}
	if diff := gocmp.Diff(x.e.Names, refs(report.Image.Tags...)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(x.log.String(), "Saving registry.example/app:1...\n") {
		t.Error(x.log.String())
	}
	x.e.Names = refs("registry.example/../app")
	if _, err := x.try(t.Context()); fail.CodeOf(err) != fail.Export {
		t.Errorf("a name without a place: %v", err)
	}
	x.e.Names = nil
	if _, err := x.try(t.Context()); fail.CodeOf(err) != fail.Export {
		t.Errorf("no name: %v", err)
	}
}

// TestExportRecordsRequirements is the label and the table of report.toml (docs/reference/files.md, "label baseplan.run-image.requirements").
func TestExportRecordsRequirements(t *testing.T) {
	x := newExporting(t, nil)
	app := &platform.ResolvedModule{Kind: "buildpack", ID: "acme/app", Version: "1.2.3"}
	x.e.Resolution = &platform.Resolution{
		RunImage: platform.ResolvedImage{Inventory: "referrer"},
		Requirements: []platform.Requirement{
			{Name: "curl", RequiredBy: "acme/app@1.2.3", By: app, Version: ">= 7", MetBy: []string{"run-image"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}},
			{Name: "tree", RequiredBy: "acme/app@1.2.3", By: app, MetBy: []string{"run-image", "build-image"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/tree"}},
			{Name: "jre", RequiredBy: "acme/app@1.2.3", MetBy: []string{"run-image", "acme/jre@1"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/openjdk"}},
			{Name: "make", RequiredBy: "acme/app@1.2.3", MetBy: []string{"build-image"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/make"}},
		},
		Verdicts: []platform.Verdict{
			{Extension: "acme/curl", Image: "run", Verdict: "satisfied"}, {Extension: "acme/gd", Image: "run", Verdict: "no-effect"},
			{Extension: "acme/left", Image: "run", Verdict: "apply"}, {Extension: "acme/build", Image: "build", Verdict: "satisfied"},
		},
		Relies: []platform.RunImageRequirement{
			{Name: "libgd3", Rule: "deb", Evidence: []string{"pkg:deb/debian/libgd3"}, ProvedByEffect: "acme/php-gd"},
			{Name: "curl", Constraint: ">= 7", Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}, RequiredBy: "acme/app"},
		},
	}
	out := x.run()
	want := `{"version":"1.0","requirements":[` +
		`{"name":"curl","constraint":">= 7","rule":"deb","evidence":["pkg:deb/debian/curl"],"required-by":"acme/app"},` +
		`{"name":"tree","evidence":["pkg:deb/debian/tree"],"required-by":"acme/app"},` +
		`{"name":"libgd3","evidence":["pkg:deb/debian/libgd3"],"proved-by-effect":"acme/php-gd"}]}`
	got := strings.ReplaceAll(out.config.Config.Labels[platform.RequirementsLabel], `\u003e`, ">")
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff(&platform.ReportRunImage{Inventory: "referrer", SkippedExtensions: []string{"acme/curl", "acme/gd"}}, out.report.RunImage); diff != "" {
		t.Error(diff)
	}

	label := out.config.Config.Labels[platform.ResolutionLabel]
	e, err := platform.DecodeExplanation(label)
	if err != nil || len(e.Verdicts) != 4 || len(e.Requirements) != 4 || len(e.Group) == 0 {
		t.Errorf("label %s: %s: %v", platform.ResolutionLabel, label, err)
	}
	x.e.Resolution.RunImage.Digest = ""
	for _, v := range api.Platform.Supported {
		x.e.API = v
		for _, extended := range []*image.Image{nil, x.e.RunImage} {
			want := label
			if x.e.Extended = extended; extended != nil {
				want = strings.Replace(label, `"result":{`, `"result":{"extend-run":true`, 1)
			}
			if x.run().config.Config.Labels[platform.ResolutionLabel] != want {
				t.Errorf("another label %s at Platform API %s", platform.ResolutionLabel, v)
			}
		}
	}
	x.e.Extended = nil

	x.e.Resolution.Requirements, x.e.Resolution.Relies = nil, nil
	x.e.RunImage.Config.Config.Labels[platform.RequirementsLabel] = "of an app image that became a run image"
	if out := x.run(); out.config.Config.Labels[platform.RequirementsLabel] != "" {
		t.Error("a label, though nothing relies on the run image")
	}
	x.e.RunImage.Config.Config.Labels[platform.ResolutionLabel] = "of an app image that became a run image"
	x.e.Resolution = &platform.Resolution{RunImage: platform.ResolvedImage{Inventory: "unknown"}}
	x.e.Group.Extensions = []platform.Module{{ID: "acme/none", Version: "1"}} // without a Dockerfile
	if label := x.run().config.Config.Labels[platform.ResolutionLabel]; !strings.Contains(label, `{"id":"acme/none","version":"1","extension":true}`) {
		t.Errorf("label %s: %s", platform.ResolutionLabel, label)
	}
	x.e.Group.Extensions = nil
	for _, r := range []*platform.Resolution{nil, {RunImage: platform.ResolvedImage{Inventory: "unknown"}}} {
		x.e.Resolution = r
		out := x.run()
		if out.report.RunImage != nil {
			t.Errorf("a table of the report for %+v", r)
		}
		if _, found := out.config.Config.Labels[platform.ResolutionLabel]; found {
			t.Errorf("a label %s for %+v", platform.ResolutionLabel, r)
		}
	}
}
