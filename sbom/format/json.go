package format

import (
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// readJSON reads one JSON value as a stream. The library returns an error for
// duplicate keys and for nesting deeper than 10,000, also in skipped values;
// readJSON limits the number of elements.
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
		return errors.ErrUnsupported // continue with the default unmarshaler
	})
}

// formatKeys are the keys that identify a format.
type formatKeys struct {
	BOMFormat   string `json:"bomFormat" xml:"-"`
	SPDXVersion string `json:"spdxVersion" xml:"-"`
}

func (m formatKeys) checkFormat(f sbom.Format) error {
	if m.BOMFormat != "" && f != sbom.CycloneDX || m.SPDXVersion != "" && f != sbom.SPDX {
		return errors.New("it also has the key of another format")
	}
	return nil
}

// texts is a list of strings. Some versions write it as one string with spaces.
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

// factNames are the names of facts in documents written by Encode.
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
