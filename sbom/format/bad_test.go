package format_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

const xmlBOM = `<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1">`

func TestBadInput(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		want          []string // parts of the error
	}{
		{"empty", "", []string{"the input is empty", "want CycloneDX"}},
		{"white space", " \n\t", []string{"only white space", "want CycloneDX"}},
		{"HTML", "\n<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>", []string{"an HTML page", "want CycloneDX"}},
		{"HTML without a type", "<HTML><p>", []string{"an HTML page"}},
		{"other XML", `<?xml version="1.0"?><rdf:RDF xmlns:rdf="x"/>`, []string{"not an SBOM (<RDF>)", "want CycloneDX"}},
		{"a bom of another namespace", `<bom xmlns="https://example.com/bom/1.5"/>`, []string{"not an SBOM (<bom>)"}},
		{"broken XML", "<?xml", []string{"starts as XML", "want CycloneDX"}},
		{"text", "Not found", []string{"neither JSON nor XML"}},
		{"array", "[]", []string{"not an object"}},
		{"zip", "PK\x03\x04", []string{"neither gzip nor zstd"}},
		{"UTF-16", wide("\ufeff{}"), []string{"UTF-16"}},
		{"UTF-16 without a mark", wide("{}"), []string{"UTF-16"}},
		{"no SBOM behind a byte order mark", "\ufeff{}", []string{"not an SBOM"}},
		{"broken gzip", "\x1f\x8b\x08\x00", []string{"decompressing:"}},
		{"truncated gzip", zipped(one(sbom.CycloneDX, ""))[:30], []string{"unexpected EOF"}},
		{"broken zstd", "\x28\xb5\x2f\xfd\xff\xff", []string{"decompressing:"}},
		{"wrapped too often", wrappedTimes(9), []string{"wrapped more than 8 times"}},
		{"another payload", `{"payloadType":"text/plain","payload":"e30="}`, []string{`DSSE envelope of "text/plain"`}},
		{"an empty wrapping", `{"sbom":null}`, []string{"contains no SBOM"}},
		{"a wrapping around something else", `{"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildType":"x"}}`, []string{"not an SBOM"}},
		{"a key twice in a wrapping", `{"sbom":{"a":1,"a":2}}`, []string{"duplicate"}},
		{"invalid UTF-8", `{"bomFormat":"CycloneDX","specVersion":"1.6","x":"` + "\xff" + `"}`, []string{"not valid", "UTF-8"}},
		{"tag-value that is not UTF-8", "SPDXVersion: SPDX-2.3\nDocumentName: \xff\n", []string{"not valid SPDX-2.3 tag-value", "line 2 is not UTF-8"}},
		{"other JSON", `{"error":"unauthorized"}`, []string{"not an SBOM", "want CycloneDX"}},
		{"broken JSON", `{"a":}`, []string{"starts as JSON", "want CycloneDX"}},
		{"another bomFormat", `{"bomFormat":"x","specVersion":"1.6"}`, []string{`"x", not CycloneDX`}},
		{"a number as bomFormat", `{"bomFormat":1}`, []string{"starts as JSON"}},
		{"no version", `{"bomFormat":"CycloneDX"}`, []string{`version ""`, "want CycloneDX"}},
		{"CycloneDX 2", `{"bomFormat":"CycloneDX","specVersion":"2.0"}`, []string{`version "2.0"`}},
		{"SPDX 2.0", "SPDXVersion: SPDX-2.0\n", []string{"SPDX-2.0"}},
		{"SPDX 4", `{"@context":"https://spdx.org/rdf/4.0/spdx-context.jsonld","@graph":[]}`, []string{"SPDX-4.0", "SPDX 3.0"}},
		{"other JSON-LD", `{"@context":"https://schema.org/"}`, []string{"not an SBOM"}},
		{"a reference that is none", `{"@context":"https://spdx.org/rdf/3.0.1/x","@graph":[{"type":"Relationship","to":[1]}]}`, []string{"not valid SPDX-3.0.1 JSON", "neither an identifier"}},
		{"Syft 17", `{"schema":{"version":"17.0.0","url":"anchore/syft"}}`, []string{`version "17.0.0"`}},
		{"truncated", `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"lib`, []string{"not valid CycloneDX 1.6 JSON", "unexpected EOF"}},
		{"truncated before the mark", `{"artifacts":[{"name":"x"`, []string{"starts as JSON", "unexpected EOF"}},
		{"truncated XML", xmlBOM + `<components><component type="library">`, []string{"not valid CycloneDX 1.5 XML", "unexpected EOF"}},
		{"something behind", one(sbom.CycloneDX, "") + "{}", []string{"not valid CycloneDX"}},
		{"something behind XML", xmlBOM + "</bom><bom/>", []string{"not valid CycloneDX"}},
		{"a wrong type", one(sbom.CycloneDX, `{"type":"library","name":7}`), []string{"not valid CycloneDX", "/components/0/name"}},
		{"a wrong type for a list", `{"bomFormat":"CycloneDX","specVersion":"1.6","components":{}}`, []string{"not valid CycloneDX", "/components"}},
		{"a wrong type in metadata", one(sbom.Syft, `{"name":"x","version":"1","type":"deb","metadata":{"files":"x"}}`), []string{"not valid Syft JSON", "metadata of package x", "/files"}},
		{"a wrong type in SPDX", one(sbom.SPDX, `{"name":{}}`), []string{"not valid SPDX", "/packages/0/name"}},
		{"a key twice", one(sbom.CycloneDX, `{"type":"library","name":"a","name":"b"}`), []string{"not valid CycloneDX", "duplicate", `"name"`}},
		{"a key twice in what is skipped", one(sbom.SPDX, `{"x":{"y":[{"z":1,"z":2}]}}`), []string{"not valid SPDX", "duplicate", `"z"`}},
		{"a key twice in metadata", one(sbom.Syft, `{"name":"x","type":"deb","metadata":{"source":"a","source":"b"}}`), []string{"starts as JSON", "duplicate", `"source"`}},
		{"a key twice, escaped", one(sbom.Syft, `{"name":"x","\u006eame":"y"}`), []string{"duplicate"}},
		{"an element twice", xmlBOM + `<components><component type="library"><name>a</name><name>b</name></component></components></bom>`, []string{"not valid CycloneDX", "<name> occurs twice"}},
		{"an attribute twice", xmlBOM + `<components><component type="library" type="file"><name>a</name></component></components></bom>`, []string{"attribute type occurs twice"}},
		{"a tag twice", "SPDXVersion: SPDX-2.3\nPackageName: a\nPackageVersion: 1\nPackageVersion: 2\n", []string{"not valid SPDX-2.3 tag-value", "line 4", "PackageVersion"}},
		{"marks of two formats", `{"bomFormat":"CycloneDX","specVersion":"1.6","spdxVersion":"SPDX-2.3"}`, []string{"another format"}},
		{"an identifier twice", one(sbom.SPDX, `{"SPDXID":"SPDXRef-1","name":"a"},{"SPDXID":"SPDXRef-1","name":"b"}`), []string{"packages 0 and 1 have the same identifier SPDXRef-1"}},
		{"a package in itself", `{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-1"},{"SPDXID":"SPDXRef-2"}],"relationships":[
			{"spdxElementId":"SPDXRef-1","relatedSpdxElement":"SPDXRef-2","relationshipType":"CONTAINS"},
			{"spdxElementId":"SPDXRef-1","relatedSpdxElement":"SPDXRef-2","relationshipType":"CONTAINED_BY"}]}`, []string{"not valid SPDX", "SPDXRef-1 contains itself"}},
		{"an artifact in itself", `{"artifacts":[{"id":"a"}],"artifactRelationships":[{"parent":"a","child":"a","type":"contains"}],"schema":{"version":"16.0.0","url":"anchore/syft"}}`, []string{"not valid Syft JSON", "a contains itself"}},
		{"no colon", "SPDXVersion: SPDX-2.3\nhello\n", []string{"line 2 has no colon"}},
		{"an open text", "SPDXVersion: SPDX-2.3\nDocumentComment: <text>hello\n", []string{"not valid SPDX-2.3", "unexpected EOF"}},
		{"an identifier without a package", "SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\nPackageVersion: 1\nSPDXID: SPDXRef-2\n", []string{"not valid SPDX-2.3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := format.Decode(strings.NewReader(tt.content), "registry.example/run@sha256:1")
			if err == nil {
				t.Fatalf("no error, but %+v", doc)
			}
			for _, part := range append(tt.want, "reading SBOM registry.example/run@sha256:1: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q says nothing of %q", err, part)
				}
			}
			if len(err.Error()) > 600 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("connection reset")
	for _, start := range []string{"", `{"bomFormat":`, one(sbom.SPDX, "")[:20], "SPDXVersion: SPDX-2.3\n", xmlBOM} {
		_, err := format.Decode(io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken)), "x")
		if !errors.Is(err, broken) {
			t.Errorf("after %q: %v, want the reader's error", start, err)
		}
	}
}

