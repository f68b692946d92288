package env_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/env"
)

// write creates files in a new directory; a name that ends in / is a directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == path {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// layersOf lists the layers of a buildpack, ascending.
func layersOf(t *testing.T, buildpack string) []string {
	t.Helper()
	layers, err := filepath.Glob(filepath.Join(buildpack, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

func TestAddLayers(t *testing.T) {
	launch, web := env.Launch(""), env.Launch("web")
	for _, tt := range []struct {
		name  string
		base  []string
		files map[string]string // <buildpack>/<layer>/..., buildpacks in order of their names
		phase env.Phase
		want  []string // ROOT stands for the directory of files
	}{
		{"paths at launch", []string{"PATH=/usr/bin"},
			map[string]string{"1/a/bin/": "", "1/b/bin/": "", "2/c/bin/": "", "1/a/lib/": "", "1/a/include/": "", "1/a/pkgconfig/": ""}, launch,
			[]string{"LD_LIBRARY_PATH=ROOT/1/a/lib", "PATH=ROOT/2/c/bin:ROOT/1/b/bin:ROOT/1/a/bin:/usr/bin"}},
		{"at build a layer's env files apply before the next layer", []string{"PATH=/usr/bin"},
			map[string]string{"1/a/bin/": "", "1/a/env/PATH.prepend": "/x:", "1/b/bin/": ""}, env.Build,
			[]string{"PATH=ROOT/1/b/bin:/x:ROOT/1/a/bin:/usr/bin"}},
		{"at launch a buildpack's env files apply after all its layers", []string{"PATH=/usr/bin"},
			map[string]string{"1/a/bin/": "", "1/a/env/PATH.prepend": "/x:", "1/b/bin/": "", "2/c/bin/": ""}, launch,
			[]string{"PATH=ROOT/2/c/bin:/x:ROOT/1/b/bin:ROOT/1/a/bin:/usr/bin"}},
		{"paths at build", nil,
			map[string]string{"1/a/bin/": "", "1/a/lib/": "", "1/a/include/": "", "1/a/pkgconfig/": ""}, env.Build,
			[]string{"CPATH=ROOT/1/a/include", "LD_LIBRARY_PATH=ROOT/1/a/lib", "LIBRARY_PATH=ROOT/1/a/lib", "PATH=ROOT/1/a/bin", "PKG_CONFIG_PATH=ROOT/1/a/pkgconfig"}},
		{"a file named bin is not a path", nil, map[string]string{"1/a/bin": ""}, launch, nil},
		{"no suffix overrides", []string{"A=base"}, map[string]string{"1/a/env/A": "x", "1/b/env/A": "y", "2/a/env/A": "z"}, launch, []string{"A=z"}},
		{"override", []string{"A=base"}, map[string]string{"1/a/env/A.override": "x"}, launch, []string{"A=x"}},
		{"default: the first one counts", []string{"A="}, map[string]string{"1/a/env/A.default": "x", "1/b/env/A.default": "y", "2/a/env/A.default": "z"}, launch, []string{"A=x"}},
		{"default does not override", []string{"A=base"}, map[string]string{"1/a/env/A.default": "x"}, launch, []string{"A=base"}},
		{"default: env before env.launch before its process", nil,
			map[string]string{"1/a/env.launch/web/A.default": "p", "1/a/env.launch/A.default": "l", "1/a/env/A.default": "e", "1/a/env.launch/web/B.default": "p", "1/a/env.launch/B.default": "l"}, web,
			[]string{"A=e", "B=l"}},
		{"append", []string{"A=base"}, map[string]string{"1/a/env/A.append": "x", "1/b/env/A.append": "y", "2/a/env/A.append": "z"}, launch, []string{"A=basexyz"}},
		{"append within a layer", nil, map[string]string{"1/a/env/A.append": "e", "1/a/env.launch/A.append": "l", "1/a/env.launch/web/A.append": "p"}, web, []string{"A=elp"}},
		{"prepend", []string{"A=base"}, map[string]string{"1/a/env/A.prepend": "x", "1/b/env/A.prepend": "y", "2/a/env/A.prepend": "z"}, launch, []string{"A=zyxbase"}},
		{"prepend within a layer", nil, map[string]string{"1/a/env/A.prepend": "e", "1/a/env.launch/A.prepend": "l", "1/a/env.launch/web/A.prepend": "p"}, web, []string{"A=ple"}},
		{"override within a layer", nil, map[string]string{"1/a/env/A": "e", "1/a/env.launch/A": "l", "1/a/env.launch/web/A": "p"}, web, []string{"A=p"}},
		{"delimiter", []string{"A=base"}, map[string]string{"1/a/env/A.append": "x", "1/a/env/A.delim": ";", "1/b/env/A.prepend": "y", "1/b/env/A.delim": ":"}, launch, []string{"A=y:base;x"}},
		{"delimiter without a previous value", nil, map[string]string{"1/a/env/A.append": "x", "1/a/env/A.delim": ";"}, launch, []string{"A=x"}},
		{"delimiter holds for its layer", []string{"A=base"}, map[string]string{"1/a/env/A.delim": ";", "1/a/env.launch/A.append": "x", "1/b/env.launch/A.append": "y"}, launch, []string{"A=base;xy"}},
		{"delimiter alone sets nothing", nil, map[string]string{"1/a/env/A.delim": ";"}, launch, nil},
		{"PATH has no delimiter of its own", []string{"PATH=/usr/bin"}, map[string]string{"1/a/env/PATH.prepend": "/x"}, launch, []string{"PATH=/x/usr/bin"}},
		{"paths before env files", []string{"PATH=/usr/bin"}, map[string]string{"1/a/bin/": "", "1/a/env/PATH.prepend": "/x", "1/a/env/PATH.delim": ":"}, launch, []string{"PATH=/x:ROOT/1/a/bin:/usr/bin"}},
		{"contents are not changed", nil, map[string]string{"1/a/env/A": " $B \n"}, launch, []string{"A= $B \n"}},
		{"unknown suffixes change nothing", []string{"A=base"}, map[string]string{"1/a/env/A.Append": "x", "1/a/env/A.append.bak": "x", "1/a/env/.append": "x"}, launch, []string{"A=base"}},
		{"launch does not see env.build", nil, map[string]string{"1/a/env.build/A": "x", "1/a/env/B": "x"}, launch, []string{"B=x"}},
		{"build does not see env.launch", nil, map[string]string{"1/a/env.build/A": "x", "1/a/env.launch/B": "x", "1/a/env/C": "x"}, env.Build, []string{"A=x", "C=x"}},
		{"another process's directory", nil, map[string]string{"1/a/env.launch/worker/A": "x"}, web, nil},
		{"env is a file", nil, map[string]string{"1/a/env": "x"}, launch, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := write(t, tt.files)
			e := env.Of(tt.base)
			for _, buildpack := range layersOf(t, root) {
				if err := e.AddLayers(layersOf(t, buildpack), tt.phase); err != nil {
					t.Fatal(err)
				}
			}
			got := e.List()
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], root, "ROOT")
			}
			if diff := cmp.Diff(append([]string{}, tt.want...), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddLayersRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, file, content, want string
	}{
		{"a NUL byte", "a/env/A", "x\x00y", "a value with a NUL byte"},
		{"a name with =", "a/env/A=B", "x", "a name with \"=\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := write(t, map[string]string{tt.file: tt.content})
			err := env.Of(nil).AddLayers(layersOf(t, root), env.Build)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("got %v, want %q and the path", err, tt.want)
			}
		})
	}
	t.Run("a dangling link", func(t *testing.T) {
		root := write(t, map[string]string{"a/env/": ""})
		if err := os.Symlink("nowhere", filepath.Join(root, "a/env/A")); err != nil {
			t.Fatal(err)
		}
		if err := env.Of(nil).AddLayers(layersOf(t, root), env.Build); err == nil {
			t.Error("no error")
		}
	})
}

