package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

const reference = "../../../lifecycle/testdata/extensions/want"

// TestPruneReference prunes what another lifecycle's detector left, and holds every file of
// it against what it was: only the right ones may be renamed, only extend may change.
func TestPruneReference(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	images := map[string]string{}
	for name, img := range map[string]v1.Image{"plain": lifecycletest.Debian(), "tree": lifecycletest.Debian("tree")} {
		images[name] = registry.Push("run:"+name, img)
	}
	cases, err := os.ReadDir(reference)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 15 {
		t.Errorf("%d cases, want 15", len(cases))
	}
	for _, c := range cases {
		scenario, version := c.Name()[:strings.LastIndex(c.Name(), "-")], c.Name()[strings.LastIndex(c.Name(), "-")+1:]
		for name, image := range images {
			t.Run(c.Name()+"/"+name, func(t *testing.T) {
				layers := copied(t, filepath.Join(reference, c.Name()))
				want := files(t, layers)
				if scenario == "build-and-run" && name == "tree" { // only there does the run image have all that is left to install
					file := map[string]string{"0.12": "generated/run/e2e_runapt/Dockerfile"}[version]
					if file == "" {
						file = "generated/e2e_runapt/run.Dockerfile"
					}
					want[file+".ignore"] = want[file]
					delete(want, file)
					want["analyzed.toml"] = strings.Replace(want["analyzed.toml"], "extend = true", "extend = false", 1)
				}
				for range 2 { // it can be run again
					prune(t, cli.Enough, "prune", layers, "--run-image", image, "--build-image", images["tree"], "--platform-api", version)
					if diff := gocmp.Diff(want, files(t, layers)); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
				}
			})
		}
	}
}

// TestPruneBuild takes a build.Dockerfile out in both layouts: below Platform API 0.13 platforms
// look for any entry of generated/build.
func TestPruneBuild(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	image := registry.Push("build:tree", lifecycletest.Debian("tree"))
	const dockerfile = "ARG base_image\nFROM ${base_image}\nARG user_id\nUSER root\nRUN apt-get install -y tree\nUSER ${user_id}\n"
	for version, tt := range map[string]struct{ before, after string }{
		"0.12": {"generated/build/e2e_tree/Dockerfile", "generated/build.ignore/e2e_tree/Dockerfile"},
		"0.13": {"generated/e2e_tree/build.Dockerfile", "generated/e2e_tree/build.Dockerfile.ignore"},
	} {
		t.Run(version, func(t *testing.T) {
			layers := copied(t, filepath.Join(reference, "build-and-run-"+version))
			write(t, filepath.Join(layers, tt.before), dockerfile)
			want := files(t, layers)
			args := []string{"prune", layers, "--run-image", registry.Name + "/none", "--platform-api", version}
			prune(t, cli.Failure, args...) // the run image that was named is not there
			args[3] = image
			prune(t, cli.Enough, args...) // takes out what is for the run image alone
			prune(t, cli.Enough, append(args, "--build-image", image)...)
			got := files(t, layers)
			if got[tt.after] != dockerfile {
				t.Errorf("%s is not there", tt.after)
			}
			for path := range maps.Keys(want) {
				if _, there := got[path]; there == (path == tt.before || strings.Contains(path, "runapt")) {
					t.Errorf("%s: there after pruning: %t", path, there)
				}
			}
			if _, err := os.Stat(filepath.Join(layers, "generated/build")); version == "0.12" && err == nil {
				t.Error("generated/build is still there, so platforms would run the extender")
			}
		})
	}
}

// TestPruneSwitched judges what follows a switch on the image that analyzed.toml names, and never
// undoes the switch.
func TestPruneSwitched(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	image := registry.Push("run:tree", lifecycletest.Debian("tree"))
	layers := copied(t, filepath.Join(reference, "switch-extend-0.15"))
	after := filepath.Join(layers, "generated/e2e_runextend/run.Dockerfile")
	write(t, after, "ARG base_image\nFROM ${base_image}\nARG user_id\nUSER root\nRUN apt-get install -y tree\nUSER ${user_id}\n")
	prune(t, cli.Enough, "prune", layers, "--run-image", image)
	got := files(t, layers)
	if _, there := got["generated/e2e_runextend/run.Dockerfile.ignore"]; !there {
		t.Error("the Dockerfile behind the switch is still there")
	}
	if _, there := got["generated/e2e_runswitch/run.Dockerfile"]; !there {
		t.Error("the switch is gone")
	}
	if !strings.Contains(got["analyzed.toml"], "extend = false") || !strings.Contains(got["analyzed.toml"], `reference = "registry.example/run-tools"`) {
		t.Errorf("analyzed.toml:\n%s", got["analyzed.toml"])
	}
}

