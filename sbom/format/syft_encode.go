package format

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// writtenSchema is the version of Syft's schema that is written.
var writtenSchema = schema{
	Version: "16.1.10",
	URL:     "https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-16.1.10.json",
}

// writeOptions sorts keys and writes U+FFFD for invalid UTF-8, which file names may
// contain.
var writeOptions = json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true))

// A writtenArtifact has all that Syft's schema requires of a package.
type writtenArtifact struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Type         string            `json:"type"`
	FoundBy      string            `json:"foundBy"`
	Locations    []string          `json:"locations"`
	Licenses     []string          `json:"licenses"`
	Language     string            `json:"language"`
	CPEs         []string          `json:"cpes"`
	PURL         string            `json:"purl"`
	MetadataType string            `json:"metadataType,omitzero"`
	Metadata     map[string]any    `json:"metadata,omitempty"`
	Baseplan     *syftPackageExtra `json:"baseplan"`
}

type writtenDocument struct {
	Artifacts     []writtenArtifact  `json:"artifacts"`
	Relationships []syftRelationship `json:"artifactRelationships"`
	Files         []syftFile         `json:"files,omitempty"`
	Source        syftSource         `json:"source"`
	Distro        syftDistro         `json:"distro"`
	Descriptor    syftDescriptor     `json:"descriptor"`
	Schema        schema             `json:"schema"`
	Baseplan      *syftDocumentExtra `json:"baseplan,omitzero"`
}

func encodeSyft(w io.Writer, doc *sbom.Document) error {
	name, version := splitTool(doc.Tool)
	out := writtenDocument{
		Source:     syftSource{Name: doc.Subject, Metadata: jsontext.Value("null")},
		Distro:     syftDistroOf(doc.Distro),
		Descriptor: syftDescriptor{Name: name, Version: version},
		Schema:     writtenSchema,
	}
	if !doc.Created.IsZero() || len(doc.Databases) > 0 || len(doc.Unready) > 0 {
		out.Baseplan = &syftDocumentExtra{doc.Created.UTC(), doc.Databases, formatUnready(doc)}
	}
	if doc.Subject != "" {
		out.Source.ID, out.Source.Type = id(doc.Subject), "image"
		metadata, err := json.Marshal(map[string]string{"userInput": doc.Subject}, writeOptions)
		if err != nil {
			return err
		}
		out.Source.Metadata = metadata
	}
	for _, f := range doc.Files {
		out.Files = append(out.Files, syftFile{id("file", f), syftPath{f}})
	}
	for _, p := range doc.Packages {
		out.Artifacts = append(out.Artifacts, writeArtifact(p))
	}
	return json.MarshalWrite(w, out, writeOptions)
}

func syftDistroOf(d sbom.Distro) syftDistro {
	return syftDistro{ID: d.ID, VersionID: d.Version, IDLike: d.IDLike, PrettyName: d.Name}
}

func writeArtifact(p sbom.Package) writtenArtifact {
	a := writtenArtifact{
		ID: packageID(p), Name: p.Name, Version: p.Version, Type: syftType(p.Type), PURL: p.PURL,
		Baseplan: &syftPackageExtra{Known: formatFacts(p.Known), Absent: p.Absent},
	}
	if !p.Type.OS() {
		a.Baseplan.Arch, a.Baseplan.Provides, a.Baseplan.Files = p.Arch, formatProvides(p), p.Files
		if p.Source != (sbom.Source{}) {
			a.Baseplan.Source = &p.Source
		}
		return a
	}
	a.MetadataType, a.Metadata = metadataTypes[p.Type], syftMetadataOf(p)
	if p.Source != sourceIn(p.Type, a.Metadata) {
		a.Baseplan.Source = &p.Source
	}
	return a
}

// metadataTypes are Syft's names for the metadata of each package database.
var metadataTypes = map[sbom.Type]string{sbom.Deb: "dpkg-db-entry", sbom.RPM: "rpm-db-entry", sbom.APK: "apk-db-entry"}

func syftMetadataOf(p sbom.Package) map[string]any {
	evr := p.EVR()
	m := map[string]any{"architecture": p.Arch}
	switch p.Type {
	case sbom.Deb:
		m["package"], m["version"], m["source"], m["sourceVersion"] = p.Name, p.Version, p.Source.Name, p.Source.Version
		m["maintainer"], m["installedSize"] = "", 0
	case sbom.APK:
		m["package"], m["version"], m["originPackage"] = p.Name, p.Version, p.Source.Name
	case sbom.RPM:
		m["name"], m["version"], m["release"], m["sourceRpm"] = p.Name, evr.Version, evr.Release, sourceRPM(p.Source)
		m["epoch"], m["size"], m["vendor"] = nil, 0, ""
		if n, err := strconv.Atoi(evr.Epoch); err == nil {
			m["epoch"] = n
		}
	}
	if len(p.Provides) > 0 {
		m["provides"] = formatProvides(p)
	}
	m["files"] = nil
	if len(p.Files) > 0 || p.Known.Has(sbom.Files) {
		files := make([]syftPath, 0, len(p.Files))
		for _, f := range p.Files {
			files = append(files, syftPath{f})
		}
		m["files"] = files
	}
	return m
}

// sourceIn returns the source package that a reader finds in the metadata.
func sourceIn(t sbom.Type, m map[string]any) sbom.Source {
	text := func(key string) string { s, _ := m[key].(string); return s }
	switch t {
	case sbom.Deb:
		return sbom.Source{Name: text("source"), Version: text("sourceVersion")}
	case sbom.APK:
		return sbom.Source{Name: text("originPackage")}
	}
	return sbom.ParseSourceRPM(text("sourceRpm"))
}

// splitTool splits "syft 1.51.0" into name and version.
func splitTool(tool string) (name, version string) {
	if i := strings.LastIndexByte(tool, ' '); i > 0 {
		return tool[:i], tool[i+1:]
	}
	return tool, ""
}

func packageID(p sbom.Package) string {
	return id("package", string(p.Type), p.Name, p.Version, p.Arch, p.PURL)
}

// id derives an identifier from its parts.
func id(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:8])
}
