package lifecycle_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// TestReferenceExtensions compares what is left in <layers> with what another lifecycle left
// there, where inventories are off; see testdata/README.md.
func TestReferenceExtensions(t *testing.T) {
	root, err := filepath.Abs("testdata/extensions")
	if err != nil {
		t.Fatal(err)
	}
	requires := map[string]string{
		"build-only": "tree,stamp", "switch": "runswitch", "extend": "runextend,runapt",
		"switch-extend": "runswitch,runextend", "build-and-run": "tree,runapt",
	}
	cases := 0
	for name, required := range requires {
		for _, v := range []string{"0.12", "0.13", "0.15"} {
			cases++
			t.Run(name+"-"+v, func(t *testing.T) {
				want := filepath.Join(root, "want", name+"-"+v)
				layers := t.TempDir()
				run := referenceRun{layers: layers, store: referenceStore(t, root), api: version(t, v), requires: required}
				t.Parallel() // not before: a file that is being written while another test forks cannot be executed
				run.detect(t)
				if diff := gocmp.Diff(tree(t, want), tree(t, layers)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
	if cases != 15 {
		t.Errorf("%d cases, want 15", cases)
	}
}

// A referenceRun is one detection with the extensions that were made for this.
type referenceRun struct {
	layers, requires string
	store            buildpack.Store
	api              api.Version
}

func (r referenceRun) detect(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "platform/env/E2E_EXT"), r.requires)
	analyzed, err := platform.DecodeAnalyzed([]byte(`[run-image]
reference = "registry.example/run@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
image = "registry.example/run:1"
[run-image.target]
os = "linux"
arch = "amd64"
`), "analyzed.toml")
	if err != nil {
		t.Fatal(err)
	}
	host := buildpack.Host{
		App: dir, Platform: filepath.Join(dir, "platform"), Environ: os.Environ(), Target: analyzed.RunImage.Target,
	}
	var group resolver.Group
	for _, id := range []string{"tree", "stamp", "runswitch", "runextend", "runapt", "runroot"} {
		group = append(group, resolver.Element{Module: resolver.Module{Kind: resolver.Extension, ID: "e2e/" + id, Version: "1.0.0"}})
	}
	d := lifecycle.Detector{
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		API: r.api, Host: host, Experimental: "silent", Policy: platform.Policy{RunSBOM: platform.Off},
		Store: r.store,
		Order: resolver.OrderFile{
			Order:      resolver.Order{{{Module: resolver.Module{Kind: resolver.Buildpack, ID: "e2e/exts-user", Version: "1.0.0"}}}},
			Extensions: resolver.Order{group},
		},
	}
	found, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := lifecycle.Generator{API: r.api, Host: host, Detection: found, Analyzed: analyzed, Generated: filepath.Join(r.layers, "generated"), Policy: d.Policy}
	out, err := g.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, encode := range map[string]func() ([]byte, error){"group.toml": out.Group.Encode, "plan.toml": out.Plan.Encode, "analyzed.toml": out.Analyzed.Encode} {
		data, err := encode()
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(r.layers, name), string(data))
	}
	if out.Resolution != nil {
		t.Error("there is a resolution although inventories are off")
	}
}

// referenceStore lays the modules out as builders do.
func referenceStore(t *testing.T, root string) buildpack.Store {
	t.Helper()
	dir := t.TempDir()
	for _, kind := range []string{"buildpacks", "extensions"} {
		modules, err := os.ReadDir(filepath.Join(root, kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range modules {
			to := filepath.Join(dir, kind, "e2e_"+m.Name(), "1.0.0")
			if err := os.CopyFS(to, os.DirFS(filepath.Join(root, kind, m.Name()))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return buildpack.Store{Buildpacks: filepath.Join(dir, "buildpacks"), Extensions: filepath.Join(dir, "extensions")}
}

// TestGeneratedModes has a secret in an extension's context that only its owner may read, made by
// bin/generate or lying in generate/: it stays one. A pipe there is refused.
func TestGeneratedModes(t *testing.T) {
	for _, v := range []string{"0.12", "0.13"} {
		for _, prepared := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,prepared=%t", v, prepared), func(t *testing.T) {
				root, err := filepath.Abs("testdata/extensions")
				check(t, err)
				run := referenceRun{layers: t.TempDir(), store: referenceStore(t, root), api: version(t, v), requires: "tree"}
				dir := filepath.Join(run.store.Extensions, "e2e_tree/1.0.0")
				makes := "mkdir -p $1/context/closed\nprintf 'ARG base_image\\nFROM ${base_image}\\nCOPY . /x\\n' >$1/build.Dockerfile\n" +
					"echo s >$1/context/closed/secret\nchmod 600 $1/context/closed/secret\n: >$1/context/run\nchmod 751 $1/context/run\nchmod 700 $1/context/closed\nchmod 640 $1/build.Dockerfile\n"
				generate := filepath.Join(dir, "bin/generate")
				if prepared {
					check(t, os.RemoveAll(generate))
					if out, err := exec.Command("sh", "-ec", makes, "sh", filepath.Join(dir, "generate")).CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
				} else {
					check(t, os.WriteFile(generate, []byte("#!/bin/sh -e\nset -- $CNB_OUTPUT_DIR\n"+makes), 0o755))
				}
				run.detect(t)
				generated := filepath.Join(run.layers, "generated/e2e_tree")
				if v == "0.12" {
					generated = filepath.Join(run.layers, "generated/build/e2e_tree")
				}
				for name, want := range map[string]fs.FileMode{
					"context/closed/secret": 0o600, "context/closed": 0o700 | fs.ModeDir, "context/run": 0o751,
				} {
					info, err := os.Lstat(filepath.Join(generated, name))
					check(t, err)
					if info.Mode() != want {
						t.Errorf("%s: got %s, want %s", name, info.Mode(), want)
					}
				}
			})
		}
	}
}

// tree is a directory's files: TOML as values, others as text.
func tree(t *testing.T, root string) map[string]any {
	t.Helper()
	files := map[string]any{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		files[name] = string(data)
		if strings.HasSuffix(name, ".toml") {
			var v map[string]any
			if err := toml.Unmarshal(data, &v); err != nil {
				return err
			}
			files[name] = v
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
