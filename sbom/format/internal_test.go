package format

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/sbom"
)

// A bounded reader gives as much as it may, and an error only for more.
func TestBounded(t *testing.T) {
	for _, tt := range []struct {
		text string
		left int64
		want error
	}{{"abc", 4, nil}, {"abc", 3, nil}, {"abc", 2, errTooLarge}, {"", 0, nil}} {
		got, err := io.ReadAll(&bounded{r: strings.NewReader(tt.text), left: tt.left})
		if !errors.Is(err, tt.want) || err == nil && string(got) != tt.text {
			t.Errorf("%q of at most %d: %q, %v", tt.text, tt.left, got, err)
		}
	}
}

func TestSPDXTool(t *testing.T) {
	for in, want := range map[string]string{
		"syft-1.51.0": "syft 1.51.0", "my-tool-v2": "my-tool v2", "my-tool": "my-tool", "tool-": "tool-", "-1": "-1", "1-tool": "1-tool", "tool-.5": "tool-.5", "a": "a",
	} {
		if got := spdxTool(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// What is missing of a package that is listed twice is missing, whichever entry says so.
func TestDistinctKeepsAbsentFiles(t *testing.T) {
	p := sbom.Package{Type: sbom.Deb, Name: "a", Version: "1"}
	q := p
	p.Absent, q.Absent = []string{"/x"}, []string{"/y"}
	if got := distinct([]sbom.Package{p, q}); len(got) != 1 || !slices.Equal(got[0].Absent, []string{"/x", "/y"}) {
		t.Errorf("got %+v", got)
	}
}

func TestMakePURLNeedsAllParts(t *testing.T) {
	whole, d := sbom.Package{Type: sbom.Deb, Name: "a", Version: "1", Arch: "amd64"}, sbom.Distro{ID: "debian", Version: "12"}
	if got := makePURL(whole, d); got != "pkg:deb/debian/a@1?arch=amd64&distro=debian-12" {
		t.Error(got)
	}
	noVersion, npm := whole, whole
	noVersion.Version, npm.Type = "", "npm"
	for _, got := range []string{makePURL(noVersion, d), makePURL(npm, d), makePURL(whole, sbom.Distro{})} {
		if got != "" {
			t.Error(got)
		}
	}
}
