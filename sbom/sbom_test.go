package sbom_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/sbom"
)

func TestParseEVR(t *testing.T) {
	for _, tt := range []struct {
		kind    sbom.Type
		version string
		want    sbom.EVR
	}{
		{sbom.Deb, "7.88.1-10+deb12u12", sbom.EVR{Version: "7.88.1", Release: "10+deb12u12"}},
		{sbom.Deb, "1:4.13+dfsg1-1+b1", sbom.EVR{Epoch: "1", Version: "4.13+dfsg1", Release: "1+b1"}},
		{sbom.Deb, "2:1.2-rc1-0ubuntu1~22.04", sbom.EVR{Epoch: "2", Version: "1.2-rc1", Release: "0ubuntu1~22.04"}},
		{sbom.Deb, "12.4+deb12u5", sbom.EVR{Version: "12.4+deb12u5"}},
		{sbom.Deb, "a:1-2", sbom.EVR{Version: "a:1", Release: "2"}},
		{sbom.Deb, ":1-2", sbom.EVR{Version: ":1", Release: "2"}},
		{sbom.Deb, "", sbom.EVR{}},
		{sbom.Deb, "-1", sbom.EVR{Version: "-1"}},
		{sbom.RPM, "1:1.0.2k-16.el7", sbom.EVR{Epoch: "1", Version: "1.0.2k", Release: "16.el7"}},
		{sbom.RPM, "0:5.1.8-6.el9", sbom.EVR{Epoch: "0", Version: "5.1.8", Release: "6.el9"}},
		{sbom.RPM, "5.1.8-6.el9", sbom.EVR{Version: "5.1.8", Release: "6.el9"}},
		{sbom.APK, "1.36.1-r2", sbom.EVR{Version: "1.36.1", Release: "r2"}},
		{sbom.APK, "3.0_git20230101-r0", sbom.EVR{Version: "3.0_git20230101", Release: "r0"}},
		{sbom.APK, "1.0-beta", sbom.EVR{Version: "1.0-beta"}},
		{sbom.APK, "1:2-r3", sbom.EVR{Version: "1:2", Release: "r3"}},
		{"npm", "1.0.0-rc.1", sbom.EVR{Version: "1.0.0-rc.1"}},
	} {
		if diff := cmp.Diff(tt.want, sbom.ParseEVR(tt.kind, tt.version)); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", tt.kind, tt.version, diff)
		}
		if got := (sbom.Package{Type: tt.kind, Version: tt.version}).EVR(); got != tt.want {
			t.Errorf("%s %q: the method gives %+v, the function %+v", tt.kind, tt.version, got, tt.want)
		}
	}
}

// TestEVRRoundTrip joins the parts again and compares the result with the
// version.
func TestEVRRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := sbom.Type(rapid.SampledFrom([]string{"deb", "rpm", "apk", "npm"}).Draw(t, "type"))
		version := rapid.StringMatching(`[0-9a-z.:~+-]{0,12}`).Draw(t, "version")
		e := sbom.ParseEVR(kind, version)
		got := e.Version
		if e.Epoch != "" {
			got = e.Epoch + ":" + got
		}
		if e.Release != "" {
			got += "-" + e.Release
		}
		if got != version && got+"-" != version { // an empty release is none
			t.Fatalf("%s %q became %+v", kind, version, e)
		}
	})
}