func TestEmptyPackageListIsValid(t *testing.T) {
	for _, content := range []string{one(sbom.CycloneDX, ""), one(sbom.SPDX, ""), one(sbom.Syft, ""), xmlBOM + "</bom>", "SPDXVersion: SPDX-2.2\n"} {
		if doc := decode(t, []byte(content), "x"); len(doc.Packages) != 0 {
			t.Errorf("%s: packages %v, want none", content, doc.Packages)
		}
	}
}

// endless gives the text again and again, limit bytes in all.
type endless struct {
	text        string
	given, left int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text[(e.given+n)%len(e.text):])
	}
	n = min(n, e.left)
	e.given, e.left = e.given+n, e.left-n
	return n, nil
}

// TestHugeInput: hostile documents of a gigabyte end early, or at least in an
// error and without taking memory in proportion.
func TestHugeInput(t *testing.T) {
	cdx := `{"bomFormat":"CycloneDX","specVersion":"1.6",`
	for _, tt := range []struct {
		name, start, again string
		want               string
		most               int // bytes that may be read
	}{
		{"nested arrays", `{"x":`, "[", "depth", 1 << 20},
		{"nested arrays behind the mark", cdx + `"x":`, "[", "depth", 1 << 20},
		{"nested objects", `{"x":`, `{"a":`, "depth", 1 << 20},
		{"nested components", cdx + `"components":[`, `{"components":[`, "depth", 1 << 20},
		{"nested in Syft JSON", `{"artifacts":[`, `{"metadata":[`, "depth", 1 << 20},
		{"nested elements", xmlBOM, "<components><component>", "nested deeper", 1 << 20},
		{"empty components", cdx + `"components":[{}`, ",{}", "elements", 16 << 20},
		{"empty elements", xmlBOM + "<components>", "<component/>", "elements", 64 << 20},
		{"lines", "SPDXVersion: SPDX-2.3\n", "#\n", "lines", 16 << 20},
		{"a long text", "SPDXVersion: SPDX-2.3\nDocumentComment: <text>", "a\n", "longer", 4 << 20},
		{"a long line", "SPDXVersion: SPDX-2.3\nDocumentComment: ", "a", "too long", 4 << 20},
		{"white space", cdx, "    \n", "larger than 128 MiB", format.MaxSize + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			again := &endless{text: tt.again, left: 1 << 30}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := format.Decode(io.MultiReader(strings.NewReader(tt.start), again), "huge")
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
			if again.given > tt.most {
				t.Errorf("%d bytes read, want at most %d", again.given, tt.most)
			}
			if grown := after.Sys - before.Sys; grown > 800<<20 {
				t.Errorf("memory grew by %d MiB", grown>>20)
			}
		})
	}
}

// wrappedTimes is a document with something around it, again and again.
func wrappedTimes(n int) string {
	return strings.Repeat(`{"sbom":`, n) + one(sbom.SPDX, "") + strings.Repeat("}", n)
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, s)
	if err := errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return b.String()
}

func wide(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		b.WriteByte(byte(u))
		b.WriteByte(byte(u >> 8))
	}
	return b.String()
}

// TestTruncated: no part of a document is taken for the whole.
func TestTruncated(t *testing.T) {
	for _, tt := range documents {
		content := bytes.TrimSpace(read(t, tt.file))
		if strings.HasSuffix(tt.file, ".txt") {
			continue // lines have no end that could be missing
		}
		for n := 0; n < len(content); n += 1 + len(content)/300 {
			if _, err := format.Decode(bytes.NewReader(content[:n]), "x"); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for the whole", tt.file, n, len(content))
			}
		}
	}
}
