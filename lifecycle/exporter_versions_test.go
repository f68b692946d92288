package lifecycle_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// TestExportByPlatformAPI exports the same build for every version of the Platform API. Each row says what
// that version brings; it holds until another row says otherwise.
func TestExportByPlatformAPI(t *testing.T) {
	type traits struct {
		labelBOM, reportBOM, legacySBOM, sbom, launcherSBOM, created, list, extensions, runImageNames, history, execEnv bool
	}
	var now traits
	for _, row := range []struct {
		version string
		change  func()
	}{
		{"0.7", func() { now.labelBOM, now.reportBOM = true, true }},
		{"0.8", func() { now.sbom = true }},
		{"0.9", func() { now.labelBOM, now.reportBOM, now.created, now.legacySBOM = false, false, true, true }},
		{"0.10", func() { now.list, now.extensions = true, true }},
		{"0.11", func() { now.launcherSBOM = true }},
		{"0.12", func() { now.runImageNames, now.history = true, true }},
		{"0.13", func() {}},
		{"0.14", func() {}},
		{"0.15", func() { now.execEnv = true }},
	} {
		row.change()
		want := now
		t.Run(row.version, func(t *testing.T) {
			x := newExporting(t, map[string]string{
				"layers/acme_ruby/launch.sbom.cdx.json": "{}",
				"layers/acme_ruby/launch.toml":          "[[bom]]\nname = \"ruby\"\n",
				"layers/acme_ruby/build.toml":           "[[bom]]\nname = \"jdk\"\n[bom.metadata]\nversion = \"17\"\n",
			})
			created := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
			x.e.API, x.e.Created, x.e.ExecEnv = version(t, row.version), &created, "test"
			x.e.Group.Buildpacks[0].API = "0.8"
			x.e.Build.Processes[0].Command = launch.Command{"ruby", "-w"}
			x.e.Group.Extensions = []platform.Module{{ID: "acme/ext", Version: "1", API: "0.10", Homepage: "https://example.com"}}
			names := platform.RunImageNames{Image: x.e.Analyzed.RunImage.Image, Mirrors: []string{"mirror.example/run"}}
			x.e.RunFile = &platform.RunFile{Images: []platform.RunImageNames{names}}
			if !want.runImageNames {
				x.e.Analyzed.RunImage.Image = ""
			}
			out := x.run()

			label := map[string]any{}
			check(t, json.Unmarshal([]byte(out.config.Config.Labels[platform.BuildMetadataLabel]), &label))
			process := label["processes"].([]any)[0].(map[string]any)
			command, isList := process["command"].([]any)
			_, noSBOM := os.Stat(filepath.Join(x.root, "layers/sbom/launch/acme_ruby/sbom.cdx.json"))
			_, noLauncherSBOM := os.Stat(filepath.Join(x.root, "layers/sbom/launch/buildpacksio_lifecycle/launcher/sbom.cdx.json"))
			legacy, _ := os.ReadFile(filepath.Join(x.root, "layers/sbom/launch/sbom.legacy.json"))
			legacyBuild, _ := os.ReadFile(filepath.Join(x.root, "layers/sbom/build/sbom.legacy.json"))
			got := traits{
				legacySBOM: string(legacy) == `[{"name":"ruby","metadata":null,"buildpack":{"id":"acme/ruby","version":"1.2.3"}}]`+"\n" &&
					string(legacyBuild) == `[{"name":"jdk","metadata":{"version":"17"},"buildpack":{"id":"acme/ruby","version":"1.2.3"}}]`+"\n",
				labelBOM: label["bom"] != nil, reportBOM: out.report.Build != nil, sbom: out.meta.SBOM != nil && noSBOM == nil, launcherSBOM: noLauncherSBOM == nil,
				created: out.config.Created.Equal(created), list: isList && len(command) == 2, extensions: label["extensions"] != nil,
				runImageNames: out.meta.RunImage.Image == names.Image && len(out.meta.RunImage.Mirrors) == 1,
				history:       strings.HasPrefix(out.config.History[1].CreatedBy, "Layer: 'env'"),
				execEnv:       out.meta.ExecEnv == "test" && out.config.Config.Labels["io.buildpacks.exec-env"] == "test" && gocmp.Equal(process["exec-env"], []any{"*"}),
			}
			if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(traits{})); diff != "" {
				t.Error(diff)
			}
			if !want.created && !out.config.Created.Equal(layers.Epoch) {
				t.Errorf("created: %s", out.config.Created)
			}
			if !want.list && (process["command"] != "ruby" || !gocmp.Equal(process["args"], []any{"-w", "app.rb"})) {
				t.Errorf("process: %v", process)
			}
			if !want.execEnv && (out.meta.ExecEnv != "" || out.config.Config.Labels["io.buildpacks.exec-env"] != "" || process["exec-env"] != nil) {
				t.Error("an execution environment")
			}
			if diff := gocmp.Diff(&platform.Stack{RunImage: names}, out.meta.Stack); diff != "" {
				t.Error(diff)
			}
			if len(out.config.History) != len(out.config.RootFS.DiffIDs) {
				t.Error("the history does not have an entry per layer")
			}
			if got := out.config.Config.Env[3]; got != "CNB_PLATFORM_API="+row.version {
				t.Error(got)
			}
		})
	}
}

