package format_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/tagvalue"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

var formats = []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft}

// there is the document as it comes back from a format.
func there(t rapid.TB, doc *sbom.Document, f sbom.Format) *sbom.Document {
	t.Helper()
	var b bytes.Buffer
	if err := format.Encode(&b, doc, f); err != nil {
		t.Fatal(err)
	}
	if got, err := format.Identify(b.Bytes()); err != nil || got != f {
		t.Fatalf("Identify: %v, %v, want %v", got, err, f)
	}
	got, err := format.Decode(&b, "encoded")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var same = []cmp.Option{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(sbom.Document{}, "Format", "Spec", "About", "AllLayers")}

func TestRealDocumentsSurvive(t *testing.T) {
	for _, tt := range documents {
		doc := decode(t, read(t, tt.file), tt.file)
		for _, f := range formats {
			if diff := cmp.Diff(doc, there(t, doc, f), same...); diff != "" {
				t.Errorf("%s as %s (-was +is):\n%s", tt.file, f, diff)
			}
		}
	}
}

func TestEveryDocumentSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := document(t)
		for _, f := range formats {
			if diff := cmp.Diff(doc, there(t, doc, f), same...); diff != "" {
				t.Fatalf("as %s (-was +is):\n%s", f, diff)
			}
		}
	})
}

func TestEncodeIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := document(t)
		for _, f := range formats {
			var a, b bytes.Buffer
			if err := format.Encode(&a, doc, f); err != nil {
				t.Fatal(err)
			}
			if err := format.Encode(&b, doc, f); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Fatalf("%s: two encodings differ", f)
			}
		}
	})
}

// TestTagValueSurvives: our SPDX says the same after conversion to tag-value.
func TestTagValueSurvives(t *testing.T) {
	want := decode(t, read(t, "stack.syft.json"), "x")
	var b, tagValue bytes.Buffer
	if err := format.Encode(&b, want, sbom.SPDX); err != nil {
		t.Fatal(err)
	}
	doc, err := spdxjson.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range doc.Annotations { // in tag-value, annotations say what they belong to
		a.AnnotationSPDXIdentifier = common.DocElementID{ElementRefID: "DOCUMENT"}
	}
	for _, p := range doc.Packages {
		for _, a := range p.Annotations {
			a.AnnotationSPDXIdentifier = common.DocElementID{ElementRefID: p.PackageSPDXIdentifier}
			doc.Annotations = append(doc.Annotations, &a)
		}
	}
	if err := tagvalue.Write(doc, &tagValue); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, decode(t, tagValue.Bytes(), "tag-value"), same...); diff != "" {
		t.Errorf("(-was +is):\n%s", diff)
	}
}

// TestEncoded pins the bytes, which a cache or a signature may rely on.
func TestEncoded(t *testing.T) {
	doc := decode(t, read(t, "stack.syft.json"), "x")
	for _, f := range formats {
		var b bytes.Buffer
		if err := format.Encode(&b, doc, f); err != nil {
			t.Fatal(err)
		}
		golden(t, "encoded."+f.Ext()+".golden", b.String())
	}
}

// TestEncodeAnyName: names of files need not be UTF-8.
func TestEncodeAnyName(t *testing.T) {
	doc := &sbom.Document{Subject: "\xff", Packages: []sbom.Package{{Type: sbom.Deb, Name: "x", Version: "1", Files: []string{"/a\xff"}}}}
	for _, f := range formats {
		if diff := cmp.Diff([]string{"/a\ufffd"}, there(t, doc, f).Packages[0].Files); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f, diff)
		}
	}
}

// TestSPDXIdentifiers: whatever a package is called, its identifier is one that SPDX allows, and
// its own (SPDX 2.3, 7.2: letters, numbers, "." and "-").
func TestSPDXIdentifiers(t *testing.T) {
	names := []string{"azAZ09.-", "@`[{/:", "g++", "libstdc++6", "a_b", "a b", "ä"}
	doc := &sbom.Document{}
	for _, name := range names {
		doc.Packages = append(doc.Packages, sbom.Package{Type: sbom.Deb, Name: name, Version: "1"})
	}
	var b bytes.Buffer
	if err := format.Encode(&b, doc, sbom.SPDX); err != nil {
		t.Fatal(err)
	}
	var written struct {
		Packages []struct{ Name, SPDXID string }
	}
	if err := json.Unmarshal(b.Bytes(), &written); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range written.Packages {
		got[p.Name] = regexp.MustCompile("-[0-9a-f]{16}$").ReplaceAllString(p.SPDXID, "")
	}
	want := map[string]string{
		"image": "SPDXRef-DocumentRoot", "azAZ09.-": "SPDXRef-Package-deb-azAZ09.-", "@`[{/:": "SPDXRef-Package-deb-------",
		"g++": "SPDXRef-Package-deb-g--", "libstdc++6": "SPDXRef-Package-deb-libstdc--6", "a_b": "SPDXRef-Package-deb-a-b",
		"a b": "SPDXRef-Package-deb-a-b", "ä": "SPDXRef-Package-deb--",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identifiers (-want +got):\n%s", diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	if err := format.Encode(&bytes.Buffer{}, nil, sbom.Syft); err == nil {
		t.Error("no error for no document")
	}
	if err := format.Encode(&bytes.Buffer{}, &sbom.Document{}, "rdf"); err == nil || !strings.Contains(err.Error(), `"rdf"`) {
		t.Errorf("error %v, want one that names the format", err)
	}
}

