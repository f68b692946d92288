package format_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

func zstandard(s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestEnvelopesAreUnwrapped: what is around a document makes no difference to what it says.
func TestEnvelopesAreUnwrapped(t *testing.T) {
	const statement = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":[],"predicate":`
	dsse := func(s string) string {
		return `{"payload":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MA=="}]}`
	}
	wrappings := []struct {
		name string
		wrap func(string) string
		text bool // it may be around documents that are not JSON
	}{
		{"nothing", func(s string) string { return s }, true},
		{"gzip", zipped, true},
		{"zstd", zstandard, true},
		{"byte order mark", func(s string) string { return "\ufeff" + s }, true},
		{"gzip with a byte order mark within", func(s string) string { return zipped("\ufeff" + s) }, true},
		{"statement", func(s string) string { return statement + s + "}" }, false},
		{"statement with a text", func(s string) string { return statement + quoted(s) + "}" }, true},
		{"cosign's custom predicate", func(s string) string { return statement + `{"Data":` + quoted(s) + `,"Timestamp":"x"}}` }, true},
		{"DSSE", func(s string) string { return dsse(statement + s + "}") }, false},
		{"Sigstore bundle", func(s string) string {
			return `{"mediaType":"x","verificationMaterial":{},"dsseEnvelope":` + dsse(statement+s+"}") + `}`
		}, false},
		{"GitHub's API", func(s string) string { return `{"sbom":` + s + `}` }, false},
		{"buildx", func(s string) string { return `{"SPDX":` + s + `}` }, false},
		{"DSSE, gzip", func(s string) string { return zipped(dsse(statement + s + "}")) }, false},
	}
	for _, tt := range documents {
		content := strings.TrimSpace(string(read(t, tt.file)))
		if strings.HasSuffix(tt.file, ".jsonl") {
			continue
		}
		want := decode(t, []byte(content), tt.file)
		for _, w := range wrappings {
			if !w.text && content[0] != '{' {
				continue
			}
			t.Run(tt.file+"/"+w.name, func(t *testing.T) {
				wrapped := []byte(w.wrap(content))
				if diff := cmp.Diff(want, decode(t, wrapped, w.name)); diff != "" {
					t.Errorf("(-bare +wrapped):\n%s", diff)
				}
				if f, err := format.Identify(wrapped); err != nil || f != tt.format {
					t.Errorf("Identify: %v, %v, want %v", f, err, tt.format)
				}
				bare, err := format.Unwrap(wrapped)
				if err != nil || string(bare) != content {
					t.Errorf("Unwrap: %d bytes, %v; want the %d of the document", len(bare), err, len(content))
				}
			})
		}
	}
}

// TestBombs: what is small and grows is bounded by what it grows to.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("decompresses gigabytes, which takes minutes with the race detector")
	}
	pack := func(wrap func(io.Writer) io.WriteCloser, size int) io.Reader {
		var b bytes.Buffer
		w := wrap(&b)
		_, _ = io.WriteString(w, `{"bomFormat":"CycloneDX","specVersion":"1.6",`)
		for blank := strings.Repeat(" ", 1<<20); size > 0; size -= len(blank) {
			_, _ = io.WriteString(w, blank)
		}
		_, _ = io.WriteString(w, `"version":1}`)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	for name, wrap := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		if _, err := format.Decode(pack(wrap, 1<<20), name); err != nil {
			t.Errorf("%s: a small document: %v", name, err)
		}
		if _, err := format.Decode(pack(wrap, format.MaxSize), name); err == nil || !strings.Contains(err.Error(), "larger than 128 MiB") {
			t.Errorf("%s: error %v, want one about the size", name, err)
		}
	}
}

