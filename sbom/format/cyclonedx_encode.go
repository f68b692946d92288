package format

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"github.com/baseplan/baseplan/sbom"
)

func encodeCycloneDX(w io.Writer, doc *sbom.Document) error {
	bom := &cyclonedx.BOM{
		JSONSchema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
		BOMFormat:  "CycloneDX", SpecVersion: cyclonedx.SpecVersion1_6, Version: 1,
		Metadata: cdxMetadataOf(doc),
	}
	components := make([]cyclonedx.Component, 0, len(doc.Packages)+len(doc.Files)+1)
	for _, p := range doc.Packages {
		components = append(components, componentOf(p))
	}
	if os, ok := osComponent(doc.Distro); ok {
		components = append(components, os)
	}
	for _, f := range doc.Files {
		components = append(components, cyclonedx.Component{BOMRef: id("file", f), Type: cyclonedx.ComponentTypeFile, Name: f})
	}
	bom.Components = &components
	var err error
	if bom.SerialNumber, err = serialNumber(doc); err != nil {
		return err
	}
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).Encode(bom)
}

// serialNumber returns a UUID of version 8 (RFC 9562), the hash of the whole
// document. It hashes the Syft JSON because that is the fastest to write.
func serialNumber(doc *sbom.Document) (string, error) {
	h := sha256.New()
	if err := encodeSyft(h, doc); err != nil {
		return "", err
	}
	u := h.Sum(nil)
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16]), nil
}

func cdxMetadataOf(doc *sbom.Document) *cyclonedx.Metadata {
	var m cyclonedx.Metadata
	if !doc.Created.IsZero() {
		m.Timestamp = doc.Created.UTC().Format(time.RFC3339Nano)
	}
	if name, version := splitTool(doc.Tool); name != "" {
		m.Tools = &cyclonedx.ToolsChoice{Components: &[]cyclonedx.Component{{Type: cyclonedx.ComponentTypeApplication, Name: name, Version: version}}}
	}
	if doc.Subject != "" {
		m.Component = &cyclonedx.Component{BOMRef: id("subject", doc.Subject), Type: cyclonedx.ComponentTypeContainer, Name: doc.Subject}
	}
	var ps properties
	ps.addList("baseplan:database", doc.Databases, "")
	ps.addList("baseplan:unready", formatUnready(doc), "")
	m.Properties = ps.pointer()
	return &m
}

// osComponent writes the distribution as Syft does.
func osComponent(d sbom.Distro) (c cyclonedx.Component, ok bool) {
	if d.ID == "" {
		return c, false
	}
	var ps properties
	ps.add("syft:distro:id", d.ID)
	ps.addList("syft:distro:idLike", d.IDLike, "")
	ps.add("syft:distro:prettyName", d.Name)
	ps.add("syft:distro:versionID", d.Version)
	return cyclonedx.Component{
		BOMRef: "os:" + d.ID + "@" + d.Version, Type: cyclonedx.ComponentTypeOS, Name: d.ID, Version: d.Version, Description: d.Name,
		SWID: &cyclonedx.SWID{TagID: d.ID, Name: d.ID, Version: d.Version}, Properties: ps.pointer(),
	}, true
}

// componentOf writes a package as Syft does. Facts for which Syft has no property
// get properties that start with "baseplan:".
func componentOf(p sbom.Package) cyclonedx.Component {
	var ps properties
	ps.add("syft:package:type", syftType(p.Type))
	ps.add("syft:package:metadataType", metadataTypes[p.Type])
	source := p.Source
	switch p.Type {
	case sbom.Deb:
		ps.add("syft:metadata:source", source.Name)
		ps.add("syft:metadata:sourceVersion", source.Version)
		source = sbom.Source{}
	case sbom.APK:
		if source.Version == "" {
			ps.add("syft:metadata:originPackage", source.Name)
			source = sbom.Source{}
		}
	case sbom.RPM:
		ps.add("syft:metadata:epoch", p.EVR().Epoch)
		ps.add("syft:metadata:release", p.EVR().Release)
		if file := sourceRPM(source); file != "" {
			ps.add("syft:metadata:sourceRpm", file)
			source = sbom.Source{}
		}
	}
	ps.addList("syft:metadata:provides", formatProvides(p), "")
	ps.addList("syft:metadata:files", p.Files, ":path")
	ps.addList("baseplan:absent", p.Absent, "")
	ps.add("baseplan:arch", p.Arch)
	ps.add("baseplan:source", formatSource(source))
	ps.add("baseplan:known", formatKnown(p.Known))
	return cyclonedx.Component{
		BOMRef: packageID(p), Type: cyclonedx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: p.PURL, Properties: ps.pointer(),
	}
}

type properties []cyclonedx.Property

func (ps *properties) add(name, value string) {
	if value != "" {
		*ps = append(*ps, cyclonedx.Property{Name: name, Value: value})
	}
}

func (ps *properties) addList(name string, values []string, suffix string) {
	for i, v := range values {
		ps.add(name+":"+strconv.Itoa(i)+suffix, v)
	}
}

func (ps properties) pointer() *[]cyclonedx.Property {
	if len(ps) == 0 {
		return nil
	}
	list := []cyclonedx.Property(ps)
	return &list
}

// formatKnown returns the facts as a string that is never empty.
func formatKnown(f sbom.Facts) string {
	if names := formatFacts(f); len(names) > 0 {
		return strings.Join(names, " ")
	}
	return "nothing"
}

// formatSource returns "name version".
func formatSource(s sbom.Source) string { return strings.TrimSpace(s.Name + " " + s.Version) }

func parseSource(s string) sbom.Source {
	name, version, _ := strings.Cut(s, " ")
	return sbom.Source{Name: name, Version: version}
}
