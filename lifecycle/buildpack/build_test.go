package buildpack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// opened writes a module and opens it.
func opened(t *testing.T, m lifecycletest.Module) *buildpack.Descriptor {
	t.Helper()
	dir := t.TempDir()
	m.Write(t, dir)
	kind := resolver.Buildpack
	if m.Extension {
		kind = resolver.Extension
	}
	d, err := buildpack.Store{Buildpacks: dir, Extensions: dir}.Open(resolver.Module{Kind: kind, ID: m.ID, Version: m.Version})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A building is a buildpack whose bin/build has run.
type building struct {
	built  *buildpack.Built
	err    error
	out    string
	layers buildpack.LayersDir
	host   buildpack.Host

	warnings []string
}

func build(t *testing.T, m lifecycletest.Module, script string, plan ...resolver.Require) *building {
	t.Helper()
	m.Files = map[string]string{"bin/build": "#!/bin/sh\nset -e\n" + script}
	d := opened(t, m)
	b := &building{host: buildpack.Host{App: t.TempDir(), Platform: t.TempDir()}}
	b.host.Warn = func(text string) { b.warnings = append(b.warnings, text) }
	var err error
	if b.layers, err = buildpack.LayersOf(t.TempDir(), m.ID); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(b.layers.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	base := env.ForBuild([]string{"PATH=/usr/bin:/bin", "SECRET=x", "HOME=/home/cnb"})
	b.built, b.err = d.Build(t.Context(), b.host, base, plan, b.layers, &out, &out)
	b.out = out.String()
	return b
}

// TestBuild runs bin/build with its arguments, variables and Buildpack Plan, and reads what it leaves.
func TestBuild(t *testing.T) {
	plan := []resolver.Require{{Name: "ruby", Metadata: map[string]any{"version": "3"}}, {Name: "node"}}
	b := build(t, lifecycletest.Module{ID: "acme/app", Version: "1", Head: "sbom-formats = [\"application/vnd.cyclonedx+json; version=1.5\"]"}, `
[ "$1 $2 $3" = "$CNB_LAYERS_DIR $CNB_PLATFORM_DIR $CNB_BP_PLAN_PATH" ]
pwd
cat "$3"
echo "secret: $SECRET"
cd "$1"
mkdir ruby.layer none undescribed cached built
printf '[types]\ncache = true' > cached.toml
printf '[types]\nbuild = true' > built.toml
echo '[types]
launch = true
[metadata]
version = "3.1"' > ruby.layer.toml
: > none.toml
echo '{}' > ruby.layer.sbom.cdx.json
echo '[[processes]]
type = "web"
command = ["ruby", "app.rb"]
args = ["-p", "80"]
default = true
[[labels]]
key = "k"
value = "v"
[[slices]]
paths = ["static/*"]' > launch.toml
echo '[[unmet]]
name = "node"' > build.toml
`, plan...)
	if b.err != nil {
		t.Fatalf("%v\n%s", b.err, b.out)
	}
	app, err := filepath.EvalSymlinks(b.host.App)
	if err != nil {
		t.Fatal(err)
	}
	wantOut := app + "\n[[entries]]\nname = \"ruby\"\n\n[entries.metadata]\nversion = \"3\"\n\n[[entries]]\nname = \"node\"\nsecret: \n"
	if diff := cmp.Diff(strings.ReplaceAll(wantOut, "\n\n", "\n"), strings.ReplaceAll(strings.ReplaceAll(b.out, "  ", ""), "\n\n", "\n")); diff != "" {
		t.Errorf("output: -want +got:\n%s", diff)
	}
	path := func(name string) string { return filepath.Join(b.layers.Path, name) }
	want := &buildpack.Built{
		Layers: []buildpack.Layer{
			{Name: "built", Path: path("built"), Described: true, Build: true},
			{Name: "cached", Path: path("cached"), Described: true, Cache: true},
			{Name: "none", Path: path("none"), Described: true},
			{Name: "ruby.layer", Path: path("ruby.layer"), Described: true, Launch: true, Metadata: map[string]any{"version": "3.1"}},
			{Name: "undescribed", Path: path("undescribed")},
		},
		Processes: []launch.Process{{Type: "web", Command: launch.Command{"ruby", "app.rb"}, Args: []string{"-p", "80"}, Direct: true, BuildpackID: "acme/app"}},
		Default:   "web", Slices: []platform.Slice{{Paths: []string{"static/*"}}}, Labels: []platform.Label{{Key: "k", Value: "v"}}, Unmet: []string{"node"},
	}
	if diff := cmp.Diff(want, b.built); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, want := range map[string]bool{"ruby.layer": true, "cached": true, "built": true, "none": false, "none.ignore": true, "undescribed": true} {
		if got := (buildpack.Layer{Path: path(name)}).Exists(); got != want {
			t.Errorf("%s exists: %t", name, got)
		}
	}
}

// TestBuildErrors: what bin/build does wrong is an error that names it.
func TestBuildErrors(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"exit status", "exit 7", "running bin/build of buildpack acme/app@1: exit status 7"},
		{"an SBOM of a format that is not declared", "echo {} > $CNB_LAYERS_DIR/launch.sbom.spdx.json", `does not list "application/spdx+json" under "sbom-formats"`},
		{"unmet and not in the plan", "printf '[[unmet]]\\nname = \"x\"' > $CNB_LAYERS_DIR/build.toml", `there is no "x" in the plan of acme/app@1`},
		{"no type", "printf '[[processes]]\\ncommand = [\"x\"]' > $CNB_LAYERS_DIR/launch.toml", `invalid process type ""`},
		{"no command", "printf '[[processes]]\\ntype = \"x\"' > $CNB_LAYERS_DIR/launch.toml", `process "x": key "command" is missing`},
		{"an empty command", "printf '[[processes]]\\ntype = \"x\"\\ncommand = [\"\"]' > $CNB_LAYERS_DIR/launch.toml", `process "x": key "command" is missing`},
		{"a string as command", "printf '[[processes]]\\ntype = \"x\"\\ncommand = \"x\"' > $CNB_LAYERS_DIR/launch.toml", `process "x": key "command" must be a list of strings in Buildpack API 0.10`},
		{"a shell", "printf '[[processes]]\\ntype = \"x\"\\ncommand = [\"x\"]\\ndirect = false' > $CNB_LAYERS_DIR/launch.toml", `key "direct": false is not supported`},
		{"two defaults", "printf '[[processes]]\\ntype = \"a\"\\ncommand = [\"x\"]\\ndefault = true\\n[[processes]]\\ntype = \"b\"\\ncommand = [\"x\"]\\ndefault = true' > $CNB_LAYERS_DIR/launch.toml",
			`both "a" and "b" are marked as the default process`},
		{"a broken layer", "echo = > $CNB_LAYERS_DIR/a.toml", "a.toml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := build(t, lifecycletest.Module{ID: "acme/app", Version: "1"}, tt.script)
			if b.err == nil || !strings.Contains(b.err.Error(), tt.want) {
				t.Errorf("got %v, want %q", b.err, tt.want)
			}
			broken, ok := errors.AsType[*buildpack.BrokenError](b.err)
			if ok != (tt.name == "exit status") || ok && broken.Exit != 7 {
				t.Errorf("a BrokenError: %t, %+v", ok, broken)
			}
		})
	}
}

