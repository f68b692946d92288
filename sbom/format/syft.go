package format

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// A syftDocument has the parts of Syft JSON that are read, for all versions of its
// schema.
type syftDocument struct {
	formatKeys
	Artifacts     []syftArtifact     `json:"artifacts"`
	Relationships []syftRelationship `json:"artifactRelationships"`
	Files         []syftFile         `json:"files"`
	Source        syftSource         `json:"source"`
	Distro        syftDistro         `json:"distro"`
	Descriptor    syftDescriptor     `json:"descriptor"`
	Schema        schema             `json:"schema"`
	Baseplan      *syftDocumentExtra `json:"baseplan,omitzero"`
}

type syftArtifact struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Type         string            `json:"type"`
	FoundBy      string            `json:"foundBy"`
	PURL         string            `json:"purl"`
	Locations    []syftPath        `json:"locations"`
	MetadataType string            `json:"metadataType"`
	Metadata     jsontext.Value    `json:"metadata"` // depends on the type
	Baseplan     *syftPackageExtra `json:"baseplan"`
}

// syftMetadata combines the metadata of dpkg, apk and rpm packages.
type syftMetadata struct {
	Architecture  string      `json:"architecture"`
	Source        string      `json:"source"`        // dpkg
	SourceVersion string      `json:"sourceVersion"` // dpkg
	OriginPackage string      `json:"originPackage"` // apk
	SourceRPM     string      `json:"sourceRpm"`     // rpm
	Epoch         *int        `json:"epoch"`         // rpm
	Provides      texts       `json:"provides"`
	Files         *[]syftPath `json:"files"` // nil: unknown to Syft, for example after a conversion from another format
}

type syftPath struct {
	Path string `json:"path"`
}

type syftRelationship struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	Type   string `json:"type"`
}

type syftFile struct {
	ID       string   `json:"id"`
	Location syftPath `json:"location"`
}

type syftSource struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	Type     string         `json:"type"`
	Metadata jsontext.Value `json:"metadata,omitzero"` // since 9.0.0
	Target   jsontext.Value `json:"target,omitzero"`   // before 9.0.0
}

// syftDistro holds os-release(5). Before 3.0.0, name was the ID and version was
// VERSION_ID.
type syftDistro struct {
	PrettyName string `json:"prettyName,omitzero"`
	Name       string `json:"name,omitzero"`
	ID         string `json:"id,omitzero"`
	IDLike     texts  `json:"idLike,omitempty"`
	Version    string `json:"version,omitzero"`
	VersionID  string `json:"versionID,omitzero"`
}

type syftDescriptor struct {
	Name    string `json:"name"`
	Version string `json:"version"`

	// Only the scope is used; its place differs between versions.
	Configuration jsontext.Value `json:"configuration,omitzero"`
}

// Extra keys for what Syft JSON has no place for.
type (
	syftDocumentExtra struct {
		Created   time.Time `json:"created,omitzero"`
		Databases []string  `json:"databases,omitempty"`
		Unready   []string  `json:"unready,omitempty"`
	}
	syftPackageExtra struct {
		Known    []string     `json:"known"`
		Arch     string       `json:"arch,omitzero"`
		Source   *sbom.Source `json:"source,omitzero"`
		Provides []string     `json:"provides,omitempty"`
		Files    []string     `json:"files,omitempty"`
		Absent   []string     `json:"absent,omitempty"`
	}
)

// providesSince is the schema version that introduced what a package provides.
var providesSince = map[sbom.Type][3]int{sbom.APK: {6, 0, 0}, sbom.Deb: {11, 0, 1}, sbom.RPM: {16, 0, 9}}

func decodeSyft(r io.Reader) (*inventory, error) {
	var s syftDocument
	if err := readJSON(r, &s); err != nil {
		return nil, err
	}
	if err := errors.Join(s.checkFormat(sbom.Syft), s.checkTree()); err != nil {
		return nil, err
	}
	version := schemaVersion(s.Schema.Version)
	in := &inventory{doc: sbom.Document{
		Tool: s.Descriptor.tool(), Subject: s.Source.subject(), Distro: s.Distro.distro(version), AllLayers: s.allLayers(),
	}}
	in.addAbout(s.Source.about())
	if s.Baseplan != nil {
		in.doc.Created, in.doc.Databases, in.doc.Unready = s.Baseplan.Created.UTC(), s.Baseplan.Databases, parseUnready(s.Baseplan.Unready)
	}
	for _, f := range s.Files {
		in.doc.Files = append(in.doc.Files, f.Location.Path)
	}
	in.claims = make([]claim, 0, len(s.Artifacts))
	for i := range s.Artifacts {
		c, err := s.Artifacts[i].claim(version)
		if err != nil {
			return nil, err
		}
		in.claims = append(in.claims, c)
	}
	return in, nil
}