// TestPruneKeeps are cases in which nothing may be touched.
func TestPruneKeeps(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	image := registry.Push("run:tree", lifecycletest.Debian("tree"))
	gone := registry.Name + "/run@sha256:" + strings.Repeat("a", 64)
	for name, tt := range map[string]struct {
		args []string
		edit func(t *testing.T, layers string)
		want int
	}{
		"extensions that ask to be applied": {
			args: []string{"--run-image", image, "--extensions", "EXTENSIONS"},
		},
		"an image that cannot be read": {
			edit: func(t *testing.T, layers string) {
				edit(t, filepath.Join(layers, "analyzed.toml"), "registry.example/run@sha256:"+strings.Repeat("a", 64), gone)
			},
		},
		"strict":         {args: []string{"--run-image", image, "--proof", "strict"}},
		"another layout": {args: []string{"--run-image", image, "--platform-api", "0.12"}, want: cli.Failure},
		"no version":     {args: []string{"--run-image", image, "--platform-api", "new"}, want: cli.Failure},
		"no such folder": {args: []string{"--run-image", image, "--generated", "/none"}, want: cli.Failure},
		"left to apply":  {args: []string{"--run-image", registry.Push("run:plain", lifecycletest.Debian()), "--exit-code"}, want: cli.NotEnough},
		"an odd spelling": {args: []string{"--run-image", image}, want: cli.Failure, edit: func(t *testing.T, layers string) {
			edit(t, filepath.Join(layers, "analyzed.toml"), "  extend = true", "  \"extend\" = true")
		}},
		"no analyzed.toml":  {want: cli.Failure, edit: func(t *testing.T, layers string) { remove(t, filepath.Join(layers, "analyzed.toml")) }},
		"no extension left": {edit: func(t *testing.T, layers string) { write(t, filepath.Join(layers, "group.toml"), "") }},
		"switched elsewhere": {args: []string{"--run-image", image}, edit: func(t *testing.T, layers string) {
			edit(t, filepath.Join(layers, "generated/e2e_runapt/run.Dockerfile"), "FROM ${base_image}", "FROM registry.example/elsewhere")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			layers := copied(t, filepath.Join(reference, "build-and-run-0.15"))
			if tt.edit != nil {
				tt.edit(t, layers)
			}
			want := files(t, layers)
			args := append([]string{"prune", layers}, tt.args...)
			for i, a := range args {
				if a == "EXTENSIONS" {
					args[i] = t.TempDir()
					write(t, filepath.Join(args[i], "e2e_runapt/1.0.0/extension.toml"), "api = \"0.10\"\n[extension]\nid = \"e2e/runapt\"\nversion = \"1.0.0\"\n[metadata.baseplan]\nalways-apply = true\n")
				}
			}
			prune(t, tt.want, args...)
			if diff := gocmp.Diff(want, files(t, layers)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPruneJSON holds the document that pipelines read.
func TestPruneJSON(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	image := registry.Push("run:tree", lifecycletest.Debian("tree"))
	layers := copied(t, filepath.Join(reference, "build-and-run-0.15"))
	var got struct {
		TakenOut    []string `json:"taken-out"`
		ExtendRun   bool     `json:"extend-run"`
		ExtendBuild bool     `json:"extend-build"`
		Verdicts    []struct{ Extension, Verdict string }
	}
	if err := json.Unmarshal(prune(t, cli.Enough, "prune", layers, "--run-image", image, "--output", "json"), &got); err != nil {
		t.Fatal(err)
	}
	want := got
	want.TakenOut, want.ExtendRun, want.ExtendBuild = []string{"generated/e2e_runapt/run.Dockerfile"}, false, true
	want.Verdicts = []struct{ Extension, Verdict string }{{"e2e/tree", "pending"}, {"e2e/runapt", "no-effect"}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func prune(t *testing.T, want int, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), args, &cli.Console{Out: &out, Err: &errs}); code != want {
		t.Errorf("baseplan %v: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.Bytes()
}

func copied(t *testing.T, from string) string {
	t.Helper()
	layers := filepath.Join(t.TempDir(), "layers")
	if err := os.CopyFS(layers, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return layers
}

// files are a directory's files, by path.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		all[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), from) {
		t.Fatalf("%s has no %q", path, from)
	}
	write(t, path, strings.Replace(string(data), from, to, 1))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestPruneKeepsOwners prunes as root what another lifecycle wrote as the CNB user, whose next phase has to write
// it again.
func TestPruneKeepsOwners(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	image := registry.Push("run:tree", lifecycletest.Debian("tree"))
	layers := copied(t, filepath.Join(reference, "build-and-run-0.12"))
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // nobody else may give files away
		uid, gid = 1000, 2000
	}
	for name := range files(t, layers) {
		for name != "." {
			at := filepath.Join(layers, name)
			mode := fs.FileMode(0o640)
			if name = filepath.Dir(name); isDir(t, at) {
				mode = 0o750
			}
			if err := errors.Join(os.Chmod(at, mode), os.Chown(at, uid, gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, filepath.Join(layers, "generated/build/e2e_tree/Dockerfile"), "ARG base_image\nFROM ${base_image}\nARG user_id\nUSER root\nRUN apt-get install -y tree\nUSER ${user_id}\n")
	prune(t, cli.Enough, "prune", layers, "--run-image", image, "--build-image", image, "--platform-api", "0.12")
	for name, mode := range map[string]fs.FileMode{"analyzed.toml": 0o640, "generated/run/e2e_runapt/Dockerfile.ignore": 0o640, "generated/build.ignore": fs.ModeDir | 0o750} {
		info, err := os.Stat(filepath.Join(layers, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if st := info.Sys().(*syscall.Stat_t); info.Mode() != mode || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s is %v of %d:%d, want %v of %d:%d", name, info.Mode(), st.Uid, st.Gid, mode, uid, gid)
		}
	}
}

func isDir(t *testing.T, name string) bool {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.IsDir()
}