// TestBuildCancelled: a build that is cancelled fails with the reason for that.
func TestBuildCancelled(t *testing.T) {
	d := opened(t, lifecycletest.Module{ID: "a", Version: "1", Files: map[string]string{"bin/build": "#!/bin/sh\nexit 0\n"}})
	layers, err := buildpack.LayersOf(t.TempDir(), "a")
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := d.Build(ctx, buildpack.Host{App: t.TempDir()}, env.ForBuild(nil), nil, layers, io.Discard, io.Discard); !errors.Is(err, why) {
		t.Errorf("build: got %v", err)
	}
	if _, err := d.Detect(ctx, buildpack.Host{App: t.TempDir()}); !errors.Is(err, why) {
		t.Errorf("detect: got %v", err)
	}
}

// TestGenerate runs bin/generate with its arguments, variables and plan; an extension without one has its Dockerfiles in
// a directory, or none.
func TestGenerate(t *testing.T) {
	host := buildpack.Host{App: t.TempDir(), Platform: t.TempDir(), Environ: []string{"PATH=/usr/bin:/bin"}}
	plan := []resolver.Require{{Name: "curl"}}
	generate := func(m lifecycletest.Module) (string, string, error) {
		t.Helper()
		output := t.TempDir()
		var out bytes.Buffer
		m.ID, m.Version, m.Extension = "acme/curl", "1", true
		err := opened(t, m).Generate(t.Context(), host, plan, output, &out, &out)
		data, readErr := os.ReadFile(filepath.Join(output, "run.Dockerfile"))
		if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
			t.Fatal(readErr)
		}
		return string(data), out.String(), err
	}
	script := func(s string) map[string]string { return map[string]string{"bin/generate": "#!/bin/sh\nset -e\n" + s} }
	got, out, err := generate(lifecycletest.Module{Files: script(`[ "$1 $2 $3" = "$CNB_OUTPUT_DIR $CNB_PLATFORM_DIR $CNB_BP_PLAN_PATH" ]
cat "$3"
echo FROM > "$1/run.Dockerfile"
`)})
	if err != nil || got != "FROM\n" || !strings.Contains(out, "name = \"curl\"") {
		t.Errorf("with bin/generate: got %q, %q, %v", got, out, err)
	}
	_, _, err = generate(lifecycletest.Module{Files: script("exit 3\n")})
	if broken, ok := errors.AsType[*buildpack.BrokenError](err); !ok || broken.Exit != 3 || broken.Executable != "generate" || !strings.Contains(err.Error(), "running bin/generate of extension acme/curl@1: exit status 3") {
		t.Errorf("a failing one: got %v", err)
	}
	if got, _, err := generate(lifecycletest.Module{Files: map[string]string{"generate/run.Dockerfile": "FROM x\n"}}); err != nil || got != "FROM x\n" {
		t.Errorf("a directory: got %q, %v", got, err)
	}
	if got, _, err := generate(lifecycletest.Module{}); err != nil || got != "" {
		t.Errorf("neither: got %q, %v", got, err)
	}
}

