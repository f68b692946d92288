package format_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// TestAbsentSurvives: an inventory kept in any format still tells which files are not in the image, and whether that is known.
func TestAbsentSurvives(t *testing.T) {
	want := []sbom.Package{
		{Type: sbom.Deb, Name: "a", Version: "1-1", PURL: "pkg:deb/debian/a@1-1", Files: []string{"/usr/bin/a"}, Absent: []string{"/usr/bin/b", "/usr/lib/liba.so.1"}, Known: sbom.Files | sbom.Presence},
		{Type: sbom.Deb, Name: "b", Version: "1-1", PURL: "pkg:deb/debian/b@1-1", Known: sbom.Files},
		{Type: "npm", Name: "c", Version: "1", PURL: "pkg:npm/c@1", Absent: []string{"/usr/bin/c"}, Known: sbom.Presence},
	}
	for _, f := range []sbom.Format{sbom.Syft, sbom.CycloneDX, sbom.SPDX} {
		var b bytes.Buffer
		if err := format.Encode(&b, &sbom.Document{Packages: want}, f); err != nil {
			t.Fatal(err)
		}
		doc, err := format.Decode(&b, string(f))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, doc.Packages); diff != "" {
			t.Errorf("%s: %s", f, diff)
		}
	}
}
