package format

import (
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// readJSON reads one JSON value as a stream. Keys that stand twice in an object
// and nesting deeper than 10,000 are errors of the library, here and in what is
// skipped; the elements that the document may have in all are counted here.
func readJSON(r io.Reader, doc any) error {
	left := maxElements
	counters := json.JoinUnmarshalers(
		counted[cdxComponent](&left), counted[spdxPackage](&left), counted[spdxFile](&left), counted[spdxRelationship](&left), counted[spdx3Element](&left),
		counted[syftArtifact](&left), counted[syftFile](&left), counted[syftRelationship](&left))
	return json.UnmarshalRead(r, doc, json.WithUnmarshalers(counters), lenient)
}

func counted[T any](left *int) *json.Unmarshalers {
	return json.UnmarshalFromFunc(func(*jsontext.Decoder, *T) error {
		if *left--; *left < 0 {
			return errTooMany
		}
		return errors.ErrUnsupported // go on as without this function
	})
}

// marks are the keys by which formats are known. A document has those of one.
type marks struct {
	BOMFormat   string `json:"bomFormat" xml:"-"`
	SPDXVersion string `json:"spdxVersion" xml:"-"`
}

func (m marks) of(f sbom.Format) error {
	if m.BOMFormat != "" && f != sbom.CycloneDX || m.SPDXVersion != "" && f != sbom.SPDX {
		return errors.New("it also has the mark of another format")
	}
	return nil
}

// texts is a list of strings that some versions write as one string with blanks.
type texts []string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (t *texts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		token, err := d.ReadToken()
		*t = strings.Fields(token.String())
		return err
	}
	return json.UnmarshalDecode(d, (*[]string)(t))
}

// factNames are the names of facts in documents that Encode writes.
var factNames = []struct {
	fact sbom.Facts
	name string
}{{sbom.Files, "files"}, {sbom.Virtual, "virtual"}, {sbom.Upstream, "upstream"}, {sbom.Arch, "arch"}, {sbom.Presence, "presence"}}

func formatFacts(f sbom.Facts) []string {
	names := []string{}
	for _, n := range factNames {
		if f.Has(n.fact) {
			names = append(names, n.name)
		}
	}
	return names
}

func parseFacts(names []string) (f sbom.Facts) {
	for _, n := range factNames {
		for _, name := range names {
			if name == n.name {
				f |= n.fact
			}
		}
	}
	return f
}