// TestDetectOutcome: exit status 0 passes with the build plan, 100 opts out, and any other is an error.
func TestDetectOutcome(t *testing.T) {
	for script, want := range map[string]resolver.Detection{
		"echo '[[provides]]\nname = \"a\"' > $CNB_BUILD_PLAN_PATH": {Status: resolver.Pass, Plans: []resolver.Section{{Provides: []string{"a"}}}},
		"exit 100":                      {Status: resolver.Fail},
		"exit 1":                        {Status: resolver.Errored},
		"exit 20":                       {Status: resolver.Errored},
		"echo = > $CNB_BUILD_PLAN_PATH": {Status: resolver.Errored},
	} {
		d := opened(t, lifecycletest.Module{ID: "a", Version: "1", Files: map[string]string{"bin/detect": "#!/bin/sh\n" + script + "\n"}})
		got, err := d.Detect(t.Context(), buildpack.Host{App: t.TempDir(), Environ: []string{"PATH=/usr/bin:/bin"}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Outcome()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", script, diff)
		}
	}
}

// TestRemoveLayer: a layer is removed with its metadata and SBOMs, and nothing else.
func TestRemoveLayer(t *testing.T) {
	layers, err := buildpack.LayersOf(t.TempDir(), "acme/app")
	if err != nil {
		t.Fatal(err)
	}
	if err := layers.RemoveLayer("a"); err != nil {
		t.Errorf("without a directory: %v", err)
	}
	for _, name := range []string{"a/file", "a.toml", "a.sbom.cdx.json", "a.sbom.spdx.json", "a.sbom.syft.json", "b/file", "b.toml", "aa.toml"} {
		file := filepath.Join(layers.Path, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := layers.RemoveLayer("a"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(layers.Path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"aa.toml", "b", "b.toml"}) {
		t.Errorf("left: %q", names)
	}
	if err := layers.RemoveLayer("../x"); err == nil || !strings.Contains(err.Error(), "removing a layer of acme/app") {
		t.Errorf("a name that leads out: got %v", err)
	}
}

// TestBillsOfMaterials: before Buildpack API 0.9, launch.toml and build.toml have one each.
func TestBillsOfMaterials(t *testing.T) {
	script := "cd $1\necho '[[bom]]\nname = \"launched\"' > launch.toml\necho '[[bom]]\nname = \"built\"\n[bom.metadata]\nn = 1' > build.toml\n"
	by := platform.BOMBuildpack{ID: "acme/app", Version: "1"}
	launched, built := []platform.BOMEntry{{Name: "launched", Buildpack: by}}, []platform.BOMEntry{{Name: "built", Metadata: map[string]any{"n": int64(1)}, Buildpack: by}}
	b := build(t, lifecycletest.Module{ID: "acme/app", Version: "1", API: "0.8"}, script)
	if b.err != nil {
		t.Fatal(b.err)
	}
	if diff := cmp.Diff([][]platform.BOMEntry{launched, built}, [][]platform.BOMEntry{b.built.BOM, b.built.BuildBOM}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	gotLaunch, gotBuild, err := b.layers.BOM("1")
	if diff := cmp.Diff([][]platform.BOMEntry{launched, built}, [][]platform.BOMEntry{gotLaunch, gotBuild}); diff != "" || err != nil {
		t.Errorf("read again: %v\n-want +got:\n%s", err, diff)
	}
	if b := build(t, lifecycletest.Module{ID: "acme/app", Version: "1", API: "0.9"}, script); b.err != nil || b.built.BOM != nil || b.built.BuildBOM != nil {
		t.Errorf("Buildpack API 0.9: got %+v, %v", b.built, b.err)
	}
}

// TestProcesses: what a process may say, and how it is started, depends on the Buildpack API.
func TestProcesses(t *testing.T) {
	list := "[[processes]]\ntype = \"x\"\ncommand = [\"a\", \"b\"]\ndirect = true\nworking-dir = \"sub\"\nexec-env = [\"test\"]\n"
	text := strings.ReplaceAll(list, `["a", "b"]`, `"a"`)
	shell := strings.ReplaceAll(text, "direct = true", "direct = false")
	for _, tt := range []struct {
		api, launch string
		want        launch.Process
	}{
		{"0.7", text, launch.Process{Command: launch.Command{"a"}, Direct: true}},
		{"0.8", text, launch.Process{Command: launch.Command{"a"}, Direct: true, WorkingDir: "sub"}},
		{"0.8", shell, launch.Process{Command: launch.Command{"a"}, WorkingDir: "sub"}},
		{"0.8", strings.ReplaceAll(text, "direct = true\n", ""), launch.Process{Command: launch.Command{"a"}, WorkingDir: "sub"}},
		{"0.9", list, launch.Process{Command: launch.Command{"a", "b"}, Direct: true, WorkingDir: "sub"}},
		{"0.9", strings.ReplaceAll(list, "direct = true\n", ""), launch.Process{Command: launch.Command{"a", "b"}, Direct: true, WorkingDir: "sub"}},
		{"0.12", list, launch.Process{Command: launch.Command{"a", "b"}, Direct: true, WorkingDir: "sub", ExecEnv: []string{"test"}}},
	} {
		b := build(t, lifecycletest.Module{ID: "acme/app", Version: "1", API: tt.api}, "cat > $1/launch.toml <<'END'\n"+tt.launch+"END\n")
		tt.want.Type, tt.want.BuildpackID = "x", "acme/app"
		if b.err != nil || len(b.built.Processes) != 1 {
			t.Errorf("%s: got %+v, %v", tt.api, b.built, b.err)
			continue
		}
		if diff := cmp.Diff(tt.want, b.built.Processes[0]); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.api, diff)
		}
	}
}

// TestLabels: of two labels with a key the last counts, with a warning.
func TestLabels(t *testing.T) {
	b := build(t, lifecycletest.Module{ID: "acme/app", Version: "1"}, "cat > $1/launch.toml <<'END'\n"+
		"[[labels]]\nkey = \"a\"\nvalue = \"1\"\n[[labels]]\nkey = \"b\"\nvalue = \"2\"\n[[labels]]\nkey = \"a\"\nvalue = \"3\"\nEND\n")
	if b.err != nil {
		t.Fatal(b.err)
	}
	if diff := cmp.Diff([]platform.Label{{Key: "b", Value: "2"}, {Key: "a", Value: "3"}}, b.built.Labels); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(b.warnings) != 1 || !strings.Contains(b.warnings[0], `label "a" is defined twice`) {
		t.Errorf("warnings: %q", b.warnings)
	}
}
