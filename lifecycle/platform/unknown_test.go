package platform_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// What another lifecycle wrote into analyzed.toml stays when a phase rewrites it.
func TestAnalyzedKeepsUnknownKeys(t *testing.T) {
	const text = `[image]
reference = ""

[[metadata.buildpacks]]
key = "acme/one"
version = "1"

[[metadata.buildpacks]]
key = "acme/two"
version = "2"
since = 1979-05-27
[metadata.buildpacks.layers.gems]
sha = "sha256:aa"
launch = true
digest = "new"
[metadata.buildpacks.layers.gems.metadata]
x = 1

[run-image]
reference = "registry.example/run@sha256:bb"
extend = true
reason = "other"

[[tools]]
name = "t"
`
	a, err := platform.DecodeAnalyzed([]byte(text), "analyzed.toml")
	if err != nil {
		t.Fatal(err)
	}
	if a.PreviousImage != nil {
		t.Errorf("a reference that is empty names no image: %v", a.PreviousImage)
	}
	changed := *a
	changed.RunImage = &platform.RunImage{Reference: "registry.example/other@sha256:cc"}
	written, err := changed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nsince = 1979-05-27", "\ndigest = \"new\"\n", "\nreason = \"other\"\n", "[[tools]]\nname = \"t\"\n", "reference = \"registry.example/other@sha256:cc\"\n",
	} {
		if !strings.Contains(string(written), want) {
			t.Errorf("%q is not in\n%s", want, written)
		}
	}
	if strings.Contains(string(written), "extend") {
		t.Errorf("extend was turned off, and is back in\n%s", written)
	}
}

// A layer's metadata has the key metadata; earlier builds of baseplan wrote data.
func TestAnalyzedReadsOldLayerMetadata(t *testing.T) {
	text := "[[metadata.buildpacks]]\nkey = \"a\"\nversion = \"1\"\n[metadata.buildpacks.layers.l]\nsha = \"s\"\n[metadata.buildpacks.layers.l.KEY]\nx = 1\n"
	var decoded []*platform.Analyzed
	for _, key := range []string{"metadata", "data"} {
		a, err := platform.DecodeAnalyzed([]byte(strings.ReplaceAll(text, "KEY", key)), "analyzed.toml")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"x": int64(1)}, a.Metadata.Buildpacks[0].Layers["l"].Data); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
		decoded = append(decoded, a)
	}
	written, err := decoded[1].Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(written), "[metadata.buildpacks.layers.l.metadata]\nx = 1\n") || strings.Contains(string(written), "data]\n[metadata.buildpacks.layers.l.data") {
		t.Errorf("written as\n%s", written)
	}
}
