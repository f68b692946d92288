package format

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/baseplan/baseplan/sbom"
)

const (
	noAssertion = "NOASSERTION"
	noSubject   = "image" // DocumentName is required
	ourTool     = "baseplan"
)

func encodeSPDX(w io.Writer, doc *sbom.Document) error {
	out, err := spdxOf(doc)
	if err != nil {
		return err
	}
	if out.DocumentNamespace, err = serialNumber(doc); err != nil {
		return err
	}
	return spdxjson.Write(out, w, spdxjson.EscapeHTML(false))
}

func spdxOf(doc *sbom.Document) (*v2_3.Document, error) {
	created := doc.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	a := annotator{created.UTC().Format(time.RFC3339Nano)}
	tool, name := strings.ReplaceAll(doc.Tool, " ", "-"), doc.Subject
	if tool == "" {
		tool = ourTool
	}
	if name == "" {
		name = noSubject
	}
	out := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: name,
		CreationInfo: &v2_3.CreationInfo{Created: a.date, Creators: []common.Creator{{CreatorType: "Tool", Creator: tool}}},
	}
	n, err := a.note(documentNote{doc.Tool, doc.Subject, syftDistroOf(doc.Distro), doc.Databases, formatUnready(doc)})
	if err != nil {
		return nil, err
	}
	out.Annotations = []*v2_3.Annotation{&n}
	root := &v2_3.Package{
		PackageName: name, PackageSPDXIdentifier: common.ElementID("DocumentRoot-" + id("subject", name)), PrimaryPackagePurpose: "CONTAINER",
		PackageDownloadLocation: noAssertion, PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
	}
	out.Packages = []*v2_3.Package{root}
	out.Relationships = []*v2_3.Relationship{relationship("DOCUMENT", common.TypeRelationshipDescribe, root.PackageSPDXIdentifier)}
	listed := map[string]bool{}
	addFile := func(path string) {
		if !listed[path] {
			listed[path] = true
			out.Files = append(out.Files, spdxFileOf(path))
		}
	}
	for _, p := range doc.Packages {
		sp, err := a.spdxPackage(p)
		if err != nil {
			return nil, err
		}
		out.Packages = append(out.Packages, sp)
		out.Relationships = append(out.Relationships, relationship(root.PackageSPDXIdentifier, common.TypeRelationshipContains, sp.PackageSPDXIdentifier))
		for _, f := range p.Files {
			addFile(f)
			out.Relationships = append(out.Relationships, relationship(sp.PackageSPDXIdentifier, common.TypeRelationshipContains, fileID(f)))
		}
	}
	for _, f := range doc.Files {
		addFile(f)
	}
	return out, nil
}

func relationship(from common.ElementID, kind string, to common.ElementID) *v2_3.Relationship {
	return &v2_3.Relationship{RefA: common.DocElementID{ElementRefID: from}, Relationship: kind, RefB: common.DocElementID{ElementRefID: to}}
}

func fileID(path string) common.ElementID { return common.ElementID("File-" + id("file", path)) }

// spdxFileOf writes a file as Syft does if the content is unknown: SPDX requires a
// checksum.
func spdxFileOf(path string) *v2_3.File {
	return &v2_3.File{
		FileName: strings.TrimPrefix(path, "/"), FileSPDXIdentifier: fileID(path),
		Checksums:        []common.Checksum{{Algorithm: common.SHA1, Value: strings.Repeat("0", 40)}},
		LicenseConcluded: noAssertion, LicenseInfoInFiles: []string{noAssertion}, FileCopyrightText: noAssertion,
	}
}

// An annotator creates annotations with one date.
type annotator struct{ date string }

func (a annotator) note(v any) (v2_3.Annotation, error) {
	text, err := json.Marshal(v, writeOptions)
	return v2_3.Annotation{
		Annotator: common.Annotator{AnnotatorType: "Tool", Annotator: ourTool}, AnnotationDate: a.date, AnnotationType: "OTHER",
		AnnotationComment: notePrefix + string(text),
	}, err
}

func (a annotator) spdxPackage(p sbom.Package) (*v2_3.Package, error) {
	facts := note{Known: formatFacts(p.Known), Type: string(p.Type), Arch: p.Arch, Provides: formatProvides(p), Absent: p.Absent}
	if p.Source != (sbom.Source{}) {
		facts.Source = &p.Source
	}
	n, err := a.note(facts)
	if err != nil {
		return nil, err
	}
	out := &v2_3.Package{
		PackageName: p.Name, PackageVersion: p.Version,
		PackageSPDXIdentifier:   common.ElementID(fmt.Sprintf("Package-%s-%s", elementID(string(p.Type)+"-"+p.Name), packageID(p))),
		PackageDownloadLocation: noAssertion, PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
		Annotations: []v2_3.Annotation{n},
	}
	if p.PURL != "" {
		out.PackageExternalReferences = []*v2_3.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: p.PURL}}
	}
	return out, nil
}

// elementID replaces characters that SPDX identifiers may not have.
func elementID(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, s)
}