// TestVersions: what is only another number is read.
func TestVersions(t *testing.T) {
	const component = `<components><component type="library"><name>a</name><version>1-1</version><purl>pkg:deb/debian/a@1-1</purl></component></components></bom>`
	const tagValue = "DataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: x\nPackageName: a\nSPDXID: SPDXRef-a\nPackageVersion: 1-1\nExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/a@1-1\n"
	const pkg = `{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1-1","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/a@1-1"}]}`
	for spec, content := range map[string]string{
		"1.0":      `<bom xmlns="http://cyclonedx.org/schema/bom/1.0" version="1">` + component,
		"1.1":      `<bom xmlns="http://cyclonedx.org/schema/bom/1.1" version="1">` + component,
		"1.7":      `<bom xmlns="http://cyclonedx.org/schema/bom/1.7" version="1">` + component,
		"SPDX-2.1": "SPDXVersion: SPDX-2.1\n" + tagValue,
		"SPDX-2.2": `{"spdxVersion":"SPDX-2.2","packages":[` + pkg + `]}`,
		"SPDX-3.0": `{"@context":"https://spdx.org/rdf/3.0/spdx-context.jsonld","@graph":[{"type":"software_Package","name":"a","software_packageVersion":"1-1","software_packageUrl":"pkg:deb/debian/a@1-1"}]}`,
	} {
		doc := decode(t, []byte(content), spec)
		if doc.Spec != spec {
			t.Errorf("version %s, want %s", doc.Spec, spec)
		}
		if diff := cmp.Diff([]string{"deb a 1-1"}, listed(doc)); diff != "" {
			t.Errorf("%s: packages (-want +got):\n%s", spec, diff)
		}
	}
	if doc := decode(t, []byte(`{"spdxVersion":"SPDX-2.1","packages":[`+pkg+`]}`), "JSON"); len(doc.Packages) != 1 {
		t.Errorf("packages %v of SPDX 2.1 as JSON", doc.Packages)
	}
}

// TestSPDX3: SPDX 3 says with other words what SPDX 2 says.
func TestSPDX3(t *testing.T) {
	old, v3 := decode(t, read(t, "syft-2.3.spdx.json"), "2.3"), decode(t, read(t, "syft-3.0.spdx.json"), "3.0")
	v3.Spec = old.Spec
	if diff := cmp.Diff(old, v3); diff != "" {
		t.Errorf("(-2.3 +3.0):\n%s", diff)
	}
	graph := func(more string) string {
		deb := func(name string) string {
			return `{"type":"software_Package","spdxId":"` + name + `","name":"` + name + `","externalIdentifier":[{"externalIdentifierType":"packageUrl","identifier":"pkg:deb/debian/` + name + `@1-1"}]}`
		}
		return `{"@context":["https://spdx.org/rdf/3.0.1/spdx-context.jsonld"],"@graph":[` + deb("x") + `,` + deb("y") + more + `]}`
	}
	for relation, want := range map[string][]string{
		``: {"deb x 1-1", "deb y 1-1"},
		`,{"type":"Relationship","relationshipType":"generates","from":"x","to":["y"]}`:                                                        {"deb y 1-1"},
		`,{"type":"Relationship","relationshipType":"dependsOn","from":"x","to":["y"]}`:                                                        {"deb x 1-1", "deb y 1-1"},
		`,{"type":"LifecycleScopedRelationship","scope":"build","relationshipType":"dependsOn","from":"x","to":["y"]}`:                         {"deb x 1-1"},
		`,{"type":"LifecycleScopedRelationship","scope":"runtime","relationshipType":"dependsOn","from":"x","to":["y"]}`:                       {"deb x 1-1", "deb y 1-1"},
		`,{"type":"Relationship","relationshipType":"usesTool","from":{"spdxId":"x","type":"software_Package"},"to":"y"}`:                      {"deb x 1-1"},
		`,{"type":"software_Package","spdxId":"z","name":"z","software_primaryPurpose":"source","software_packageUrl":"pkg:deb/debian/z@1-1"}`: {"deb x 1-1", "deb y 1-1"},
		`,{"type":"software_Package","spdxId":"z","name":"debian","software_packageVersion":"12","software_primaryPurpose":"operatingSystem"}`: {"deb x 1-1", "deb y 1-1"},
	} {
		if diff := cmp.Diff(want, listed(decode(t, []byte(graph(relation)), "x"))); diff != "" {
			t.Errorf("%s: packages (-want +got):\n%s", relation, diff)
		}
	}
	if doc := decode(t, read(t, "syft-3.0.spdx.json"), "3.0"); doc.Tool != "syft v1.51.0" || doc.Created.IsZero() || doc.Format != sbom.SPDX {
		t.Errorf("tool %q, created %v, format %s", doc.Tool, doc.Created, doc.Format)
	}
}