func (a *syftArtifact) claim(version [3]int) (claim, error) {
	c := claim{kind: a.Type, name: a.Name, version: a.Version, purl: a.PURL, foundBy: a.FoundBy, data: a.MetadataType}
	if t := sbom.Type(a.Type); t.OS() {
		c.notInstalled = outsideDatabases(paths(a.Locations))
	}
	if t := sbom.Type(a.Type); t.OS() && len(a.Metadata) > 0 {
		if err := a.readMetadata(&c, version); err != nil {
			return c, fmt.Errorf("reading metadata of package %s: %w", clip(a.Name), err)
		}
	}
	if x := a.Baseplan; x != nil {
		c.known, c.exact = parseFacts(x.Known), true
		c.provide, c.files = append(c.provide, x.Provides...), append(c.files, x.Files...)
		c.absent = x.Absent
		if x.Arch != "" {
			c.arch = x.Arch
		}
		if x.Source != nil {
			c.source = *x.Source
		}
	}
	return c, nil
}

func (a *syftArtifact) readMetadata(c *claim, version [3]int) error {
	var m syftMetadata
	// Duplicate keys have already been rejected.
	if err := json.Unmarshal(a.Metadata, &m, jsontext.AllowDuplicateNames(true), lenient); err != nil {
		return err
	}
	c.arch, c.provide = m.Architecture, m.Provides
	if m.Epoch != nil {
		c.epoch = strconv.Itoa(*m.Epoch)
	}
	t := sbom.Type(a.Type)
	switch t {
	case sbom.Deb:
		c.source = sbom.Source{Name: m.Source, Version: m.SourceVersion}
	case sbom.APK:
		c.source = sbom.Source{Name: m.OriginPackage}
	case sbom.RPM:
		c.source = sbom.ParseSourceRPM(m.SourceRPM)
	}
	if m.Files == nil {
		return nil
	}
	c.files = paths(*m.Files)
	c.known |= sbom.Upstream
	if began := providesSince[t]; slices.Compare(version[:], began[:]) >= 0 {
		c.known |= sbom.Virtual
	}
	if t != sbom.Deb { // Syft reads dpkg's checksums, which leave out links
		c.known |= sbom.Files
	}
	return nil
}

func paths(files []syftPath) []string {
	all := make([]string, 0, len(files))
	for _, f := range files {
		all = append(all, f.Path)
	}
	return all
}

// allLayers reports whether Syft was configured to search every layer.
func (s *syftDocument) allLayers() bool {
	type scope struct {
		Scope string `json:"scope"`
	}
	var of struct {
		scope
		Search  scope `json:"search"`
		Package struct {
			Cataloger scope `json:"cataloger"` // before 1.0
		} `json:"package"`
	}
	if s.Descriptor.Configuration.Kind() == '{' && json.Unmarshal(s.Descriptor.Configuration, &of, lenient) != nil {
		return true // the scope is not a string
	}
	for _, said := range []string{of.Scope, of.Search.Scope, of.Package.Cataloger.Scope, s.Source.image().Scope} {
		if strings.EqualFold(strings.ReplaceAll(said, "-", ""), "alllayers") {
			return true
		}
	}
	return false
}

func (d syftDescriptor) tool() string {
	if d.Version == "[not provided]" { // a build of Syft without a version
		return d.Name
	}
	return strings.TrimSpace(d.Name + " " + d.Version)
}

func (s syftSource) subject() string {
	for _, raw := range []jsontext.Value{s.Metadata, s.Target} {
		var of struct {
			UserInput string `json:"userInput"`
		}
		if raw.Kind() == '{' && json.Unmarshal(raw, &of, lenient) == nil && of.UserInput != "" {
			return of.UserInput
		}
	}
	return s.Name
}

func (d syftDistro) distro(version [3]int) sbom.Distro {
	if version[0] < 3 {
		return sbom.Distro{ID: d.Name, Version: d.Version, IDLike: d.IDLike}
	}
	return sbom.Distro{ID: d.ID, Version: d.VersionID, IDLike: d.IDLike, Name: d.PrettyName}
}

// checkTree rejects packages that contain themselves.
func (s *syftDocument) checkTree() error {
	inside := map[string][]string{}
	isPackage := map[string]bool{}
	for _, a := range s.Artifacts {
		isPackage[a.ID] = true
	}
	for _, r := range s.Relationships {
		if r.Type == "contains" && isPackage[r.Parent] && isPackage[r.Child] {
			inside[r.Parent] = append(inside[r.Parent], r.Child)
		}
	}
	return checkTree(inside)
}

func schemaVersion(s string) (v [3]int) {
	for i, part := range strings.SplitN(s, ".", 3) {
		v[i], _ = strconv.Atoi(part)
	}
	return v
}
