package lifecycle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
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
		Names: []string{host.Name + "/app:1"}, RunImage: x.open(run),
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
	img, err := x.opener.Open(x.t.Context(), ref)
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
	img, err := remote.Image(lifecycletest.Reference(x.e.Names[0]))
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
	x.e.Previous = x.open(x.e.Names[0])
	x.e.Analyzed.PreviousImage = &platform.ImageReference{Reference: x.digestOf(x.e.Names[0])}
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

// TestExportAsTheReference holds an export against the app image that another lifecycle made of the
// same files: all but the layers whose content is that lifecycle's own.
func TestExportAsTheReference(t *testing.T) {
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
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