// TestExportNamesTheRunImage is the clause "Run Image Resolution" of platform.md, and what holds where an
// extension may have switched.
func TestExportNamesTheRunImage(t *testing.T) {
	known := []platform.RunImageNames{{Image: "first.example/run"}, {Image: "second.example/run", Mirrors: []string{"mirror.example/run"}}}
	for _, test := range []struct {
		name, image string
		known       []platform.RunImageNames
		extensions  []platform.Module
		want        platform.RunImageNames
	}{
		{"by its name", "second.example/run", known, nil, known[1]},
		{"by a mirror", "mirror.example/run:latest", known, nil, known[1]},
		{"else the first", "other.example/run", known, nil, known[0]},
		{"nothing is known", "other.example/run", nil, nil, platform.RunImageNames{Image: "other.example/run"}},
		{"switched", "other.example/run", known, []platform.Module{{ID: "ext", Version: "1"}}, platform.RunImageNames{Image: "other.example/run"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newExporting(t, nil)
			x.e.Analyzed.RunImage.Image, x.e.Group.Extensions = test.image, test.extensions
			if test.known != nil {
				x.e.RunFile = &platform.RunFile{Images: test.known}
			}
			run := x.run().meta.RunImage
			if diff := gocmp.Diff(test.want, platform.RunImageNames{Image: run.Image, Mirrors: run.Mirrors}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// contents are those of all files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		files[strings.TrimPrefix(file, dir+"/")] = string(data)
		return err
	}))
	return files
}

func TestExportSBOMs(t *testing.T) {
	x := newExporting(t, map[string]string{
		"layers/acme_ruby/launch.sbom.cdx.json": "launch", "layers/acme_ruby/launch.sbom.syft.json": "launch syft",
		"layers/acme_ruby/build.sbom.spdx.json": "build",
		"layers/acme_ruby/gems.sbom.cdx.json":   "gems", "layers/acme_ruby/env.sbom.cdx.json": "env",
		"layers/acme_ruby/tools/x": "", "layers/acme_ruby/tools.toml": "[types]\nbuild = true\ncache = true\n", "layers/acme_ruby/tools.sbom.cdx.json": "tools",
		"layers/acme_ruby/gone.sbom.cdx.json": "gone", "layers/acme_ruby/gems.sbom.other.json": "no format",
		"layers/sbom/launch/acme_old/sbom.cdx.json": "of the previous image",
	})
	x.e.Cache = &cache.Volume{Dir: t.TempDir()}
	umask := syscall.Umask(0o077)
	out := x.run()
	syscall.Umask(umask)
	want := map[string]string{
		"launch/sbom.legacy.json":                              "null\n",
		"build/sbom.legacy.json":                               "null\n",
		"launch/acme_ruby/sbom.cdx.json":                       "launch",
		"launch/acme_ruby/sbom.syft.json":                      "launch syft",
		"launch/acme_ruby/gems/sbom.cdx.json":                  "gems",
		"launch/acme_ruby/env/sbom.cdx.json":                   "env",
		"launch/buildpacksio_lifecycle/launcher/sbom.cdx.json": `{"of": "launcher"}`,
		"build/acme_ruby/sbom.spdx.json":                       "build",
		"build/acme_ruby/tools/sbom.cdx.json":                  "tools",
		"build/buildpacksio_lifecycle/sbom.cdx.json":           `{"of": "lifecycle"}`,
		"cache/acme_ruby/gems/sbom.cdx.json":                   "gems",
		"cache/acme_ruby/tools/sbom.cdx.json":                  "tools",
	}
	if diff := gocmp.Diff(want, contents(t, filepath.Join(x.root, "layers/sbom"))); diff != "" {
		t.Error(diff)
	}
	all, err := out.image.Layers()
	check(t, err)
	r, err := all[4].Uncompressed()
	check(t, err)
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		if h.Typeflag == tar.TypeReg {
			names = append(names, strings.TrimPrefix(h.Name, "/layers/sbom/"))
		} else if h.Mode != 0o755 && strings.HasPrefix(h.Name, "/layers/sbom") {
			t.Errorf("%s has mode %o, by the mask of the process", h.Name, h.Mode)
		}
	}
	maps.DeleteFunc(want, func(name, _ string) bool { return !strings.HasPrefix(name, "launch/") })
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(slices.Values(names))); diff != "" {
		t.Error(diff)
	}
	if out.config.RootFS.DiffIDs[4].String() != out.meta.SBOM.SHA || out.history()[4] != "Software Bill-of-Materials" {
		t.Errorf("the label has %v", out.meta.SBOM)
	}
}

