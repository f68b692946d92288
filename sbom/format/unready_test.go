package format_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// TestUnreadySurvives: an inventory kept in any format still tells which packages are not installed in full.
func TestUnreadySurvives(t *testing.T) {
	want := []sbom.Unready{{Name: "acme", State: "half-configured", Version: "1:2-3"}, {Name: "b", State: "half-installed"}}
	for _, f := range []sbom.Format{sbom.Syft, sbom.CycloneDX, sbom.SPDX} {
		var b bytes.Buffer
		if err := format.Encode(&b, &sbom.Document{Unready: want}, f); err != nil {
			t.Fatal(err)
		}
		doc, err := format.Decode(&b, string(f))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, doc.Unready); diff != "" {
			t.Errorf("%s: %s", f, diff)
		}
	}
}

func TestParseUnready(t *testing.T) {
	for _, text := range []string{"", "a", "a b c d"} {
		if u, ok := sbom.ParseUnready(text); ok {
			t.Errorf("%q is read as %v", text, u)
		}
	}
}
