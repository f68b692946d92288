package format_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// FuzzDecode: any input gives a document in order, which survives a round trip, or
// an error that names the source.
func FuzzDecode(f *testing.F) {
	for _, tt := range documents {
		if content := read(f, tt.file); len(content) < 3_000 { // large seeds are slow to vary
			f.Add(content)
		}
	}
	for _, of := range formats {
		f.Add([]byte(one(of, `{"type":"library","name":"a","version":"1","purl":"pkg:deb/a@1"}`)))
	}
	f.Add([]byte(one(sbom.CycloneDX, `{"type":"library","properties":[{"name":"syft:metadata:files:0:path","value":"/a"},{"name":"baseplan:known","value":"files"}],"components":[{"type":"file","name":"/b"}]}`)))
	f.Add([]byte(one(sbom.Syft, `{"id":"1","name":"a","version":"1:2-3","type":"rpm","metadata":{"epoch":1,"sourceRpm":"a-2-3.src.rpm","provides":["b = 1"],"files":[{"path":"/a"}]},"baseplan":{"known":["arch"]}}`)))
	f.Add([]byte(one(sbom.SPDX, `{"SPDXID":"SPDXRef-1","name":"a","hasFiles":["SPDXRef-2"],"annotations":[{"comment":"baseplan: {\"known\":[],\"type\":\"apk\"}"}]}],"files":[{"SPDXID":"SPDXRef-2","fileName":"./a"}`)))
	f.Add([]byte(xmlBOM + `<components><component type="library"><name>a</name><purl>pkg:apk/a@1</purl></component></components></bom>`))
	f.Add(read(f, "faults/lone-surrogate.cdx.json"))
	f.Add([]byte(`{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{"type":"software_Package","spdxId":"a","name":"a","software_packageUrl":"pkg:deb/a@1"},
		{"type":"Relationship","relationshipType":"contains","from":{"spdxId":"b"},"to":["a"]},{"type":"SpdxDocument","rootElement":["b"]}]}`))
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"eyJwcmVkaWNhdGUiOnsic3BkeFZlcnNpb24iOiJTUERYLTIuMyJ9fQ=="}`))
	f.Add([]byte(`{"_type":"x","subject":[{"digest":{"sha256":"00"}}],"predicate":{"Data":"SPDXVersion: SPDX-2.1\n"}}`))
	f.Add([]byte("\ufeff" + `{"sbom":` + one(sbom.SPDX, "") + `}`))
	f.Add([]byte(zipped(one(sbom.CycloneDX, ""))))
	f.Add([]byte(zstandard(one(sbom.Syft, ""))))
	f.Add([]byte(one(sbom.Syft, `{"name":"a","type":"deb","locations":[{"path":"/x/var/lib/dpkg/status"}]}`)))
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"a","name":"a","primaryPackagePurpose":"CONTAINER"},{"SPDXID":"b","name":"b"}],"relationships":[
		{"spdxElementId":"b","relationshipType":"DESCRIBES","relatedSpdxElement":"b"},{"spdxElementId":"a","relationshipType":"CONTAINS","relatedSpdxElement":"b"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		doc, err := format.Decode(bytes.NewReader(content), "the source")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading SBOM the source: ") {
				t.Errorf("error %q does not name the source", err)
			}
			return
		}
		if of, err := format.Identify(content); err != nil || of != doc.Format {
			t.Errorf("Identify: %v, %v, but Decode: %v", of, err, doc.Format)
		}
		if !slices.IsSortedFunc(doc.Packages, sbom.Compare) {
			t.Error("packages are not sorted")
		}
		for _, p := range doc.Packages {
			if p.Name == "" || !slices.IsSorted(p.Files) {
				t.Errorf("package %+v has no name or unsorted files", p)
			}
		}
		for _, of := range formats {
			var b bytes.Buffer
			if err := format.Encode(&b, doc, of); err != nil {
				t.Fatal(err)
			}
			again, err := format.Decode(&b, "encoded")
			if err != nil {
				t.Fatalf("as %s: %v", of, err)
			}
			if diff := cmp.Diff(names(doc), names(again)); diff != "" {
				t.Errorf("as %s, packages (-was +is):\n%s", of, diff)
			}
		}
	})
}

func names(doc *sbom.Document) []string {
	var all []string
	for _, p := range doc.Packages {
		all = append(all, strings.ToValidUTF8(string(p.Type)+" "+p.Name, "\ufffd"))
	}
	return all
}
