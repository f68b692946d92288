package buildpack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/resolver"
)

// FuzzLaunch reads launch.toml and build.toml: whatever is accepted can be in an app image.
func FuzzLaunch(f *testing.F) {
	for _, seed := range []string{
		"[[processes]]\ntype = \"web\"\ncommand = [\"a\", \"b\"]\nargs = [\"c\"]\ndefault = true\nworking-dir = \"/\"\nexec-env = [\"test\"]\n[[slices]]\npaths = [\"*\"]\n[[labels]]\nkey = \"k\"\nvalue = \"v\"\n[[bom]]\nname = \"n\"\n",
		"[[processes]]\ntype = \"web\"\ncommand = \"a\"\ndirect = false\n", "[[processes]]\ntype = \"..\"\ncommand = \"a\"\n",
		"[[unmet]]\nname = \"asked\"\n[[bom]]\nname = \"n\"\n[bom.metadata]\nx = 1\n", "[[unmet]]\nname = \"other\"\n",
	} {
		f.Add([]byte(seed))
	}
	plan := []resolver.Require{{Name: "asked"}}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // the TOML library takes a time that is square in the nesting
		}
		dir := LayersDir{Path: t.TempDir(), ID: "acme/app"}
		for _, name := range []string{"launch.toml", "build.toml"} {
			if err := os.WriteFile(filepath.Join(dir.Path, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range api.Buildpack.Supported {
			d := &Descriptor{ID: "acme/app", Version: "1", API: v}
			b := &Built{}
			if err := d.readLaunch(Host{}, dir, b); err == nil {
				checkBuilt(t, data, v, b)
			}
			b = &Built{}
			if err := d.readBuild(Host{}, dir, plan, b); err == nil {
				for _, name := range b.Unmet {
					if name != "asked" {
						t.Errorf("%q: %q is unmet, but was not asked", data, name)
					}
				}
			}
		}
	})
}

func checkBuilt(t *testing.T, data []byte, v api.Version, b *Built) {
	t.Helper()
	types := map[string]bool{}
	for _, p := range b.Processes {
		if p.Type == "" || types[p.Type] || strings.ContainsAny(p.Type, "/\x00") || p.Type == "." || p.Type == ".." || len(p.Command) == 0 || p.Command[0] == "" {
			t.Errorf("%q: process %+v", data, p)
		}
		if api.DefaultArgs.In(v) && !p.Direct {
			t.Errorf("%q: at Buildpack API %s a process has a shell: %+v", data, v, p)
		}
		types[p.Type] = true
	}
	if b.Default != "" && !types[b.Default] {
		t.Errorf("%q: the default %q is none of the processes", data, b.Default)
	}
	keys := map[string]bool{}
	for _, l := range b.Labels {
		if l.Key == "" || keys[l.Key] {
			t.Errorf("%q: label %+v", data, l)
		}
		keys[l.Key] = true
	}
}