func TestCompare(t *testing.T) {
	want := []sbom.Package{
		{Type: sbom.APK, Name: "z"},
		{Type: sbom.Deb, Name: "a", Version: "1", Arch: "amd64"},
		{Type: sbom.Deb, Name: "a", Version: "1", Arch: "i386"},
		{Type: sbom.Deb, Name: "a", Version: "1", Arch: "i386", PURL: "pkg:deb/a@1"},
		{Type: sbom.Deb, Name: "a", Version: "2", Arch: "amd64"},
		{Type: sbom.Deb, Name: "b", Version: "1"},
		{Type: sbom.RPM, Name: "a"},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, sbom.Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if sbom.Compare(want[1], want[1]) != 0 {
		t.Error("a package differs from itself")
	}
}

func TestKnows(t *testing.T) {
	for _, tt := range []struct {
		name     string
		packages []sbom.Package
		want     bool
	}{
		{"no packages", nil, true},
		{"known of all", []sbom.Package{{Type: sbom.Deb, Known: sbom.Files | sbom.Arch}, {Type: sbom.APK, Known: sbom.Files}}, true},
		{"unknown of one", []sbom.Package{{Type: sbom.Deb, Known: sbom.Files}, {Type: sbom.Deb, Known: sbom.Arch}}, false},
		{"unknown of a package of another kind", []sbom.Package{{Type: sbom.Deb, Known: sbom.Files}, {Type: "npm"}}, true},
	} {
		doc := &sbom.Document{Packages: tt.packages}
		if got := doc.Knows(sbom.Files); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
	if (sbom.Files | sbom.Arch).Has(sbom.Files | sbom.Virtual) {
		t.Error("Has reports two facts although only one is known")
	}
}

func TestFormatNames(t *testing.T) {
	for f, want := range map[sbom.Format][2]string{
		sbom.CycloneDX: {"cdx.json", "application/vnd.cyclonedx+json"},
		sbom.SPDX:      {"spdx.json", "application/spdx+json"},
		sbom.Syft:      {"syft.json", "application/vnd.syft+json"},
	} {
		if got := [2]string{f.Ext(), f.MediaType()}; got != want {
			t.Errorf("%s: %v, want %v", f, got, want)
		}
	}
}

func TestCheckFileVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.0": "", "1": "", "1.99": "", "": "missing", "2.0": "is not supported", "new": "is not a version", "0.9": "is not supported",
	} {
		err := sbom.CheckFileVersion(version)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", version, err, want)
		}
	}
}

func TestVirtualPackagesRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		t    sbom.Type
		in   string
		want sbom.VirtualPackage
	}{
		{sbom.Deb, "libfoo (= 1:1.2-3)", sbom.VirtualPackage{Name: "libfoo", Version: "1:1.2-3"}},
		{sbom.Deb, "mail-transport-agent", sbom.VirtualPackage{Name: "mail-transport-agent"}},
		{sbom.APK, "so:libssl.so.3=3.1.4", sbom.VirtualPackage{Name: "so:libssl.so.3", Version: "3.1.4"}},
		{sbom.RPM, "perl(Carp) = 1.50", sbom.VirtualPackage{Name: "perl(Carp)", Version: "1.50"}},
	} {
		got := sbom.ParseVirtuals(tt.t, []string{tt.in, tt.in})
		if len(got) != 1 || got[0] != tt.want || got[0].Entry(tt.t) != tt.in {
			t.Errorf("%s: got %v, want %v", tt.in, got, tt.want)
		}
	}
	for entry, want := range map[string]string{"so:x>=1.2": "so:x", "so:x~=1.2": "so:x", "so:x<=1.2": "so:x"} {
		if got := sbom.ParseVirtuals(sbom.APK, []string{entry}); len(got) != 1 || got[0].Name != want {
			t.Errorf("%s: got %v, want %s", entry, got, want)
		}
	}
	if got := sbom.ParseVirtuals(sbom.Deb, []string{"libfoo:any (= 1.2)", ""}); len(got) != 1 || got[0].Name != "libfoo" {
		t.Errorf("an architecture is no part of the name: %v", got)
	}
}

func TestIsMultiarchDir(t *testing.T) {
	for dir, want := range map[string]bool{
		"usr/lib/x86_64-linux-gnu": true, "/lib/aarch64-linux-gnu": true, "opt/x86_64-linux-gnu": false, "usr/lib/gcc": false, "x86_64-linux-gnu": false,
	} {
		if got := sbom.IsMultiarchDir(dir); got != want {
			t.Errorf("%s: %t", dir, got)
		}
	}
}
