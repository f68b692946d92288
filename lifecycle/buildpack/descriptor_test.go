package buildpack_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

func module(id, version string) resolver.Module {
	return resolver.Module{Kind: resolver.Buildpack, ID: id, Version: version}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	at := lifecycletest.Module{ID: "acme/app", Version: "1.2.3", API: "0.12", Head: "homepage = \"https://acme.example\"\nclear-env = true\nsurprise = 1",
		TOML: "[[buildpack.exec-env]]\nname = \"test\"\n[[order]]\n[[order.group]]\nid = \"acme/part\"\nversion = \"1\"\noptional = true\nexec-env = [\"test\"]\n"}.Write(t, dir)
	var unknown []string
	s := buildpack.Store{Buildpacks: dir, Unknown: func(_ string, keys []string) { unknown = append(unknown, keys...) }}
	d, err := s.Open(module("acme/app", "1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Dir != at || !d.ClearEnv || d.Homepage != "https://acme.example" || !d.InExecEnv("test") || d.InExecEnv("production") {
		t.Errorf("got %+v", d)
	}
	want := resolver.Order{{{Module: module("acme/part", "1"), Optional: true}}}
	if diff := cmp.Diff(want, d.Order.For("test")); diff != "" {
		t.Error(diff)
	}
	if order := d.Order.For("production"); order != nil {
		t.Errorf("in production the order is %v", order)
	}
	if diff := cmp.Diff([]string{"buildpack.surprise"}, unknown); diff != "" {
		t.Error(diff)
	}
}

func TestStoreRefuses(t *testing.T) {
	dir := t.TempDir()
	lifecycletest.Module{ID: "acme/old", Version: "1", API: "0.6"}.Write(t, dir)
	lifecycletest.Module{ID: "acme/broken", Version: "1", TOML: "[["}.Write(t, dir)
	lifecycletest.Module{ID: "acme/half", Version: "1", TOML: "[[order]]\n[[order.group]]\nid = \"x\"\n"}.Write(t, dir)
	for _, tt := range []struct {
		id, version, says string
		code              fail.Code
	}{
		{"acme/none", "1", "it is in the order", fail.Generic},
		{"acme/old", "1", "0.6 is not supported", fail.BuildpackAPI},
		{"acme/broken", "1", "buildpack.toml, line", fail.Generic},
		{"acme/half", "1", `"id" and "version" are required`, fail.Generic},
		{"..", "1", "is not a valid id", fail.Generic},
		{"config", "1", "is not a valid id", fail.Generic},
		{"acme/app", "..", "invalid name", fail.Generic},
		{"acme/app", "../../x", "invalid name", fail.Generic},
	} {
		_, err := buildpack.Store{Buildpacks: dir}.Open(module(tt.id, tt.version))
		if err == nil || !strings.Contains(err.Error(), tt.says) || fail.CodeOf(err) != tt.code {
			t.Errorf("%s@%s: code %d, %v", tt.id, tt.version, fail.CodeOf(err), err)
		}
	}
}

// TestMatches: buildpack.md, "Targets" and "stacks".
func TestMatches(t *testing.T) {
	debian := &platform.Target{OS: "linux", Arch: "amd64", Distro: &platform.Distro{Name: "debian", Version: "12"}}
	bionic := &platform.Target{OS: "linux", Arch: "amd64", Distro: &platform.Distro{Name: "ubuntu", Version: "18.04"}}
	windows := &platform.Target{OS: "windows", Arch: "amd64"}
	distros := func(all ...platform.Distro) []buildpack.Target {
		return []buildpack.Target{{OS: "linux", Distros: all}}
	}
	for _, tt := range []struct {
		name    string
		targets []buildpack.Target
		stacks  []string
		image   *platform.Target
		want    bool
	}{
		{"nothing is known of the image", distros(platform.Distro{Name: "x"}), nil, nil, true},
		{"the very target", []buildpack.Target{{OS: "linux", Arch: "amd64"}}, nil, debian, true},
		{"another architecture", []buildpack.Target{{OS: "linux", Arch: "arm64"}}, nil, debian, false},
		{"one of two", []buildpack.Target{{Arch: "arm64"}, {Arch: "amd64"}}, nil, debian, true},
		{"the distribution", distros(platform.Distro{Name: "debian", Version: "12"}), nil, debian, true},
		{"another version of it", distros(platform.Distro{Name: "debian", Version: "11"}), nil, debian, false},
		{"any version of it", distros(platform.Distro{Name: "debian"}), nil, debian, true},
		{"one of two distributions", distros(platform.Distro{Name: "ubuntu"}, platform.Distro{Name: "debian"}), nil, debian, true},
		{"any stack", nil, []string{"*"}, windows, true},
		{"bionic", nil, []string{"io.buildpacks.stacks.bionic"}, bionic, true},
		{"bionic on Debian", nil, []string{"io.buildpacks.stacks.bionic"}, debian, false},
		{"inferred from bin/build", nil, nil, debian, true},
		{"inferred, on Windows", nil, nil, windows, false},
	} {
		dir := t.TempDir()
		lifecycletest.Module{ID: "a", Version: "1", Files: map[string]string{"bin/build": ""}}.Write(t, dir)
		d, err := buildpack.Store{Buildpacks: dir}.Open(module("a", "1"))
		if err != nil {
			t.Fatal(err)
		}
		d.Targets, d.Stacks = tt.targets, tt.stacks
		if got := d.Matches(tt.image); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func extension(t *testing.T, files map[string]string) (*buildpack.Descriptor, buildpack.Host) {
	t.Helper()
	dir := t.TempDir()
	lifecycletest.Module{Extension: true, ID: "acme/ext", Version: "1", Files: files}.Write(t, dir)
	d, err := buildpack.Store{Extensions: dir}.Open(resolver.Module{Kind: resolver.Extension, ID: "acme/ext", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return d, buildpack.Host{App: dir, Platform: dir, RunImageProvides: "/layers/run-image.provides.toml", RunImageSBOM: "/layers/run-image.sbom.cdx.json"}
}

// TestExtensions: image_extension.md, "Detection" and "Generation"; docs/design.md, "Verdicts".
func TestExtensions(t *testing.T) {
	t.Run("pre-populated", func(t *testing.T) {
		d, h := extension(t, map[string]string{"detect/plan.toml": "[[provides]]\nname = \"curl\"\n", "generate/run.Dockerfile": "FROM x\n"})
		got, err := d.Detect(t.Context(), h)
		if err != nil || got.Exit != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		if diff := cmp.Diff([]resolver.Section{{Provides: []string{"curl"}}}, got.Plans); diff != "" {
			t.Error(diff)
		}
		output := t.TempDir()
		if err := d.Generate(t.Context(), h, nil, output, nil, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(output, "run.Dockerfile")); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing at all", func(t *testing.T) {
		d, h := extension(t, nil)
		got, err := d.Detect(t.Context(), h)
		if err != nil || got.Exit != 0 || d.Generate(t.Context(), h, nil, t.TempDir(), nil, nil) != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("requires", func(t *testing.T) {
		d, h := extension(t, map[string]string{"detect/plan.toml": "[[requires]]\nname = \"curl\"\n"})
		if got, err := d.Detect(t.Context(), h); err != nil || got.Exit != -1 || !strings.Contains(got.Err.Error(), "can only provide") {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("environment", func(t *testing.T) {
		d, h := extension(t, map[string]string{"bin/detect": "#!/bin/sh\nenv\n"})
		got, err := d.Detect(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"CNB_EXTENSION_DIR=" + d.Dir, "CNB_RUN_IMAGE_PROVIDES=/layers/run-image.provides.toml", "CNB_RUN_IMAGE_SBOM=/layers/run-image.sbom.cdx.json"} {
			if !strings.Contains(string(got.Output), want) {
				t.Errorf("want %s in\n%s", want, got.Output)
			}
		}
		if strings.Contains(string(got.Output), "CNB_BUILDPACK_DIR") {
			t.Error("an extension has a buildpack's variable")
		}
	})
}

// TestPlanThatIsAPipe: a FIFO in place of the plan is not waited for.
func TestPlanThatIsAPipe(t *testing.T) {
	dir := t.TempDir()
	lifecycletest.Module{ID: "a", Version: "1", Files: map[string]string{"bin/detect": "#!/bin/sh\nrm \"$2\"\nmkfifo \"$2\"\n"}}.Write(t, dir)
	d, err := buildpack.Store{Buildpacks: dir}.Open(module("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Detect(t.Context(), buildpack.Host{App: dir, Platform: dir, Environ: os.Environ(), Grace: time.Second})
	if err != nil || got.Exit != -1 || !strings.Contains(got.Err.Error(), "not a regular file") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNestedFiles: each file that a buildpack brings or writes is read within bounds.
func TestNestedFiles(t *testing.T) {
	const n = 100_000
	nested := "x = " + strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n) + "\n"
	root := t.TempDir()
	copies := func(to string) string { return "#!/bin/sh\ncp \"${0%/*}/../nested\" \"" + to + "\"\n" }
	read := func(id string, files map[string]string) error {
		files["nested"] = nested
		lifecycletest.Module{ID: id, Version: "1", Files: files}.Write(t, root)
		d, err := buildpack.Store{Buildpacks: root}.Open(module(id, "1"))
		if err != nil {
			return err
		}
		layers, err := buildpack.LayersOf(t.TempDir(), id)
		if err == nil {
			err = os.MkdirAll(layers.Path, 0o755)
		}
		if err != nil {
			return err
		}
		h := buildpack.Host{App: root, Platform: root, Environ: os.Environ()}
		if files["bin/detect"] != "" {
			got, err := d.Detect(t.Context(), h)
			return errors.Join(got.Err, err)
		}
		_, err = d.Build(t.Context(), h, env.ForBuild(os.Environ()), nil, layers, io.Discard, io.Discard)
		return err
	}
	for name, files := range map[string]map[string]string{
		"launch.toml":   {"bin/build": copies("$1/launch.toml")},
		"build.toml":    {"bin/build": copies("$1/build.toml")},
		"l.toml":        {"bin/build": copies("$1/l.toml")},
		"build plan of": {"bin/detect": copies("$2")},
	} {
		err := read("acme/"+strings.ReplaceAll(name, " ", "-"), files)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "line 1: nested more than 64 levels deep") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	lifecycletest.Module{ID: "acme/nested", Version: "1", TOML: nested}.Write(t, root)
	if _, err := (buildpack.Store{Buildpacks: root}).Open(module("acme/nested", "1")); err == nil || !strings.Contains(err.Error(), "buildpack.toml, line ") || !strings.Contains(err.Error(), "nested more than") {
		t.Errorf("buildpack.toml: %.200v", err)
	}
	layers, err := buildpack.LayersOf(root, "acme/store")
	if err == nil {
		err = errors.Join(os.MkdirAll(layers.Path, 0o755), os.WriteFile(filepath.Join(layers.Path, "store.toml"), []byte(nested), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layers.Store(); err == nil || !strings.Contains(err.Error(), "store.toml, line 1: nested more than") {
		t.Errorf("store.toml: %.200v", err)
	}
}

func TestLayersWithUnusualContent(t *testing.T) {
	root := t.TempDir()
	dir, err := buildpack.LayersOf(root, "acme/app")
	if err != nil {
		t.Fatal(err)
	}
	if all, err := dir.Layers(nil); err != nil || all != nil {
		t.Errorf("without a directory: %v, %v", all, err)
	}
	if err := os.MkdirAll(filepath.Join(dir.Path, "bare"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir.Path, "pipe.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Layers(nil); err == nil || !strings.Contains(err.Error(), "pipe.toml") {
		t.Errorf("a FIFO: %v", err)
	}
	for _, name := range []string{"", ".", "..", "../x", "a/b"} {
		if err := dir.WriteMetadata(name, nil); err == nil {
			t.Errorf("layer %q is written", name)
		}
	}
	for _, id := range []string{"", "..", "config", "sbom", "generated", "a\x00b"} {
		if _, err := buildpack.LayersOf(root, id); err == nil {
			t.Errorf("id %q has a directory", id)
		}
	}
}

// FuzzFiles reads what buildpacks may leave behind.
func FuzzFiles(f *testing.F) {
	for _, seed := range []string{
		"[types]\nlaunch = true\n[metadata]\na = 1\n", "[[processes]]\ntype = \"web\"\ncommand = [\"x\"]\n", "[[unmet]]\nname = \"x\"\n",
		"api = \"0.10\"\n[buildpack]\nid = \"a\"\nexec-env = [{name = \"test\"}]\n[[order]]\n[[order.group]]\nid = \"b\"\nversion = \"1\"\n", "[metadata]\nx = {}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		at := filepath.Join(root, "buildpacks/a/1")
		layers := filepath.Join(root, "layers/a")
		for _, dir := range []string{filepath.Join(at, "bin"), layers} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{at + "/buildpack.toml", layers + "/l.toml", layers + "/store.toml"} {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d, err := buildpack.Store{Buildpacks: filepath.Join(root, "buildpacks")}.Open(module("a", "1"))
		if err == nil && d.API == (api.Version{}) {
			t.Errorf("a descriptor without an API is read: %q", data)
		}
		dir, err := buildpack.LayersOf(filepath.Join(root, "layers"), "a")
		if err != nil {
			t.Fatal(err)
		}
		all, err := dir.Layers(nil)
		if err == nil && (len(all) != 1 || all[0].Name != "l") {
			t.Errorf("%q: layers %v", data, all)
		}
		if s, err := dir.Store(); err == nil && s != nil {
			if err := dir.WriteStore(*s); err != nil && !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q is read as a store, but cannot be written: %v", data, err)
			}
		}
	})
}
