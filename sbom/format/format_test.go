package format_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

var update = flag.Bool("update", false, "write golden files anew")

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, content []byte, name string) *sbom.Document {
	t.Helper()
	doc, err := format.Decode(bytes.NewReader(content), name)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

var documents = []struct {
	file   string
	format sbom.Format
	spec   string
}{
	{"alpine.syft.json", sbom.Syft, "6.0.0"},
	{"stack.syft.json", sbom.Syft, "2.0.2"},
	{"centos-7-cyclonedx.json", sbom.CycloneDX, "1.5"},
	{"cyclonedx-1.4.xml", sbom.CycloneDX, "1.4"},
	{"centos-7-spdx.json", sbom.SPDX, "SPDX-2.2"},
	{"centos-7-spdx.txt", sbom.SPDX, "SPDX-2.2"},
	{"buildkit.spdx.json", sbom.SPDX, "SPDX-2.3"},
	{"centos-7-cyclonedx.intoto.jsonl", sbom.CycloneDX, "1.4"},
	{"syft-1.7.cdx.json", sbom.CycloneDX, "1.7"},
	{"syft-3.0.spdx.json", sbom.SPDX, "SPDX-3.0.1"},
}

func TestDecode(t *testing.T) {
	for _, tt := range documents {
		t.Run(tt.file, func(t *testing.T) {
			content := read(t, tt.file)
			if f, err := format.Identify(content); err != nil || f != tt.format {
				t.Errorf("Identify: %v, %v, want %v", f, err, tt.format)
			}
			doc := decode(t, content, "no name that says the format")
			if doc.Format != tt.format || doc.Spec != tt.spec {
				t.Errorf("%s %s, want %s %s", doc.Format, doc.Spec, tt.format, tt.spec)
			}
			golden(t, tt.file+".golden", describe(doc))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, name)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// describe shows everything of a document, for golden files.
func describe(doc *sbom.Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tool %q created %v\nsubject %q\nabout %+v\ndistro %+v\nfiles %q\n", doc.Tool, doc.Created, doc.Subject, doc.About, doc.Distro, doc.Files)
	for _, p := range doc.Packages {
		fmt.Fprintf(&b, "\n%s %s %s %s\n  purl %s\n", p.Type, p.Name, p.Version, p.Arch, p.PURL)
		fmt.Fprintf(&b, "  source %+v\n  provides %v\n  files %q\n", p.Source, p.Provides, p.Files)
		fmt.Fprintf(&b, "  known: files %t, virtual %t, upstream %t, arch %t\n",
			p.Known.Has(sbom.Files), p.Known.Has(sbom.Virtual), p.Known.Has(sbom.Upstream), p.Known.Has(sbom.Arch))
	}
	return b.String()
}

// TestSameImage: the formats that one image is described in give the same packages.
func TestSameImage(t *testing.T) {
	want := decode(t, read(t, "centos-7-cyclonedx.json"), "cyclonedx")
	if got := len(want.Packages); got != 2 {
		t.Fatalf("%d packages, want 2", got)
	}
	for _, name := range []string{"centos-7-spdx.json", "centos-7-spdx.txt"} {
		got := decode(t, read(t, name), name)
		// In these, Trivy says another source package of openssl-libs.
		if diff := cmp.Diff(want.Packages, got.Packages, cmpopts.IgnoreFields(sbom.Package{}, "Source")); diff != "" {
			t.Errorf("%s differs from CycloneDX (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(want.Distro, got.Distro); diff != "" {
			t.Errorf("%s: distro (-want +got):\n%s", name, diff)
		}
	}
}

// one is a document with one component or package, whatever the test varies in it.
func one(f sbom.Format, text string) string {
	switch f {
	case sbom.CycloneDX:
		return `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[` + text + `]}`
	case sbom.SPDX:
		return `{"spdxVersion":"SPDX-2.3","packages":[` + text + `]}`
	}
	return `{"artifacts":[` + text + `],"distro":{"id":"debian","versionID":"12"},"schema":{"version":"16.1.10","url":"https://anchore/syft"}}`
}

func TestPackage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format sbom.Format
		text   string
		want   *sbom.Package // nil: none is installed
	}{
		{"no more than a purl", sbom.CycloneDX, `{"type":"library","purl":"pkg:deb/debian/curl@7.88.1-10?arch=amd64"}`,
			&sbom.Package{Type: sbom.Deb, Name: "curl", Version: "7.88.1-10", Arch: "amd64", PURL: "pkg:deb/debian/curl@7.88.1-10?arch=amd64", Known: sbom.Arch}},
		{"a purl without qualifiers", sbom.CycloneDX, `{"type":"library","name":"curl","version":"8.1-r2","purl":"pkg:apk/alpine/curl@8.1-r2"}`,
			&sbom.Package{Type: sbom.APK, Name: "curl", Version: "8.1-r2", PURL: "pkg:apk/alpine/curl@8.1-r2"}},
		{"a purl as bom-ref", sbom.CycloneDX, `{"type":"library","name":"curl","version":"8.1-r2","bom-ref":"pkg:apk/alpine/curl@8.1-r2"}`,
			&sbom.Package{Type: sbom.APK, Name: "curl", Version: "8.1-r2", PURL: "pkg:apk/alpine/curl@8.1-r2"}},
		{"epoch in a qualifier", sbom.SPDX, `{"name":"dbus","versionInfo":"1.12.8-26.el8","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:rpm/redhat/dbus@1.12.8-26.el8?epoch=1"}]}`,
			&sbom.Package{Type: sbom.RPM, Name: "dbus", Version: "1:1.12.8-26.el8", PURL: "pkg:rpm/redhat/dbus@1.12.8-26.el8?epoch=1"}},
		{"epoch in the version alone", sbom.SPDX, `{"name":"login","versionInfo":"1:4.13-1","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/login@4.13-1"}]}`,
			&sbom.Package{Type: sbom.Deb, Name: "login", Version: "1:4.13-1", PURL: "pkg:deb/debian/login@4.13-1"}},
		{"a release that the purl leaves out", sbom.SPDX, `{"name":"bash","versionInfo":"0:5.1-6","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:rpm/fedora/bash@5.1"}]}`,
			&sbom.Package{Type: sbom.RPM, Name: "bash", Version: "0:5.1-6", PURL: "pkg:rpm/fedora/bash@5.1"}},
		{"a purl that is none", sbom.Syft, `{"name":"x","version":"1-2","type":"deb","purl":"x@1","metadata":{"architecture":"all","files":[]}}`,
			&sbom.Package{Type: sbom.Deb, Name: "x", Version: "1-2", Arch: "all", PURL: "pkg:deb/debian/x@1-2?arch=all&distro=debian-12", Known: sbom.Arch | sbom.Upstream | sbom.Virtual}},
		{"converted to Syft JSON", sbom.Syft, `{"name":"x","version":"1-2","type":"deb","purl":"pkg:deb/debian/x@1-2","metadataType":"dpkg-db-entry","metadata":{"architecture":"all","files":null}}`,
			&sbom.Package{Type: sbom.Deb, Name: "x", Version: "1-2", Arch: "all", PURL: "pkg:deb/debian/x@1-2", Known: sbom.Arch}},
		{"a scoped npm package", sbom.CycloneDX, `{"type":"library","group":"@babel","name":"core","version":"7.0.0","purl":"pkg:npm/%40babel/core@7.0.0"}`,
			&sbom.Package{Type: "npm", Name: "@babel/core", Version: "7.0.0", PURL: "pkg:npm/%40babel/core@7.0.0"}},
		{"a Go module", sbom.Syft, `{"name":"golang.org/x/sys","version":"v0.1.0","type":"go-module","purl":""}`,
			&sbom.Package{Type: "golang", Name: "golang.org/x/sys", Version: "v0.1.0"}},
		{"Trivy's source", sbom.CycloneDX, `{"type":"library","name":"libc6","version":"2.31","purl":"pkg:deb/debian/libc6@2.31?arch=amd64","properties":[{"name":"aquasecurity:trivy:SrcName","value":"glibc"},{"value":"2.31","name":"aquasecurity:trivy:SrcVersion"}]}`,
			&sbom.Package{Type: sbom.Deb, Name: "libc6", Version: "2.31", Arch: "amd64", PURL: "pkg:deb/debian/libc6@2.31?arch=amd64", Source: sbom.Source{Name: "glibc"}, Known: sbom.Arch | sbom.Upstream}},
		{"a .deb that lies around", sbom.CycloneDX, `{"type":"library","name":"x","version":"1","purl":"pkg:deb/x@1","properties":[{"name":"syft:package:metadataType","value":"dpkg-archive-entry"}]}`, nil},
		{"an SBOM within the image", sbom.Syft, `{"name":"x","version":"1","type":"deb","foundBy":"sbom-cataloger","purl":"pkg:deb/debian/x@1"}`, nil},
		{"a removed package", sbom.Syft, `{"name":"x","version":"","type":"deb"}`, nil},
		{"for tests", sbom.CycloneDX, `{"type":"library","name":"x","version":"1","scope":"excluded","purl":"pkg:deb/x@1"}`, nil},
		{"not installed", sbom.CycloneDX, `{"type":"library","name":"x","version":"1","scope":"optional","purl":"pkg:deb/x@1","components":[{"type":"library","purl":"pkg:deb/y@1"}]}`, nil},
		{"installed", sbom.CycloneDX, `{"type":"library","name":"x","version":"1","scope":"required","purl":"pkg:deb/debian/x@1"}`,
			&sbom.Package{Type: sbom.Deb, Name: "x", Version: "1", PURL: "pkg:deb/debian/x@1"}},
		{"the image", sbom.CycloneDX, `{"type":"container","name":"debian"}`, nil},
		{"the system", sbom.SPDX, `{"name":"debian","versionInfo":"12","primaryPackagePurpose":"OPERATING-SYSTEM"}`, nil},
		{"null", sbom.Syft, `null`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := decode(t, []byte(one(tt.format, tt.text)), tt.name)
			var want []sbom.Package
			if tt.want != nil {
				want = append(want, *tt.want)
			}
			if diff := cmp.Diff(want, doc.Packages, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProvidesSince: what an old schema had no key for is unknown, not absent.
func TestProvidesSince(t *testing.T) {
	const text = `{"artifacts":[{"name":"x","version":"1-1","type":%q,"metadata":{"files":[]}}],"schema":{"version":%q,"url":"anchore/syft"}}`
	for _, tt := range []struct {
		kind, version string
		want          bool
	}{
		{"apk", "5.1.0", false}, {"apk", "6.0.0", true}, {"deb", "11.0.0", false}, {"deb", "11.0.1", true},
		{"rpm", "16.0.8", false}, {"rpm", "16.0.9", true}, {"rpm", "16.0.43", true}, {"deb", "2.0.2", false},
	} {
		doc := decode(t, fmt.Appendf(nil, text, tt.kind, tt.version), "x")
		if got := doc.Knows(sbom.Virtual); got != tt.want {
			t.Errorf("%s in schema %s: provides known %t, want %t", tt.kind, tt.version, got, tt.want)
		}
	}
}

func TestDuplicatesCollapse(t *testing.T) {
	doc := decode(t, []byte(one(sbom.Syft, `
		{"name":"x","version":"1","type":"apk","metadata":{"files":[{"path":"/b"},{"path":"/a"}]}},
		{"name":"a","version":"1","type":"apk","metadata":{"files":null}},
		{"name":"x","version":"1","type":"apk","metadata":{"files":[{"path":"a/../c"},{"path":"/a"}],"provides":["cmd:x=1"]}}`)), "x")
	if len(doc.Packages) != 2 || doc.Packages[0].Name != "a" {
		t.Fatalf("packages %v, want a and x", doc.Packages)
	}
	if diff := cmp.Diff([]string{"/a", "/b", "/c"}, doc.Packages[1].Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Relationships other than of containment may form a cycle.
func TestSyftRelationships(t *testing.T) {
	doc := func(kind string) string {
		return fmt.Sprintf(`{"artifacts":[{"id":"a","name":"a","version":"1","type":"apk"},{"id":"b","name":"b","version":"1","type":"apk"}],
			"artifactRelationships":[{"parent":"a","child":"b","type":%[1]q},{"parent":"b","child":"a","type":%[1]q}],"schema":{"version":"16.0.0","url":"anchore/syft"}}`, kind)
	}
	if _, err := format.Decode(strings.NewReader(doc("dependency-of")), "f"); err != nil {
		t.Error(err)
	}
	if _, err := format.Decode(strings.NewReader(doc("contains")), "f"); err == nil {
		t.Error("two packages contain each other")
	}
}

func TestXMLPrefix(t *testing.T) {
	doc, err := format.Decode(strings.NewReader(`<x:bom xmlns:x="http://cyclonedx.org/schema/bom/1.5"><x:components><x:component type="library"><x:name>a</x:name><x:version>1</x:version></x:component></x:components></x:bom>`), "f")
	if err != nil || len(doc.Packages) != 1 || doc.Packages[0].Name != "a" {
		t.Errorf("%v, %v", doc, err)
	}
}