func TestExportOwnAndBuildpacksLabels(t *testing.T) {
	x := newExporting(t, nil)
	x.e.Build.Labels = []platform.Label{
		{Key: "a", Value: "1"}, {Key: platform.LifecycleMetadataLabel, Value: "{}"}, {Key: "b", Value: "1"}, {Key: "a", Value: "2"},
	}
	x.e.Project = &platform.ProjectMetadata{Source: &platform.ProjectSource{Type: "git", Version: map[string]any{"commit": "abc"}}}
	out := x.run()
	labels := out.config.Config.Labels
	if labels["a"] != "2" || labels["b"] != "1" || len(out.meta.Buildpacks) != 1 {
		t.Errorf("labels: %v", labels)
	}
	if got := labels[platform.ProjectMetadataLabel]; got != `{"source":{"type":"git","version":{"commit":"abc"}}}` {
		t.Errorf("project metadata: %s", got)
	}
	for _, has := range []string{
		"Warning: ignoring a buildpack's label 'io.buildpacks.lifecycle.metadata'",
		"Adding label 'io.buildpacks.project.metadata'\nAdding label 'b'\nAdding label 'a'\n",
	} {
		if !strings.Contains(x.log.String(), has) {
			t.Errorf("no %q in the log:\n%s", has, x.log.String())
		}
	}
	if _, has := labels[platform.RebasableLabel]; has {
		t.Error("rebasable, though no extension was here")
	}
}

// TestExportIsReproducible exports the same build from another directory, with other times on the files.
func TestExportIsReproducible(t *testing.T) {
	var digests []string
	for n := range 2 {
		x := newExporting(t, nil)
		x.e.Parallel = n == 1
		check(t, filepath.WalkDir(x.root, func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				err = os.Chtimes(file, time.Unix(int64(n), 0), time.Unix(int64(n)*1e9, 0))
			}
			return err
		}))
		// Each registry has its own port, which is in the label of the run image.
		x.e.Analyzed.RunImage = &platform.RunImage{Reference: "registry.example/run@sha256:" + strings.Repeat("a", 64), Image: "registry.example/run"}
		digests = append(digests, x.run().report.Image.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("the digests are %q", digests)
	}
}
