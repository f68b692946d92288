package format

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	v23 "github.com/spdx/tools-golang/spdx/v2/v2_3/tagvalue/reader"
	"github.com/spdx/tools-golang/tagvalue/reader"
)

// decodeSPDXTagValue reads all versions with the library's reader for 2.3, a
// superset of 2.2.
func decodeSPDXTagValue(r io.Reader) (*inventory, error) {
	pairs, err := tagValues(r)
	if err != nil {
		return nil, err
	}
	doc, err := v23.ParseTagValues(pairs)
	if err != nil {
		return nil, err
	}
	s := spdxDocument{Name: doc.DocumentName}
	if info := doc.CreationInfo; info != nil {
		s.CreationInfo.Created = info.Created
		for _, c := range info.Creators {
			s.CreationInfo.Creators = append(s.CreationInfo.Creators, c.CreatorType+": "+c.Creator)
		}
	}
	for _, p := range doc.Packages {
		s.addTagValue(p)
	}
	for _, f := range doc.Files {
		s.Files = append(s.Files, spdxFile{ref(f.FileSPDXIdentifier), f.FileName})
	}
	for _, r := range doc.Relationships {
		s.Relationships = append(s.Relationships, spdxRelationship{docRef(r.RefA), docRef(r.RefB), r.Relationship})
	}
	s.annotate(doc.Annotations)
	return s.inventory()
}

func ref(id common.ElementID) string       { return "SPDXRef-" + string(id) }
func docRef(id common.DocElementID) string { return ref(id.ElementRefID) }

func (s *spdxDocument) addTagValue(p *v2_3.Package) {
	out := spdxPackage{
		ID: ref(p.PackageSPDXIdentifier), Name: p.PackageName, Version: p.PackageVersion,
		SourceInfo: p.PackageSourceInfo, Purpose: p.PrimaryPackagePurpose, Attributions: p.PackageAttributionTexts,
	}
	for _, r := range p.PackageExternalReferences {
		out.ExternalRefs = append(out.ExternalRefs, spdxExternalRef{r.RefType, r.Locator})
	}
	for _, f := range p.Files {
		s.Files = append(s.Files, spdxFile{ref(f.FileSPDXIdentifier), f.FileName})
		out.HasFiles = append(out.HasFiles, ref(f.FileSPDXIdentifier))
	}
	s.Packages = append(s.Packages, out)
}

func (s *spdxDocument) annotate(all []*v2_3.Annotation) {
	place := make(map[string]*[]spdxAnnotation, len(s.Packages)+1)
	for i := range s.Packages {
		place[s.Packages[i].ID] = &s.Packages[i].Annotations
	}
	place["SPDXRef-DOCUMENT"] = &s.Annotations
	for _, a := range all {
		if of := place[docRef(a.AnnotationSPDXIdentifier)]; of != nil {
			*of = append(*of, spdxAnnotation{a.AnnotationComment})
		}
	}
}

const (
	maxText  = 1 << 20 // limit on a line, and on a value in <text>
	maxLines = 1 << 22
)

// tagValues splits the lines into pairs. The library's own function takes quadratic
// time for long texts and does not limit the number of lines.
func tagValues(r io.Reader) ([]reader.TagValuePair, error) {
	var pairs []reader.TagValuePair
	var text *strings.Builder // a value that continues over several lines
	said := map[string]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxText)
	for n := 1; lines.Scan(); n++ {
		if n > maxLines {
			return nil, fmt.Errorf("more than %d lines", maxLines)
		}
		line := lines.Text()
		if !utf8.ValidString(line) {
			return nil, fmt.Errorf("line %d is not UTF-8", n)
		}
		if text == nil {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			tag, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("line %d has no colon", n)
			}
			tag = strings.TrimSpace(tag)
			if err := checkRepeated(said, tag, n); err != nil {
				return nil, err
			}
			pairs = append(pairs, reader.TagValuePair{Tag: tag})
			if _, line, ok = strings.Cut(value, "<text>"); !ok {
				pairs[len(pairs)-1].Value = strings.TrimSpace(value)
				continue
			}
			text = &strings.Builder{}
		}
		before, _, ends := strings.Cut(line, "</text>")
		text.WriteString(before)
		if ends {
			pairs[len(pairs)-1].Value, text = text.String(), nil
			continue
		}
		if text.WriteByte('\n'); text.Len() > maxText {
			return nil, fmt.Errorf("line %d: text is longer than %d bytes", n, maxText)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if text != nil {
		return nil, io.ErrUnexpectedEOF
	}
	return pairs, nil
}

// checkRepeated returns an error if a tag that may occur once in a section is
// repeated. The map holds the tags of the current section.
func checkRepeated(said map[string]bool, tag string, line int) error {
	switch tag {
	case "PackageName", "FileName", "LicenseID", "SnippetSPDXID":
		clear(said)
	case "SPDXVersion", "SPDXID", "DocumentName", "Created", "PackageVersion", "PackageSourceInfo", "PrimaryPackagePurpose":
		if said[tag] {
			return fmt.Errorf("line %d repeats %s", line, tag)
		}
		said[tag] = true
	}
	return nil
}