func TestForBuild(t *testing.T) {
	got := env.ForBuild([]string{
		"PATH=/usr/bin", "HOME=/root", "HTTPS_PROXY=http://proxy", "no_proxy=a", "CNB_STACK_ID=s", "LD_LIBRARY_PATH=/l",
		"CNB_REGISTRY_AUTH={}", "CNB_PLATFORM_API=0.15", "SECRET=x", "BP_DEBUG=1", "PATH=/bin", "odd", "=odd",
	}).List()
	want := []string{"CNB_STACK_ID=s", "HOME=/root", "HTTPS_PROXY=http://proxy", "LD_LIBRARY_PATH=/l", "PATH=/bin", "no_proxy=a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForLaunch(t *testing.T) {
	got := env.ForLaunch([]string{
		"PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/cnb/lifecycle-tools", "CNB_APP_DIR=/a", "CNB_LAYERS_DIR=/l", "CNB_PROCESS_TYPE=web",
		"CNB_EXEC_ENV=test", "CNB_PLATFORM_API=0.15", "CNB_DEPRECATION_MODE=quiet", "BPL_DEBUG=1", "A=b=c",
	}, "/cnb/process", "/cnb/lifecycle").List()
	want := []string{"A=b=c", "BPL_DEBUG=1", "CNB_EXEC_ENV=test", "PATH=/usr/bin:/cnb/lifecycle-tools"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := env.ForLaunch(nil, "/cnb/process").List(); len(got) != 0 {
		t.Errorf("got %q, want no PATH", got)
	}
}

func TestAddPlatform(t *testing.T) {
	dir := write(t, map[string]string{"PATH": "/u", "CPATH": "/i", "A": "user", "B.append": "whole name", "sub/": ""})
	e := env.Of([]string{"PATH=/usr/bin", "A=layer", "B=b"})
	before := e.Clone()
	if err := e.AddPlatform(dir); err != nil {
		t.Fatal(err)
	}
	want := []string{"A=user", "B.append=whole name", "B=b", "CPATH=/i", "PATH=/u:/usr/bin"}
	if diff := cmp.Diff(want, e.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"A=layer", "B=b", "PATH=/usr/bin"}, before.List()); diff != "" {
		t.Errorf("the clone changed (-want +got):\n%s", diff)
	}
	if err := e.AddPlatform(filepath.Join(dir, "missing")); err != nil {
		t.Errorf("no directory: %v", err)
	}
}

func TestAddBuildConfig(t *testing.T) {
	dir := write(t, map[string]string{"A": "operator", "B": "operator", "C.override": "operator", "D.append": "x", "D.delim": ":"})
	e := env.Of([]string{"A=layer", "C=layer", "D=layer"})
	if err := e.AddBuildConfig(dir); err != nil {
		t.Fatal(err)
	}
	want := []string{"A=layer", "B=operator", "C=operator", "D=layer:x"}
	if diff := cmp.Diff(want, e.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestZeroEnv(t *testing.T) {
	var e env.Env
	e.Set("A", "x")
	if got := e.List(); !slices.Equal(got, []string{"A=x"}) {
		t.Errorf("got %q", got)
	}
}
