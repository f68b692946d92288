package platform_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// TestReadFile: a file is a regular one of bounded size; below the base of ReadFileIn, links are not followed.
func TestReadFile(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	group := "[[group]]\nid = \"a\"\nversion = \"1\"\napi = \"0.10\"\n"
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "group.toml"), group)
	write(filepath.Join(outside, "group.toml"), group)
	write(filepath.Join(dir, "large.toml"), strings.Repeat("#", tomlfile.MaxSize+1))
	write(filepath.Join(dir, "limit.toml"), strings.Repeat("#", tomlfile.MaxSize))
	link := filepath.Join(dir, "link.toml")
	if err := errors.Join(os.Symlink(filepath.Join(outside, "group.toml"), link), syscall.Mkfifo(filepath.Join(dir, "pipe.toml"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "group.toml"), link} {
		g, err := platform.ReadFile(path, platform.DecodeGroup)
		if err != nil || len(g.Buildpacks) != 1 || g.Buildpacks[0].String() != "a@1" {
			t.Errorf("%s: got %+v, %v", path, g, err)
		}
	}
	if g, err := platform.ReadFileIn(dir, filepath.Join(dir, "group.toml"), platform.DecodeGroup); err != nil || len(g.Buildpacks) != 1 {
		t.Errorf("below the base: got %+v, %v", g, err)
	}
	if _, err := platform.ReadFileIn(dir, link, platform.DecodeGroup); err == nil || !strings.Contains(err.Error(), "reading "+link) {
		t.Errorf("a link below the base: got %v", err)
	}
	if _, err := platform.ReadFileIn(outside, link, platform.DecodeGroup); err != nil {
		t.Errorf("a link elsewhere: %v", err)
	}
	if _, err := platform.ReadFile(filepath.Join(dir, "none.toml"), platform.DecodeGroup); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "reading "+filepath.Join(dir, "none.toml")) {
		t.Errorf("no file: got %v", err)
	}
	if data, err := platform.ReadBounded(filepath.Join(dir, "limit.toml")); err != nil || len(data) != tomlfile.MaxSize {
		t.Errorf("of the greatest size: got %d bytes, %v", len(data), err)
	}
	for name, want := range map[string]string{"large.toml": "larger than the limit", "pipe.toml": "not a regular file"} {
		if _, err := platform.ReadBounded(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

// TestRequirements: the label has the requirements that only the run image meets, and what skipped Dockerfiles rely on,
// each once.
func TestRequirements(t *testing.T) {
	app := &platform.ResolvedModule{Kind: "buildpack", ID: "acme/app", Version: "1"}
	curl := platform.RunImageRequirement{Name: "curl", Constraint: ">= 7", Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}, RequiredBy: "acme/app"}
	tree := platform.RunImageRequirement{Name: "tree", Evidence: []string{"pkg:deb/debian/tree"}, ProvedByEffect: "acme/tree"}
	r := platform.Resolution{
		Requirements: []platform.Requirement{
			{Name: "curl", RequiredBy: "acme/app@1", By: app, Version: ">= 7", Rule: "deb", Evidence: curl.Evidence, MetBy: []string{platform.RunImageProvider}},
			{Name: "node", RequiredBy: "acme/app@1", By: app, MetBy: []string{platform.RunImageProvider, "acme/node@1"}},
			{Name: "make", RequiredBy: "acme/app@1", By: app, MetBy: []string{platform.BuildImageProvider}},
			{Name: "git", RequiredBy: "acme/app@1", By: app, Rule: "deb", Evidence: []string{"pkg:deb/debian/git"}, MetBy: []string{platform.RunImageProvider, platform.BuildImageProvider}},
		},
		Relies: []platform.RunImageRequirement{curl, tree, tree},
	}
	want := &platform.Requirements{Version: "1.0", Requirements: []platform.RunImageRequirement{
		curl, {Name: "git", Evidence: []string{"pkg:deb/debian/git"}, RequiredBy: "acme/app"}, tree,
	}}
	if diff := cmp.Diff(want, r.RunImageRequirements()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var none *platform.Resolution
	if got := none.RunImageRequirements(); got != nil {
		t.Errorf("without a resolution: got %+v", got)
	}
	if got := new(platform.Resolution).RunImageRequirements(); got != nil {
		t.Errorf("of nothing: got %+v", got)
	}
}

// TestReliances: the run image's are recorded, by the buildpack that requires them or else the extension that was skipped.
func TestReliances(t *testing.T) {
	extension := resolver.Module{Kind: resolver.Extension, ID: "acme/curl", Version: "1"}
	got := platform.Reliances([]extensions.Reliance{
		{Image: extensions.Run, Extension: extension, Name: "curl", Constraint: ">= 7", Rule: "deb", Evidence: []string{"x"}, RequiredBy: resolver.Module{ID: "acme/app", Version: "1"}},
		{Image: extensions.Build, Extension: extension, Name: "make"},
		{Image: extensions.Run, Extension: extension, Name: "tree", Evidence: []string{"y"}},
	})
	want := []platform.RunImageRequirement{
		{Name: "curl", Constraint: ">= 7", Rule: "deb", Evidence: []string{"x"}, RequiredBy: "acme/app"},
		{Name: "tree", Evidence: []string{"y"}, ProvedByEffect: "acme/curl"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestRequirementModules: a requirement's modules are read from the parts that are recorded, if these agree with the texts.
func TestRequirementModules(t *testing.T) {
	app := platform.ResolvedModule{Kind: "extension", ID: "acme/app", Version: "1"}
	r := platform.Requirement{RequiredBy: "acme/app@1", By: &app, MetBy: []string{platform.RunImageProvider, "acme/app@1"}, Providers: []platform.ResolvedModule{app}}
	want := resolver.Module{Kind: resolver.Extension, ID: "acme/app", Version: "1"}
	if got := r.Requirer(); got != want {
		t.Errorf("requirer: got %+v", got)
	}
	if got := r.Modules(); !slices.Equal(got, []resolver.Module{want}) {
		t.Errorf("modules: got %+v", got)
	}
	if got := *platform.ResolvedModuleOf(want); got != app || got.Module() != want {
		t.Errorf("there and back: got %+v", got)
	}
	r.RequiredBy, r.MetBy = "other@1", []string{"other@1"}
	if got := r.Requirer(); got != (resolver.Module{Kind: resolver.Buildpack, ID: "other@1"}) {
		t.Errorf("parts of another requirer: got %+v", got)
	}
	if got := r.Modules(); got != nil {
		t.Errorf("parts of another provider: got %+v", got)
	}
	r.By, r.MetBy = nil, nil
	if got := r.Requirer(); got.ID != "other@1" || r.Modules() != nil {
		t.Errorf("no parts: got %+v, %v", got, r.Modules())
	}
}

// TestVerdictRoundTrip: a verdict of resolution.toml is the one that was recorded, without the Dockerfile's content.
func TestVerdictRoundTrip(t *testing.T) {
	v := extensions.Verdict{
		Dockerfile: &extensions.Dockerfile{
			Extension: resolver.Module{Kind: resolver.Extension, ID: "acme/curl"}, Image: extensions.Run, Path: "generated/acme_curl/run.Dockerfile",
			Options: extensions.Options{AlwaysApply: true, SatisfiedBy: "name"},
		},
		Outcome: extensions.Apply, SwitchTo: "run:2", Along: true, Reasons: []string{"because"},
		Instructions: []extensions.Instruction{{Line: 4, Effect: true, Reason: "curl is not installed", Lacks: []string{"curl"}, Manager: true}},
	}
	r := platform.Resolution{Verdicts: []platform.Verdict{platform.VerdictOf(v)}}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := platform.DecodeResolution(data, "resolution.toml")
	if err != nil || len(read.Verdicts) != 1 {
		t.Fatalf("%v in\n%s", err, data)
	}
	if diff := cmp.Diff(v, read.Verdicts[0].Judged(), cmpopts.IgnoreUnexported(extensions.Verdict{}, extensions.Dockerfile{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestResolutionErrors: a newer major version and an identity that matches everything are errors.
func TestResolutionErrors(t *testing.T) {
	for text, want := range map[string]string{
		"version = \"2.0\"": "resolution.toml", "version = \"1.0\"\n[[identities]]\nissuer = \"x\"": "[[identities]], element 1",
	} {
		if _, err := platform.DecodeResolution([]byte(text), "resolution.toml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestProofOf: the operator's proof for an extension, then the operator's for all, then the extension's own, then installs.
func TestProofOf(t *testing.T) {
	for _, tt := range []struct {
		policy      platform.Policy
		id, setting string
		want        extensions.Proof
	}{
		{platform.Policy{}, "a", "", extensions.Installs},
		{platform.Policy{}, "a", extensions.ByName, extensions.ByPlan},
		{platform.Policy{Proof: extensions.Strict}, "a", extensions.ByName, extensions.Strict},
		{platform.Policy{Proof: extensions.Strict, Extensions: []platform.ExtensionProof{{ID: "a", Proof: extensions.ByPlan}}}, "a", "", extensions.ByPlan},
		{platform.Policy{Proof: extensions.Strict, Extensions: []platform.ExtensionProof{{ID: "a", Proof: extensions.ByPlan}}}, "b", "", extensions.Strict},
	} {
		if got := tt.policy.ProofOf(tt.id, tt.setting); got != tt.want {
			t.Errorf("%+v, %s, %q: got %s, want %s", tt.policy, tt.id, tt.setting, got, tt.want)
		}
	}
}

// TestSystemMerge: the system's buildpacks surround each group, but for those that it has.
func TestSystemMerge(t *testing.T) {
	element := func(id string) resolver.Element {
		return resolver.Element{Module: resolver.Module{Kind: resolver.Buildpack, ID: id}}
	}
	s := &platform.System{Pre: resolver.Group{element("first"), element("b")}, Post: resolver.Group{element("last"), element("a")}}
	order := resolver.Order{{element("a")}, {element("b"), element("c")}}
	want := resolver.Order{
		{element("first"), element("b"), element("a"), element("last")},
		{element("first"), element("b"), element("c"), element("last"), element("a")},
	}
	if diff := cmp.Diff(want, s.Merge(order)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(resolver.Order{{element("a")}, {element("b"), element("c")}}, order); diff != "" {
		t.Errorf("the order was changed:\n%s", diff)
	}
	var none *platform.System
	if diff := cmp.Diff(order, none.Merge(order)); diff != "" {
		t.Errorf("without a system: -want +got:\n%s", diff)
	}
}

// TestLayerNumbers: integers and floats of a layer's metadata stay what they are in the label, and nulls go.
func TestLayerNumbers(t *testing.T) {
	label := `{"buildpacks":[{"key":"a","version":"1","layers":{"l":{"sha":"","data":` +
		`{"big":9007199254740993,"float":1.0,"list":[1,2.5,3.0],"none":null,"table":{"n":2}},"build":false,"launch":true,"cache":false}},"store":{"metadata":{"f":2.0}}}]}`
	m, err := platform.DecodeAppMetadata(label, "app")
	if err != nil {
		t.Fatal(err)
	}
	if m.Buildpack("b") != nil {
		t.Error("a buildpack that is not there has layers")
	}
	layers := m.Buildpack("a")
	if layers == nil || !layers.Layers["l"].Launch {
		t.Fatalf("got %+v", m)
	}
	want := map[string]any{"big": int64(9007199254740993), "float": 1.0, "list": []any{int64(1), 2.5, 3.0}, "table": map[string]any{"n": int64(2)}}
	if diff := cmp.Diff(any(want), layers.Layers["l"].Data); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	data, err := json.Marshal(layers.Layers["l"])
	if want := `{"sha":"","data":{"big":9007199254740993,"float":1.0,"list":[1,2.5,3.0],"table":{"n":2}},"build":false,"launch":true,"cache":false}`; err != nil || string(data) != want {
		t.Errorf("got %s, %v, want %s", data, err, want)
	}
	if data, err := json.Marshal(layers.Store); err != nil || string(data) != `{"metadata":{"f":2.0}}` {
		t.Errorf("store: got %s, %v", data, err)
	}
	if m, err := platform.DecodeAppMetadata("", "app"); err != nil || len(m.Buildpacks) > 0 {
		t.Errorf("no label: got %+v, %v", m, err)
	}
	if _, err := platform.DecodeAppMetadata("{", "registry/app:1"); err == nil || !strings.Contains(err.Error(), "label io.buildpacks.lifecycle.metadata of registry/app:1") {
		t.Errorf("a broken label: got %v", err)
	}
}

// TestNames: a run image's name, a group's modules, and what an ID is in file names.
func TestNames(t *testing.T) {
	var none *platform.RunImage
	for want, r := range map[string]*platform.RunImage{"": none, "run@sha256:x": {Reference: "run@sha256:x"}, "run:1": {Reference: "run@sha256:x", Image: "run:1"}} {
		if got := r.Name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	g := platform.Group{Buildpacks: []platform.Module{{ID: "a", Version: "1"}}, Extensions: []platform.Module{{ID: "acme/x", Version: "2"}}}
	if got := g.ExtensionModules(); !slices.Equal(got, []resolver.Module{{Kind: resolver.Extension, ID: "acme/x", Version: "2"}}) {
		t.Errorf("extensions: got %+v", got)
	}
	if got := new(platform.Group).ExtensionModules(); got == nil || len(got) > 0 {
		t.Errorf("no extensions: got %#v", got)
	}
	if got := platform.EscapeID("a/b/c"); got != "a_b_c" {
		t.Errorf("got %s", got)
	}
}

// TestProjectMetadata: what describes an app's source is kept, whatever keys it has.
func TestProjectMetadata(t *testing.T) {
	p, err := platform.DecodeProjectMetadata([]byte("[source]\ntype = \"git\"\n[source.version]\ncommit = \"abc\"\n[source.metadata]\nurl = \"x\"\n"), "project-metadata.toml")
	want := &platform.ProjectMetadata{Source: &platform.ProjectSource{Type: "git", Version: map[string]any{"commit": "abc"}, Metadata: map[string]any{"url": "x"}}}
	if diff := cmp.Diff(want, p); diff != "" || err != nil {
		t.Errorf("%v\n-want +got:\n%s", err, diff)
	}
	if _, err := platform.DecodeProjectMetadata([]byte("source = 1"), "project-metadata.toml"); err == nil || !strings.Contains(err.Error(), "project-metadata.toml") {
		t.Errorf("got %v", err)
	}
}

// TestReport: report.toml has what is known of the image and nothing else.
func TestReport(t *testing.T) {
	r := platform.Report{Image: platform.ReportImage{Tags: []string{"app:1"}, Digest: "sha256:x", ManifestSize: 7}, RunImage: &platform.ReportRunImage{Inventory: "generated", SkippedExtensions: []string{"acme/curl"}}}
	data, err := r.Encode()
	want := "[image]\ntags = [\"app:1\"]\ndigest = \"sha256:x\"\nmanifest-size = 7\n\n[run-image]\ninventory = \"generated\"\nskipped-extensions = [\"acme/curl\"]\n"
	if string(data) != want || err != nil {
		t.Errorf("got %v\n%s", err, data)
	}
}
