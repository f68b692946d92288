package lifecycle_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An exporting is a build that is ready for the exporter: a tree as the builder leaves it, and a registry.
type exporting struct {
	t        testing.TB
	root     string
	registry *lifecycletest.Host
	opener   *image.Opener
	e        lifecycle.Exporter
	log      bytes.Buffer
}

// referenceFiles are what the reference exported (layers/testdata/README.md).
var referenceFiles = map[string]string{
	"layers/acme_ruby/gems/bin/rake":               "!gem\n",
	"layers/acme_ruby/ruby/lib/libruby.so":         "lib\n",
	"layers/acme_ruby/ruby/lib/libruby.so.3":       "-> libruby.so",
	"layers/acme_ruby/env/env.launch/FOO.override": "x",
	"layers/acme_ruby/gems.toml":                   "[types]\nlaunch = true\ncache = true\n[metadata]\nsha = \"abc\"\n",
	"layers/acme_ruby/ruby.toml":                   "[types]\nlaunch = true\nbuild = true\ncache = true\n[metadata]\nversion = \"3.3.0\"\n",
	"layers/acme_ruby/env.toml":                    "[types]\nlaunch = true\n",
	"layers/acme_ruby/store.toml":                  "[metadata]\nlast = \"gems\"\n",
	"workspace/app.rb":                             "puts 1\n",
	"lifecycle/launcher":                           "!ELF",
	"lifecycle/launcher.sbom.cdx.json":             `{"of": "launcher"}`,
	"lifecycle/lifecycle.sbom.cdx.json":            `{"of": "lifecycle"}`,
}

// newExporting is the reference's build, with files on top: "" removes one.
func newExporting(t testing.TB, files map[string]string) *exporting {
	t.Helper()
	host := lifecycletest.Registry()
	t.Cleanup(host.Close)
	all := maps.Clone(referenceFiles)
	maps.Copy(all, files)
	x := &exporting{t: t, root: t.TempDir(), registry: host, opener: &image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}}
	x.write(all)
	run := x.pushRun("base")
	x.e = lifecycle.Exporter{
		API: version(t, "0.14"), Writer: &image.Writer{Opener: x.opener, Spool: t.TempDir()},
		Names: refs(host.Name + "/app:1"), RunImage: x.open(run),
		Analyzed: &platform.Analyzed{RunImage: &platform.RunImage{Reference: x.digestOf(run), Image: run}},
		Group:    platform.Group{Buildpacks: []platform.Module{{ID: "acme/ruby", Version: "1.2.3", API: "0.10"}}},
		Build: &platform.BuildMetadata{
			DefaultProcess: "web", Buildpacks: []platform.Module{{ID: "acme/ruby", Version: "1.2.3", API: "0.10"}},
			Processes: []launch.Process{{Type: "web", Command: launch.Command{"ruby"}, Args: []string{"app.rb"}, Direct: true, BuildpackID: "acme/ruby"}},
		},
		App: "/workspace", Layers: "/layers", Root: x.root, UID: 1000, GID: 1000,
		Launcher: filepath.Join(x.root, "lifecycle/launcher"), LauncherSBOM: filepath.Join(x.root, "lifecycle"),
		LauncherLabel: platform.LauncherLabel{Version: "0.21.17"},
		Log:           slog.New(plain{&x.log}),
	}
	return x
}

// pushRun stores a run image, each time another.
func (x *exporting) pushRun(content string) string {
	img := lifecycletest.Image(lifecycletest.Layer{"etc/base": content})
	cfg, err := img.ConfigFile()
	check(x.t, err)
	cfg = cfg.DeepCopy()
	cfg.Config.Env = []string{"PATH=/usr/bin:/bin"}
	cfg.Config.User = "1000:1000"
	cfg.Config.Cmd = []string{"/bin/sh"}
	cfg.Config.Labels = map[string]string{
		"io.buildpacks.base.distro.name": "debian", "io.buildpacks.base.distro.version": "12", "io.buildpacks.stack.id": "bench",
	}
	img, err = mutate.ConfigFile(img, cfg)
	check(x.t, err)
	return x.registry.Push("run:"+content, img)
}

func (x *exporting) digestOf(ref string) string {
	desc, err := remote.Head(lifecycletest.Reference(ref))
	check(x.t, err)
	return lifecycletest.Reference(ref).Context().Digest(desc.Digest.String()).String()
}

