package format

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/baseplan/baseplan/sbom"
)

// A spdxDocument has the parts of SPDX 2 that are read.
type spdxDocument struct {
	formatKeys
	Name         string `json:"name"`
	CreationInfo struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	} `json:"creationInfo"`
	Packages      []spdxPackage      `json:"packages"`
	Files         []spdxFile         `json:"files"`
	Relationships []spdxRelationship `json:"relationships"`
	Describes     []string           `json:"documentDescribes"`
	Annotations   []spdxAnnotation   `json:"annotations"`
}

type spdxPackage struct {
	ID           string            `json:"SPDXID"`
	Name         string            `json:"name"`
	Version      string            `json:"versionInfo"`
	SourceInfo   string            `json:"sourceInfo"`
	Attributions []string          `json:"attributionTexts"`
	Purpose      string            `json:"primaryPackagePurpose"`
	ExternalRefs []spdxExternalRef `json:"externalRefs"`
	HasFiles     []string          `json:"hasFiles"`
	Annotations  []spdxAnnotation  `json:"annotations"`
}

type spdxExternalRef struct {
	Type    string `json:"referenceType"`
	Locator string `json:"referenceLocator"`
}

type spdxFile struct {
	ID   string `json:"SPDXID"`
	Name string `json:"fileName"`
}

type spdxRelationship struct {
	From string `json:"spdxElementId"`
	To   string `json:"relatedSpdxElement"`
	Type string `json:"relationshipType"`
}

type spdxAnnotation struct {
	Comment string `json:"comment"`
}

func decodeSPDX(r io.Reader) (*inventory, error) {
	var s spdxDocument
	if err := readJSON(r, &s); err != nil {
		return nil, err
	}
	if err := s.checkFormat(sbom.SPDX); err != nil {
		return nil, err
	}
	return s.inventory()
}

func (s *spdxDocument) inventory() (*inventory, error) {
	in := &inventory{doc: sbom.Document{Subject: s.Name, Created: parseTime(s.CreationInfo.Created)}}
	for _, c := range s.CreationInfo.Creators {
		if tool, ok := strings.CutPrefix(c, "Tool: "); ok && in.doc.Tool == "" {
			in.doc.Tool = spdxTool(tool)
		}
	}
	if err := in.readAnnotations(s.Annotations); err != nil {
		return nil, err
	}
	related, err := s.relations()
	if err != nil {
		return nil, err
	}
	path := make(map[string]string, len(s.Files))
	for _, f := range s.Files {
		path[f.ID] = f.Name
		in.doc.Files = append(in.doc.Files, f.Name) // files with an owner are removed later
	}
	for i := range s.Packages {
		p := &s.Packages[i]
		c, err := p.claim()
		if err != nil {
			return nil, err
		}
		if p.isRoot(c, related) {
			if related.describes(p.ID) {
				in.addAbout(p.about())
			}
			if p.Purpose == "OPERATING-SYSTEM" || strings.HasPrefix(p.ID, "SPDXRef-OperatingSystem") {
				in.doc.Distro = sbom.Distro{ID: distroID(p.Name), Version: p.Version}
			}
			continue
		}
		if related.notInstalled[p.ID] || p.Purpose == "SOURCE" {
			continue
		}
		for _, id := range related.owned[p.ID] {
			c.files = append(c.files, path[id])
		}
		in.claims = append(in.claims, c)
	}
	return in, nil
}

// isRoot reports whether the package represents the image as a whole or its
// operating system.
func (p *spdxPackage) isRoot(c claim, related *spdxRelations) bool {
	switch p.Purpose {
	case "CONTAINER", "OPERATING-SYSTEM", "OPERATING_SYSTEM":
		return true
	}
	for _, prefix := range []string{"SPDXRef-DocumentRoot", "SPDXRef-ContainerImage", "SPDXRef-OperatingSystem"} {
		if strings.HasPrefix(p.ID, prefix) {
			return true
		}
	}
	return !c.exact && (related.described[p.ID] && c.purl == "" || related.describes(p.ID) && isImagePURL(c.purl))
}

func (p *spdxPackage) claim() (claim, error) {
	c := claim{name: p.Name, version: p.Version}
	for _, ref := range p.ExternalRefs {
		if c.purl == "" && (ref.Type == "purl" || strings.HasSuffix(ref.Type, "/purl")) {
			c.purl = ref.Locator
		}
	}
	if found, ok := strings.CutPrefix(p.SourceInfo, "acquired package info from "); ok { // Syft
		by, places, _ := strings.Cut(found, ": ")
		c.notInstalled = by == "SBOM" || places != "" && outsideDatabases(strings.Split(places, ", "))
	}
	if built, ok := strings.CutPrefix(p.SourceInfo, "built package from: "); ok { // Trivy
		c.source = parseSource(built)
		if strings.HasPrefix(c.purl, "pkg:rpm/") {
			c.source.Version = strings.TrimPrefix(c.source.Version, sbom.ParseEVR(sbom.RPM, c.source.Version).Epoch+":")
		}
	}
	return c, c.readAnnotations(p.Annotations)
}

// A note is the JSON in an annotation for what SPDX has no field for.
type note struct {
	Known    []string     `json:"known"`
	Type     string       `json:"type,omitzero"`
	Arch     string       `json:"arch,omitzero"`
	Source   *sbom.Source `json:"source,omitzero"`
	Provides []string     `json:"provides,omitempty"`
	Absent   []string     `json:"absent,omitempty"`
}

// A documentNote is a note on the document.
type documentNote struct {
	Tool      string     `json:"tool,omitzero"`
	Subject   string     `json:"subject,omitzero"`
	Distro    syftDistro `json:"distro"`
	Databases []string   `json:"databases,omitempty"`
	Unready   []string   `json:"unready,omitempty"`
}

// notePrefix is the prefix of annotations written by Encode.
const notePrefix = "baseplan: "

func (c *claim) readAnnotations(all []spdxAnnotation) error {
	for _, a := range all {
		text, ok := strings.CutPrefix(a.Comment, notePrefix)
		if !ok {
			continue
		}
		var n note
		if err := json.Unmarshal([]byte(text), &n, lenient); err != nil {
			return errors.Join(fmt.Errorf("reading annotation of package %s", clip(c.name)), err)
		}
		c.known, c.exact = parseFacts(n.Known), true
		c.kind, c.arch, c.provide, c.absent = n.Type, n.Arch, n.Provides, n.Absent
		if n.Source != nil {
			c.source = *n.Source
		}
	}
	return nil
}

func (in *inventory) readAnnotations(all []spdxAnnotation) error {
	for _, a := range all {
		text, ok := strings.CutPrefix(a.Comment, notePrefix)
		if !ok {
			continue
		}
		var n documentNote
		if err := json.Unmarshal([]byte(text), &n, lenient); err != nil {
			return fmt.Errorf("reading annotation of the document: %w", err)
		}
		in.doc.Tool, in.doc.Subject = n.Tool, n.Subject
		in.doc.Distro, in.doc.Databases = n.Distro.distro(schemaVersion(writtenSchema.Version)), n.Databases
		in.doc.Unready = parseUnready(n.Unready)
	}
	return nil
}

// spdxTool parses "syft-1.51.0". The part after the last hyphen is a version if it
// starts with a digit or "v".
func spdxTool(s string) string {
	i := strings.LastIndexByte(s, '-')
	if i > 0 && i+1 < len(s) && (s[i+1] >= '0' && s[i+1] <= '9' || s[i+1] == 'v') {
		return s[:i] + " " + s[i+1:]
	}
	return s
}
