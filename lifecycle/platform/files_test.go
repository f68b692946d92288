package platform_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

func TestDecodeGroup(t *testing.T) {
	g, err := platform.DecodeGroup([]byte("[[group]]\nid = \"a/b\"\nversion = \"1\"\napi = \"0.10\"\n[[group-extensions]]\nid = \"e\"\nversion = \"2\"\napi = \"0.9\"\n"), "group.toml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := platform.DecodeGroup(data, "group.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g, back); diff != "" {
		t.Error(diff)
	}
	for text, says := range map[string]string{
		"[[group]]\nversion = \"1\"\napi = \"0.10\"\n":                    `"id" is missing`,
		"[[group]]\nid = \"a\"\napi = \"0.10\"\n":                         `"version" is missing`,
		"[[group]]\nid = \"a\"\nversion = \"1\"\n":                        `"api" is missing`,
		"[[group]]\nid = \"..\"\nversion = \"1\"\napi = \"0.10\"\n":       "is not a valid id",
		"[[group]]\nid = \"a\"\nversion = 1\napi = \"0.10\"\n":            "group.toml",
		"[[group-extensions]]\nid = \"sbom\"\nversion=\"1\"\napi=\"1\"\n": "group-extensions",
	} {
		if _, err := platform.DecodeGroup([]byte(text), "group.toml"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestCheckID lets every id through that is harmless as the name of a file.
func TestCheckID(t *testing.T) {
	for id, want := range map[string]bool{
		"a": true, "a/b": true, "A-b.c_d": true, "a b": true, "a~b": true, "ä": true, "...": true,
		"": false, ".": false, "..": false, "config": false, "sbom": false, "generated": false, `a\b`: false, "a\x1f": false, "a\x00b": false, "a\nb": false,
	} {
		if err := platform.CheckID(id); (err == nil) != want {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestDecodeBuildPlan(t *testing.T) {
	text := "[[entries]]\n[[entries.providers]]\nid = \"a\"\nversion = \"1\"\n[[entries.providers]]\nid = \"e\"\nversion = \"1\"\nextension = true\n" +
		"[[entries.requires]]\nname = \"x\"\n[entries.requires.metadata]\nversion = \"1.*\"\n"
	p, err := platform.DecodePlan([]byte(text), "plan.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []resolver.Entry{{
		Name:      "x",
		Providers: []resolver.Module{{Kind: resolver.Buildpack, ID: "a", Version: "1"}, {Kind: resolver.Extension, ID: "e", Version: "1"}},
		Requires:  []resolver.Require{{Name: "x", Metadata: map[string]any{"version": "1.*"}}},
	}}
	if diff := cmp.Diff(want, p.Entries); diff != "" {
		t.Error(diff)
	}
	for text, says := range map[string]string{
		"[[entries]]\n[[entries.requires]]\nname = \"x\"\n[[entries.requires]]\nname = \"y\"\n": `both "x" and "y"`,
	} {
		if _, err := platform.DecodePlan([]byte(text), "plan.toml"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDecodeRun(t *testing.T) {
	r, err := platform.DecodeRun([]byte("[[images]]\nimage = \"registry.example/run:1\"\nmirrors = [\"mirror.example/run:1\"]\n[[images]]\nimage = \"registry.example/run:1\"\n"), "run.toml")
	if err != nil {
		t.Fatal(err)
	}
	if names, found := r.Names(reference.Parse("mirror.example/run:1")); !found || names.Image != "registry.example/run:1" {
		t.Errorf("%+v, %t", names, found)
	}
	if names, found := r.Names(reference.Parse("other.example/run:1")); found || names.Image != "registry.example/run:1" {
		t.Errorf("%+v, %t", names, found)
	}
	readable := func(ref reference.Reference) bool { return ref.String() != "registry.example/run:1" }
	if got, err := r.Images[0].Choose("mirror.example", readable); err != nil || got.String() != "mirror.example/run:1" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := r.Images[0].Choose("", func(reference.Reference) bool { return false }); err == nil {
		t.Error("an image that nobody can read is chosen")
	}
	if _, err := platform.DecodeRun([]byte("[[images]]\nmirrors = [\"x\"]\n"), "run.toml"); err == nil || !strings.Contains(err.Error(), "mirrors without an image") {
		t.Errorf("%v", err)
	}
	s, err := platform.DecodeStack([]byte("[run-image]\nimage = \"registry.example/run:1\"\nmirrors = [\"m\"]\n"), "stack.toml")
	if err != nil || len(s.Images) != 1 || s.Images[0].Mirrors[0] != "m" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestEncodePlan(t *testing.T) {
	got, err := (&platform.Plan{Entries: []resolver.Entry{{
		Name:      "node",
		Providers: []resolver.Module{{Kind: resolver.Extension, ID: "acme/node", Version: "1"}, {Kind: resolver.Buildpack, ID: "acme/npm", Version: "2"}},
		Requires:  []resolver.Require{{Name: "node", Metadata: map[string]any{"version": "18", "launch": true}}},
	}}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `[[entries]]

[[entries.providers]]
id = "acme/node"
version = "1"
extension = true

[[entries.providers]]
id = "acme/npm"
version = "2"

[[entries.requires]]
name = "node"
[entries.requires.metadata]
launch = true
version = "18"
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