func (x *exporting) open(ref string) *image.Image {
	x.t.Helper()
	img, err := x.opener.Open(x.t.Context(), reference.Parse(ref))
	check(x.t, err)
	return img
}

// write makes files below the root: "-> x" a link, "!x" an executable.
func (x *exporting) write(files map[string]string) {
	x.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file, content := filepath.Join(x.root, name), files[name]
		target, link := strings.CutPrefix(content, "-> ")
		body, exec := strings.CutPrefix(content, "!")
		check(x.t, os.MkdirAll(filepath.Dir(file), 0o755))
		switch {
		case strings.HasSuffix(name, "/"):
			check(x.t, os.MkdirAll(file, 0o755))
		case link:
			check(x.t, os.Symlink(target, file))
		case exec:
			check(x.t, os.WriteFile(file, []byte(body), 0o755))
		default:
			check(x.t, os.WriteFile(file, []byte(content), 0o644))
		}
	}
}

// remove takes files away.
func (x *exporting) remove(names ...string) {
	x.t.Helper()
	for _, name := range names {
		check(x.t, os.RemoveAll(filepath.Join(x.root, name)))
	}
}

// exported is what came of an export.
type exported struct {
	report *platform.Report
	image  v1.Image
	config *v1.ConfigFile
	meta   *platform.AppMetadata
}

// run exports to the registry, after the builder's part, and checks the image.
func (x *exporting) run() exported {
	x.t.Helper()
	report, err := x.try(x.t.Context())
	check(x.t, err)
	img, err := remote.Image(lifecycletest.Reference(x.e.Names[0].String()))
	check(x.t, err)
	check(x.t, validate.Image(img))
	digest, err := img.Digest()
	check(x.t, err)
	if report.Image.Digest != digest.String() {
		x.t.Errorf("the report has digest %s, the image %s", report.Image.Digest, digest)
	}
	config, err := img.ConfigFile()
	check(x.t, err)
	meta, err := platform.DecodeAppMetadata(config.Config.Labels[platform.LifecycleMetadataLabel], "app")
	check(x.t, err)
	return exported{report, img, config, meta}
}

func (x *exporting) try(ctx context.Context) (*platform.Report, error) {
	x.t.Helper()
	data, err := x.e.Build.Encode(x.e.API)
	check(x.t, err)
	x.write(map[string]string{"layers/config/metadata.toml": string(data)})
	x.log.Reset()
	e := x.e
	return e.Run(ctx)
}

// rebuild makes the next export one on top of the image that is there.
func (x *exporting) rebuild(before exported) {
	x.e.Previous = x.open(x.e.Names[0].String())
	x.e.Analyzed.PreviousImage = &platform.ImageReference{Reference: x.digestOf(x.e.Names[0].String())}
	x.e.Analyzed.Metadata = *before.meta
}

// A plain handler writes messages, warnings with a mark, and leaves out debug.
type plain struct{ w io.Writer }

