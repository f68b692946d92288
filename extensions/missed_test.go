package extensions

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/format"
)

// TestCommonSpellingsHaveNoEffect tries spellings of the field: all are without an effect on an image
// that has the packages, but for some, whose reason says why.
func TestCommonSpellingsHaveNoEffect(t *testing.T) {
	all := bases(t)
	on := map[string]Base{"deb": all["debian"]}
	for _, kind := range []string{"rpm", "apk"} {
		content, err := os.ReadFile("testdata/missed/" + kind + ".cdx.json")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := format.Decode(bytes.NewReader(content), kind+".cdx.json")
		if err != nil {
			t.Fatal(err)
		}
		set, _ := provides.From(doc, nil, nil)
		on[kind] = Base{Reference: "registry.example/run:" + kind, Set: set, Config: &Config{User: "1000"}}
	}
	effects := map[string]string{
		"deb-label-maint":    "line 4: the image has no label maintainer",
		"deb-apt-autoremove": "line 4: apt-get autoremove: removes packages that nothing depends on",
		"rpm-module-enable":  "line 4: microdnf module enable nodejs:20: changes which packages are offered",
	}
	files, err := filepath.Glob("testdata/missed/*.Dockerfile")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d Dockerfiles, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".Dockerfile")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(name, "-")
		v := Check(parse(t, Run, string(content)), on[kind], nil, ByEffect)
		switch reason, ok := effects[name]; {
		case !ok && v.Outcome != NoEffect:
			t.Errorf("%s: %s %v", name, v.Outcome, v.Reasons)
		case ok && (v.Outcome != Apply || v.Reasons[len(v.Reasons)-1] != reason):
			t.Errorf("%s: want %q, got %s %q", name, reason, v.Outcome, v.Reasons)
		}
	}
}
