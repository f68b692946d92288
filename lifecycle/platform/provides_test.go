package platform_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

func TestRunImageProvides(t *testing.T) {
	const everything = sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch
	doc := &sbom.Document{Distro: sbom.Distro{ID: "debian", Version: "12"}, Packages: []sbom.Package{
		{Type: sbom.Deb, Name: "tree", Version: "2.1.0-1", Arch: "amd64", PURL: "pkg:deb/debian/tree@2.1.0-1?arch=amd64", Known: everything,
			Provides: []sbom.VirtualPackage{{Name: "dir-lister"}}, Files: []string{"/usr/bin/tree"}},
		{Type: sbom.Deb, Name: "openjdk-17-jre-headless", Version: "17.0.12+7-2~deb12u1", Arch: "amd64", PURL: "pkg:deb/debian/openjdk-17-jre-headless@17.0.12%2B7-2~deb12u1?arch=amd64", Known: everything},
		{Type: sbom.Deb, Name: "bare", Version: "1-1", Known: everything},
	}}
	s, refused := provides.From(doc, nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{{Name: "lister", Version: "2", Evidence: []string{"file:/usr/bin/tree"}}}})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	file := platform.RunImageProvidesOf(s, "registry.example/run:noble")
	got, err := file.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/run-image.provides.toml"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
	again, err := platform.DecodeRunImageProvides(got, golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(file, *again); diff != "" {
		t.Errorf("decoded again (-want +got):\n%s", diff)
	}
}

func TestDecodeRunImageProvides(t *testing.T) {
	got, err := platform.DecodeRunImageProvides([]byte("version = \"1.9\"\nimage = \"a\"\nlater = 1\n[[provides]]\nname = \"x\"\nkind = \"package\"\nlater = 2\n"), "f")
	want := &platform.RunImageProvides{Version: "1.9", Image: "a", Provides: []platform.Provided{{Name: "x", Kind: provides.Package}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("unknown keys: %v (-want +got):\n%s", err, diff)
	}
	for _, test := range []struct{ in, want string }{
		{"", `reading f: key "version": missing`},
		{"version = \"2.0\"", "only 1.x: use a newer baseplan"},
		{"version = ", "reading f, line 1: "},
		{"version = 1", "reading f"},
		{"<html>", "reading f, line 1: "},
	} {
		if _, err := platform.DecodeRunImageProvides([]byte(test.in), "f"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("DecodeRunImageProvides(%q): %v, want an error with %q", test.in, err, test.want)
		}
	}
}
