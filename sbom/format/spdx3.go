package format

import (
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// A spdx3Document has the parts of SPDX 3 that are read: a graph of elements.
type spdx3Document struct {
	formatKeys
	Context jsontext.Value `json:"@context"`
	Graph   []spdx3Element `json:"@graph"`
}

// A spdx3Element is an element of any class, which Type names.
type spdx3Element struct {
	Type        string            `json:"type"`
	ID          string            `json:"spdxId"`
	Name        string            `json:"name"`
	Version     string            `json:"software_packageVersion"`
	PURL        string            `json:"software_packageUrl"`
	Purpose     string            `json:"software_primaryPurpose"`
	SourceInfo  string            `json:"software_sourceInfo"`
	Identifiers []spdx3Identifier `json:"externalIdentifier"`
	Created     string            `json:"created"`
	Roots       spdx3Refs         `json:"rootElement"`
	Kind        string            `json:"relationshipType"`
	Scope       string            `json:"scope"`
	From        spdx3Refs         `json:"from"`
	To          spdx3Refs         `json:"to"`
}

type spdx3Identifier struct {
	Type       string `json:"externalIdentifierType"`
	Identifier string `json:"identifier"`
}

// spdx3Refs are identifiers of elements: one or a list. An element written in place
// of its identifier counts as its identifier.
type spdx3Refs []string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (r *spdx3Refs) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '[':
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		for d.PeekKind() != ']' {
			if err := r.add(d); err != nil {
				return err
			}
		}
		_, err := d.ReadToken()
		return err
	case 'n':
		return d.SkipValue()
	}
	return r.add(d)
}

func (r *spdx3Refs) add(d *jsontext.Decoder) error {
	if d.PeekKind() == '{' {
		var element struct {
			ID string `json:"spdxId"`
		}
		err := json.UnmarshalDecode(d, &element)
		*r = append(*r, element.ID)
		return err
	}
	token, err := d.ReadToken()
	if err == nil && token.Kind() != '"' {
		err = errors.New("a reference is neither an identifier nor an element")
	}
	if err == nil {
		*r = append(*r, token.String())
	}
	return err
}

func decodeSPDX3(r io.Reader) (*inventory, error) {
	var s spdx3Document
	if err := readJSON(r, &s); err != nil {
		return nil, err
	}
	if err := s.checkFormat(sbom.SPDX); err != nil {
		return nil, err
	}
	return s.toSPDX2().inventory()
}

// toSPDX2 converts the document to SPDX 2.
func (s *spdx3Document) toSPDX2() *spdxDocument {
	var out spdxDocument
	roots := map[string]spdx3Refs{}
	var about spdx3Refs
	for i := range s.Graph {
		e := &s.Graph[i]
		switch e.Type {
		case "SpdxDocument":
			out.Name, about = e.Name, append(about, e.Roots...)
		case "software_Sbom", "Bom", "Bundle":
			roots[e.ID] = e.Roots
		case "CreationInfo":
			if out.CreationInfo.Created == "" {
				out.CreationInfo.Created = e.Created
			}
		case "Tool":
			out.CreationInfo.Creators = append(out.CreationInfo.Creators, "Tool: "+e.Name)
		case "software_Package":
			out.Packages = append(out.Packages, e.pkg())
		case "software_File":
			out.Files = append(out.Files, spdxFile{e.ID, e.Name})
		case "Relationship", "LifecycleScopedRelationship":
			out.Relationships = append(out.Relationships, e.relationships()...)
		}
	}
	for _, id := range about {
		if inner, ok := roots[id]; ok {
			out.Describes = append(out.Describes, inner...)
		} else {
			out.Describes = append(out.Describes, id)
		}
	}
	return &out
}

func (e *spdx3Element) pkg() spdxPackage {
	p := spdxPackage{ID: e.ID, Name: e.Name, Version: e.Version, SourceInfo: e.SourceInfo, Purpose: strings.ToUpper(e.Purpose)}
	if e.Purpose == "operatingSystem" {
		p.Purpose = "OPERATING-SYSTEM"
	}
	if e.PURL != "" {
		p.ExternalRefs = append(p.ExternalRefs, spdxExternalRef{"purl", e.PURL})
	}
	for _, id := range e.Identifiers {
		if strings.EqualFold(id.Type, "packageUrl") {
			p.ExternalRefs = append(p.ExternalRefs, spdxExternalRef{"purl", id.Identifier})
		}
	}
	return p
}

// relationships returns one SPDX 2 relationship for each target. Build, test and
// optional dependencies point the other way in SPDX 2.
func (e *spdx3Element) relationships() []spdxRelationship {
	var kind string
	var turned bool
	switch e.Kind {
	case "contains":
		kind = "CONTAINS"
	case "describes":
		kind = "DESCRIBES"
	case "generates":
		kind = "GENERATES"
	case "usesTool":
		kind, turned = "BUILD_TOOL_OF", true
	case "hasOptionalComponent", "hasOptionalDependency":
		kind, turned = "OPTIONAL_DEPENDENCY_OF", true
	case "hasProvidedDependency":
		kind, turned = "PROVIDED_DEPENDENCY_OF", true
	case "dependsOn":
		if e.Scope == "" || e.Scope == "runtime" {
			return nil
		}
		kind, turned = "BUILD_DEPENDENCY_OF", true
	default:
		return nil
	}
	var all []spdxRelationship
	for _, from := range e.From {
		for _, to := range e.To {
			if turned {
				all = append(all, spdxRelationship{From: to, To: from, Type: kind})
			} else {
				all = append(all, spdxRelationship{From: from, To: to, Type: kind})
			}
		}
	}
	return all
}