func (plain) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (p plain) Handle(_ context.Context, r slog.Record) error {
	mark := ""
	if r.Level >= slog.LevelWarn {
		mark = "Warning: "
	}
	_, err := fmt.Fprintln(p.w, mark+r.Message)
	return err
}
func (p plain) WithAttrs([]slog.Attr) slog.Handler { return p }
func (p plain) WithGroup(string) slog.Handler      { return p }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestExportEqualsTheReference holds an export against the app image that another lifecycle made of the
// same files: all but the layers whose content is that lifecycle's own.
func TestExportEqualsTheReference(t *testing.T) {
	data, err := os.ReadFile("layers/testdata/app-config.json")
	check(t, err)
	var want map[string]any
	check(t, json.Unmarshal(data, &want))

	x := newExporting(t, nil)
	out := x.run()
	raw, err := out.image.RawConfigFile()
	check(t, err)
	text := string(raw)
	ids := want["rootfs"].(map[string]any)["diff_ids"].([]any)
	for n, id := range out.config.RootFS.DiffIDs {
		switch n {
		case 0, 4, 6, 7: // run image, SBOM, launcher, metadata.toml
			text = strings.ReplaceAll(text, id.String(), ids[n].(string))
		}
	}
	run := x.e.Analyzed.RunImage
	reference := want["config"].(map[string]any)["Labels"].(map[string]any)[platform.LifecycleMetadataLabel].(map[string]any)["runImage"].(map[string]any)
	text = strings.ReplaceAll(text, run.Reference, reference["reference"].(string))
	text = strings.ReplaceAll(text, run.Image, reference["image"].(string))
	text = strings.ReplaceAll(text, `"created_by":"lifecycletest"`, `"created":"1980-01-01T00:00:01Z","created_by":"base"`)
	var got map[string]any
	check(t, json.Unmarshal([]byte(text), &got))
	labels := got["config"].(map[string]any)["Labels"].(map[string]any)
	for key, value := range labels {
		var doc any
		if json.Unmarshal([]byte(value.(string)), &doc) == nil && strings.HasPrefix(value.(string), "{") {
			labels[key] = doc
		}
	}
	// The sample was made from a metadata.toml with the key default; no builder writes it.
	process := want["config"].(map[string]any)["Labels"].(map[string]any)[platform.BuildMetadataLabel].(map[string]any)["processes"].([]any)[0].(map[string]any)
	delete(process, "default")
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestExportedLabelsEqualTheReferences compares the labels as text: key order, nulls, what is left out.
func TestExportedLabelsEqualTheReferences(t *testing.T) {
	data, err := os.ReadFile("layers/testdata/app-config.json")
	check(t, err)
	var want struct {
		Config struct{ Labels map[string]json.RawMessage }
	}
	check(t, json.Unmarshal(data, &want))
	out := newExporting(t, nil).run()
	mask := regexp.MustCompile(`sha256:[0-9a-f]{64}|127\.0\.0\.1:\d+/run[:a-z]*@?|registry\.example/acme/run(:1|@)`)
	for _, key := range []string{platform.LifecycleMetadataLabel, platform.BuildMetadataLabel, platform.ProjectMetadataLabel} {
		var line bytes.Buffer
		check(t, json.Compact(&line, want.Config.Labels[key]))
		sample := strings.ReplaceAll(line.String(), `"default":true,`, "") // see TestExportEqualsTheReference
		if diff := gocmp.Diff(mask.ReplaceAllString(sample, "~"), mask.ReplaceAllString(out.config.Config.Labels[key], "~")); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}

func (x *exporting) checkLog(want ...string) {
	x.t.Helper()
	got := strings.ReplaceAll(strings.TrimSpace(x.log.String()), x.registry.Name, "REGISTRY")
	got = regexp.MustCompile(`Images \([0-9a-f]{12}\)`).ReplaceAllString(got, "Images (ID)")
	if diff := gocmp.Diff(want, strings.Split(got, "\n")); diff != "" {
		x.t.Error(diff)
	}
}

func TestExportAgain(t *testing.T) {
	x := newExporting(t, nil)
	x.e.Names = append(x.e.Names, reference.Parse(x.registry.Name+"/app:2"), x.e.Names[0])
	first := x.run()
	end := []string{
		"Adding label 'io.buildpacks.lifecycle.metadata'", "Adding label 'io.buildpacks.build.metadata'", "Adding label 'io.buildpacks.project.metadata'",
		"Setting default process type 'web'", "Saving REGISTRY/app:1...", "*** Images (ID):", "      REGISTRY/app:1", "      REGISTRY/app:2",
	}
	x.checkLog(append([]string{
		"Adding layer 'acme/ruby:env'", "Adding layer 'acme/ruby:gems'", "Adding layer 'acme/ruby:ruby'",
		"Adding layer 'buildpacksio/lifecycle:launch.sbom'", "Adding 1/1 app layer(s)", "Adding layer 'buildpacksio/lifecycle:launcher'",
		"Adding layer 'buildpacksio/lifecycle:config'", "Adding layer 'buildpacksio/lifecycle:process-types'",
	}, end...)...)
	if diff := gocmp.Diff(x.e.Names[:2], refs(first.report.Image.Tags...)); diff != "" {
		t.Error(diff)
	}

	x.rebuild(first)
	same := x.run()
	if same.report.Image.Digest != first.report.Image.Digest {
		t.Error("nothing changed, but the digest")
	}
	x.checkLog(append([]string{
		"Reusing layer 'acme/ruby:env'", "Reusing layer 'acme/ruby:gems'", "Reusing layer 'acme/ruby:ruby'",
		"Reusing layer 'buildpacksio/lifecycle:launch.sbom'", "Reusing 1/1 app layer(s)", "Reusing layer 'buildpacksio/lifecycle:launcher'",
		"Reusing layer 'buildpacksio/lifecycle:config'", "Reusing layer 'buildpacksio/lifecycle:process-types'",
	}, end...)...)

	previous := x.e.Previous
	x.e.Previous = nil // it was lost behind the analyzer
	if x.run(); strings.Contains(x.log.String(), "Reusing") {
		t.Errorf("reused, but from where?\n%s", x.log.String())
	}
	x.e.Previous = previous

	// One layer changes, another is reused without a directory, with what is now said of it; one is gone.
	x.write(map[string]string{
		"layers/acme_ruby/ruby/new": "1", "layers/acme_ruby/gems.toml": "[types]\nlaunch = true\n[metadata]\nsha = \"def\"\n",
		"layers/acme_ruby/env.toml": "",
	})
	x.remove("layers/acme_ruby/gems")
	x.rebuild(first)
	next := x.run()
	log := x.log.String()
	for _, line := range []string{"Adding layer 'acme/ruby:ruby'\n", "Reusing layer 'acme/ruby:gems'\n", "Reusing 1/1 app layer(s)\n"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %q:\n%s", line, log)
		}
	}
	before, after := first.meta.Buildpack("acme/ruby").Layers, next.meta.Buildpack("acme/ruby").Layers
	if before["gems"].SHA != after["gems"].SHA || before["ruby"].SHA == after["ruby"].SHA || len(after) != 2 {
		t.Errorf("before: %v\nafter: %v", before, after)
	}
	if data := after["gems"].Data.(map[string]any)["sha"]; data != "def" || after["gems"].Cache {
		t.Errorf("the metadata of the reused layer is the old one: %+v", after["gems"])
	}
}

func TestExportWithoutTheLayerToReuse(t *testing.T) {
	for name, test := range map[string]struct {
		change func(x *exporting)
		want   string
	}{
		"first build":   {func(x *exporting) { x.e.Previous, x.e.Analyzed.PreviousImage = nil, nil }, "there is no previous image"},
		"lost image":    {func(x *exporting) { x.e.Previous = nil }, "/app@sha256:"},
		"unknown layer": {func(x *exporting) { x.e.Analyzed.Metadata = platform.AppMetadata{} }, "has no such layer"},
		"other image":   {func(x *exporting) { x.e.Previous = x.open(x.pushRun("other")) }, "has changed since it was analyzed"},
		"broken label": {func(x *exporting) {
			x.e.Analyzed.Metadata.Buildpack("acme/ruby").Layers["gems"] = platform.Layer{LayerRef: platform.LayerRef{SHA: "sha256:../x"}}
		}, platform.LifecycleMetadataLabel},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExporting(t, nil)
			x.rebuild(x.run())
			x.remove("layers/acme_ruby/gems")
			test.change(x)
			_, err := x.try(t.Context())
			if fail.CodeOf(err) != fail.Export || !strings.Contains(fmt.Sprint(err), test.want) || !strings.Contains(fmt.Sprint(err), "acme/ruby:gems") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func (o exported) history() []string {
	var all []string
	for _, h := range o.config.History {
		all = append(all, h.CreatedBy)
	}
	return all
}

func TestExportSlices(t *testing.T) {
	x := newExporting(t, map[string]string{"workspace/public/a.css": "a", "workspace/vendor/v": "v"})
	x.e.Build.Slices = []platform.Slice{{Paths: []string{"vendor"}}, {Paths: []string{"nothing/*"}}, {Paths: []string{"public/*.css", "vendor"}}}
	out := x.run()
	want := []string{"Application Slice: 1", "Application Slice: 2", "Application Slice: 3", "Application Slice: 4"}
	if diff := gocmp.Diff(want, out.history()[5:9]); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(x.log.String(), "Warning: slice 2 matches no file of the app: [\"nothing/*\"]\n") || !strings.Contains(x.log.String(), "Adding 4/4 app layer(s)\n") {
		t.Errorf("log: %s", x.log.String())
	}
	if len(out.meta.App) != 4 {
		t.Errorf("the metadata has %d app layers", len(out.meta.App))
	}
	x.rebuild(out)
	x.write(map[string]string{"workspace/app.rb": "puts 2\n"})
	x.run()
	if log := x.log.String(); !strings.Contains(log, "Reusing 3/4 app layer(s)\nAdding 1/4 app layer(s)\n") {
		t.Errorf("log: %s", log)
	}

	x.e.Build.Slices = []platform.Slice{{Paths: []string{"../../etc"}}}
	out = x.run()
	if !strings.Contains(x.log.String(), "Warning: slice 1: ignoring path \"../../etc\": it is outside of the app directory /workspace\n") || len(out.meta.App) != 2 {
		t.Errorf("a slice outside of the app: %d layers, log: %s", len(out.meta.App), x.log.String())
	}
}

// TestExportParents exports an app below /home: the app's user gets the app, and not /home.
func TestExportParents(t *testing.T) {
	x := newExporting(t, map[string]string{"home/x/app/app.rb": "puts 1\n"})
	x.e.App = "/home/x/app"
	out := x.run()
	all, err := out.image.Layers()
	check(t, err)
	r, err := all[slices.Index(out.history(), "Application Layer")].Uncompressed()
	check(t, err)
	defer r.Close()
	got := map[string][2]int{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		got[h.Name] = [2]int{h.Uid, h.Gid}
	}
	own := [2]int{os.Getuid(), os.Getgid()}
	want := map[string][2]int{"/home": own, "/home/x": own, "/home/x/app": {1000, 1000}, "/home/x/app/app.rb": {1000, 1000}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExportEntrypoint(t *testing.T) {
	for _, test := range []struct {
		asked, byBuildpack string
		types              []string
		want               string // empty: an error
	}{
		{"", "web", []string{"web", "worker"}, "/cnb/process/web"},
		{"worker", "web", []string{"web", "worker"}, "/cnb/process/worker"},
		{"worker", "", []string{"web", "worker"}, "/cnb/process/worker"},
		{"", "", []string{"web", "worker"}, "/cnb/lifecycle/launcher"},
		{"", "", nil, "/cnb/lifecycle/launcher"},
		{"task", "web", []string{"web", "worker"}, ""},
		{"web", "", nil, ""},
		{"", "task", []string{"web"}, ""},
	} {
		t.Run(test.asked+" "+test.byBuildpack, func(t *testing.T) {
			x := newExporting(t, nil)
			x.e.ProcessType, x.e.Build.DefaultProcess, x.e.Build.Processes = test.asked, test.byBuildpack, nil
			for _, name := range test.types {
				x.e.Build.Processes = append(x.e.Build.Processes, launch.Process{Type: name, Command: launch.Command{"x"}})
			}
			if test.want == "" {
				_, err := x.try(t.Context())
				if fail.CodeOf(err) != fail.Export || !strings.Contains(err.Error(), fmt.Sprintf("no process type %q", cmp.Or(test.asked, test.byBuildpack))) {
					t.Errorf("got %v", err)
				}
				return
			}
			out := x.run()
			if diff := gocmp.Diff([]string{test.want}, out.config.Config.Entrypoint); diff != "" {
				t.Error(diff)
			}
			if out.config.Config.Cmd != nil {
				t.Errorf("the run image's command %q would be its arguments", out.config.Config.Cmd)
			}
			if has := slices.Contains(out.history(), "Buildpacks Process Types"); has != (len(test.types) > 0) || has != (out.meta.ProcessTypes.SHA != "") {
				t.Errorf("a layer of process types: %t, %q", has, out.meta.ProcessTypes.SHA)
			}
		})
	}
}

// TestRunImageReference: a rebase starts from the image that the label refers to, so the reference is pinned to a digest
// also where no restorer has made it so.
func TestRunImageReference(t *testing.T) {
	x := newExporting(t, nil)
	want := x.e.Analyzed.RunImage.Reference
	x.e.Analyzed.RunImage.Reference = x.e.Analyzed.RunImage.Image
	if got := x.run().meta.RunImage.Reference; got != want {
		t.Errorf("the label has the run image %q, want %q", got, want)
	}
}

func refs(names ...string) []reference.Reference {
	var all []reference.Reference
	for _, name := range names {
		all = append(all, reference.Parse(name))
	}
	return all
}
