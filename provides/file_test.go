package provides_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestFile(t *testing.T) {
	doc := document(
		owning(with(deb("debian", "tree", "2.1.0-1", "amd64"), "dir-lister"), "/usr/bin/tree"),
		deb("debian", "openjdk-17-jre-headless", "17.0.12+7-2~deb12u1", "amd64"),
		sbom.Package{Type: sbom.Deb, Name: "bare", Version: "1-1", Known: everything},
	)
	s, refused := provides.From(doc, nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{{Name: "lister", Version: "2", Evidence: []string{"file:/usr/bin/tree"}}}})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	file := provides.FileOf(s, "registry.example/run:noble")
	got, err := file.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/run-image.provides.toml"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(fixture(t, "run-image.provides.toml")), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", golden, diff)
	}
	again, err := provides.DecodeFile(got, golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(file, *again); diff != "" {
		t.Errorf("decoded again (-want +got):\n%s", diff)
	}
}

func TestDecodeFile(t *testing.T) {
	got, err := provides.DecodeFile([]byte("version = \"1.9\"\nimage = \"a\"\nlater = 1\n[[provides]]\nname = \"x\"\nkind = \"package\"\nlater = 2\n"), "f")
	want := &provides.File{Version: "1.9", Image: "a", Provides: []provides.Entry{{Name: "x", Kind: provides.Package}}}
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
		if _, err := provides.DecodeFile([]byte(test.in), "f"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("DecodeFile(%q): %v, want an error with %q", test.in, err, test.want)
		}
	}
}