var (
	name    = rapid.StringMatching(`[a-z0-9][a-z0-9+.-]{1,8}`)
	version = rapid.StringMatching(`[0-9][0-9a-z.+~]{0,6}`)
	release = rapid.StringMatching(`[0-9][0-9a-z.+~]{0,4}`)
	text    = rapid.StringMatching(`|[A-Za-z<>&"'/:@ äß€][A-Za-z0-9<>&"'/:@ äß€]{0,8}[a-z]`)
	file    = rapid.StringMatching(`(/[a-zA-Z0-9._ä <&-]{0,3}[a-z]){1,3}`)
	files   = rapid.SliceOfN(file, 0, 5)
)

// document draws a Document as Decode and scan make them.
func document(t *rapid.T) *sbom.Document {
	doc := &sbom.Document{
		Tool: rapid.SampledFrom([]string{"", "syft 1.51.0", "a-tool", "trivy dev"}).Draw(t, "tool"), Subject: text.Draw(t, "subject"),
		Distro: rapid.SampledFrom([]sbom.Distro{
			{}, {ID: "debian", Version: "12", Name: "Debian GNU/Linux 12 (bookworm)"}, {ID: "ubuntu", IDLike: []string{"debian", "x"}}, {ID: "opensuse-leap", Version: "15.4"},
		}).Draw(t, "distro"),
		Databases: rapid.SliceOfN(file, 0, 3).Draw(t, "databases"),
	}
	if rapid.Bool().Draw(t, "created") {
		doc.Created = time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).UTC()
	}
	for range rapid.IntRange(0, 5).Draw(t, "packages") {
		doc.Packages = append(doc.Packages, packageOf(t, doc.Distro))
	}
	slices.SortFunc(doc.Packages, sbom.Compare)
	doc.Packages = slices.CompactFunc(doc.Packages, func(a, b sbom.Package) bool { return sbom.Compare(a, b) == 0 })
	owned := map[string]bool{}
	for _, p := range doc.Packages {
		for _, f := range p.Files {
			owned[f] = true
		}
	}
	doc.Files = slices.DeleteFunc(sorted(files.Draw(t, "files")), func(f string) bool { return owned[f] })
	return doc
}

func packageOf(t *rapid.T, d sbom.Distro) sbom.Package {
	p := sbom.Package{
		Type: sbom.Type(rapid.SampledFrom([]string{"deb", "rpm", "apk", "npm", "golang", ""}).Draw(t, "type")),
		Name: name.Draw(t, "name"), Version: version.Draw(t, "version"),
		Arch:  rapid.SampledFrom([]string{"", "amd64", "noarch"}).Draw(t, "arch"),
		Files: sorted(files.Draw(t, "owned")),
		Known: sbom.Facts(rapid.IntRange(0, 15).Draw(t, "known")),
	}
	spelled := p.Version
	switch p.Type {
	case sbom.Deb, sbom.RPM:
		spelled += "-" + release.Draw(t, "release")
		p.Version = spelled
		if rapid.Bool().Draw(t, "epoch") {
			p.Version = fmt.Sprintf("%d:%s", rapid.IntRange(0, 9).Draw(t, "e"), spelled)
		}
	case sbom.APK:
		spelled += "-r" + rapid.StringMatching(`[0-9]`).Draw(t, "release")
		p.Version = spelled
	}
	if p.Type.OS() {
		for _, n := range rapid.SliceOfN(name, 0, 4).Draw(t, "provides") {
			p.Provides = append(p.Provides, sbom.VirtualPackage{Name: n, Version: rapid.OneOf(version, rapid.Just("")).Draw(t, "provided")})
		}
		slices.SortFunc(p.Provides, func(a, b sbom.VirtualPackage) int {
			return strings.Compare(a.Name+"\x00"+a.Version, b.Name+"\x00"+b.Version)
		})
		p.Provides = slices.Compact(p.Provides)
		if rapid.Bool().Draw(t, "source") {
			p.Source = sbom.Source{Name: "src-" + name.Draw(t, "source name"), Version: rapid.OneOf(version, rapid.Just("")).Draw(t, "source version")}
		}
	}
	if p.Type != "" && rapid.Bool().Draw(t, "purl") {
		p.PURL = purl(p, d, spelled)
	}
	return p
}

func purl(p sbom.Package, d sbom.Distro, spelled string) string {
	q := map[string]string{}
	for key, value := range map[string]string{"arch": p.Arch, "epoch": "", "distro": d.ID} {
		if value != "" {
			q[key] = value
		}
	}
	if p.Type == sbom.RPM && p.EVR().Epoch != "" {
		q["epoch"] = p.EVR().Epoch
	} else {
		spelled = p.Version
	}
	u := packageurl.NewPackageURL(string(p.Type), "", p.Name, spelled, packageurl.QualifiersFromMap(q), "")
	return u.ToString()
}

func sorted(paths []string) []string {
	slices.Sort(paths)
	return slices.Compact(paths)
}
