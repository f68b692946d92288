package format

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// A cdxDocument has the parts of CycloneDX that are read, for all versions, JSON
// and XML.
type cdxDocument struct {
	formatKeys
	Metadata   cdxMetadata    `json:"metadata" xml:"metadata"`
	Components []cdxComponent `json:"components" xml:"components>component"`
}

type cdxMetadata struct {
	Timestamp  string        `json:"timestamp" xml:"timestamp"`
	Tools      cdxTools      `json:"tools" xml:"tools"`
	Component  cdxComponent  `json:"component" xml:"component"`
	Properties cdxProperties `json:"properties" xml:"properties>property"`
}

// cdxTools is a list before CycloneDX 1.5, and an object with a list of components
// since.
type cdxTools struct {
	Tools      []cdxTool `json:"-" xml:"tool"`
	Components []cdxTool `json:"components" xml:"components>component"`
}

type cdxTool struct {
	Name    string `json:"name" xml:"name"`
	Version string `json:"version" xml:"version"`
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (t *cdxTools) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '[' {
		return json.UnmarshalDecode(d, &t.Tools)
	}
	type plain cdxTools // without this method
	return json.UnmarshalDecode(d, (*plain)(t))
}

type cdxComponent struct {
	BOMRef     string         `json:"bom-ref" xml:"bom-ref,attr"`
	Type       string         `json:"type" xml:"type,attr"`
	Group      string         `json:"group" xml:"group"`
	Name       string         `json:"name" xml:"name"`
	Version    string         `json:"version" xml:"version"`
	PURL       string         `json:"purl" xml:"purl"`
	Scope      string         `json:"scope" xml:"scope"`
	Properties cdxProperties  `json:"properties" xml:"properties>property"`
	Components []cdxComponent `json:"components" xml:"components>component"`
}

// cdxProperties holds, when read from JSON, only the properties that start with one
// of propertyPrefixes: a document of Syft has ten times as many others.
type cdxProperties []cdxProperty

type cdxProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

var propertyPrefixes = []string{
	"syft:metadata:", "syft:package:", "syft:distro:", locationPrefix, trivyPrefix + "Src", trivyPrefix + "ImageID", trivyPrefix + "DiffID", trivyPrefix + "RepoDigest",
	"baseplan:",
}

// locationPrefix is the prefix of the properties in which Syft says where it found
// a package.
const locationPrefix = "syft:location:"

func isWantedProperty[T string | jsontext.Value](name T) bool {
	for _, prefix := range propertyPrefixes {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom]. It allocates no strings for
// properties that it drops.
func (ps *cdxProperties) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() == '{' {
		p, err := readProperty(d)
		if err != nil {
			return err
		}
		if isWantedProperty(p.Name) && (p.Value != "" || !strings.HasPrefix(p.Name, locationPrefix)) {
			*ps = append(*ps, p)
		}
	}
	_, err := d.ReadToken()
	return err
}

// readProperty reads one property. It skips the value if the name came first and is
// not wanted.
func readProperty(d *jsontext.Decoder) (p cdxProperty, err error) {
	if _, err := d.ReadToken(); err != nil {
		return p, err
	}
	wanted := true
	for d.PeekKind() == '"' {
		key, err := d.ReadValue()
		if err != nil {
			return p, err
		}
		into := &p.Value
		switch {
		case string(key) == `"name"`:
			into = &p.Name
		case string(key) != `"value"` || !wanted:
			if err := d.SkipValue(); err != nil {
				return p, err
			}
			continue
		}
		value, err := d.ReadValue()
		if err != nil {
			return p, err
		}
		if into == &p.Name && value.Kind() == '"' && !isWantedProperty(value[1:]) {
			wanted = false
			continue
		}
		if into == &p.Value && strings.HasPrefix(p.Name, locationPrefix) && !mayLocateDatabase(value) {
			continue
		}
		if err := json.Unmarshal(value, into, lenient); err != nil {
			return p, err
		}
	}
	_, err = d.ReadToken()
	return p, err
}

func (ps cdxProperties) get(name string) string {
	for _, p := range ps {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// list returns the values of NAME:0SUFFIX, NAME:1SUFFIX and so on:
// list("syft:metadata:files", ":path").
func (ps cdxProperties) list(name, suffix string) []string {
	var values []string
	for _, p := range ps {
		rest, ok := strings.CutPrefix(p.Name, name)
		if !ok || rest == "" || rest[0] != ':' {
			continue
		}
		if number, ok := strings.CutSuffix(rest[1:], suffix); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			values = append(values, p.Value)
		}
	}
	return values
}

func decodeCycloneDX(r io.Reader) (*inventory, error) {
	var c cdxDocument
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	if err := c.checkFormat(sbom.CycloneDX); err != nil {
		return nil, err
	}
	return c.inventory(), nil
}

func (c *cdxDocument) inventory() *inventory {
	in := &inventory{doc: sbom.Document{Subject: c.Metadata.Component.Name, Databases: c.Metadata.Properties.list("baseplan:database", "")}}
	in.doc.Unready = parseUnready(c.Metadata.Properties.list("baseplan:unready", ""))
	if tools := slices.Concat(c.Metadata.Tools.Components, c.Metadata.Tools.Tools); len(tools) > 0 {
		t := tools[0]
		in.doc.Tool = strings.TrimSpace(t.Name + " " + t.Version)
	}
	in.doc.Created = parseTime(c.Metadata.Timestamp)
	in.addAbout(c.Metadata.Component.about())
	in.addComponents(c.Metadata.Component.Components)
	in.addComponents(c.Components)
	// For apk, Syft lists what packages provide, and lists nothing for a package
	// that provides nothing. It does not list it for other package managers.
	fromSyft := func(c claim) bool { return c.kind == string(sbom.APK) && !c.exact && c.data != "" }
	if slices.ContainsFunc(in.claims, func(c claim) bool { return fromSyft(c) && len(c.provide) > 0 }) {
		for i := range in.claims {
			if fromSyft(in.claims[i]) {
				in.claims[i].known |= sbom.Virtual
			}
		}
	}
	return in
}

func (in *inventory) addComponents(components []cdxComponent) {
	for i := range components {
		c := &components[i]
		if c.Scope == "excluded" || c.Scope == "optional" {
			continue // test dependencies and the like, or not installed (CycloneDX, "scope")
		}
		switch c.Type {
		case "operating-system":
			if d := c.distro(); in.doc.Distro.ID == "" {
				in.doc.Distro = d
			}
		case "file":
			if strings.HasPrefix(c.Name, "/") {
				in.doc.Files = append(in.doc.Files, c.Name)
			}
		case "library", "application", "framework", "firmware", "platform":
			in.claims = append(in.claims, c.claim())
		}
		if !holdsInstalled(c.Type) {
			continue
		}
		in.addComponents(c.Components)
	}
}

// holdsInstalled reports whether components nested in one of this type are
// installed in the image. Those of another container, an archive or a device are
// not.
func holdsInstalled(componentType string) bool {
	switch componentType {
	case "", "library", "application", "framework", "platform", "operating-system":
		return true
	}
	return false
}

// distro reads an operating-system component: Syft has os-release(5) in properties,
// Trivy has name and version.
func (c *cdxComponent) distro() sbom.Distro {
	d := sbom.Distro{
		ID: c.Properties.get("syft:distro:id"), Version: c.Properties.get("syft:distro:versionID"),
		IDLike: c.Properties.list("syft:distro:idLike", ""), Name: c.Properties.get("syft:distro:prettyName"),
	}
	if d.ID == "" {
		d.ID = distroID(c.Name)
	}
	if d.Version == "" {
		d.Version = c.Version
	}
	return d
}

func (c *cdxComponent) claim() claim {
	get := c.Properties.get
	out := claim{
		kind: get("syft:package:type"), group: c.Group, name: c.Name, version: c.Version, purl: c.PURL,
		foundBy: get("syft:package:foundBy"), data: get("syft:package:metadataType"),
		epoch: get("syft:metadata:epoch"), arch: get("baseplan:arch"),
		provide: c.Properties.list("syft:metadata:provides", ""), files: c.Properties.list("syft:metadata:files", ":path"),
		absent:       c.Properties.list("baseplan:absent", ""),
		notInstalled: outsideDatabases(c.Properties.list("syft:location", ":path")),
	}
	if out.purl == "" && strings.HasPrefix(c.BOMRef, "pkg:") {
		out.purl = c.BOMRef
	}
	switch {
	case get("baseplan:source") != "":
		out.source = parseSource(get("baseplan:source"))
	case get("syft:metadata:source") != "":
		out.source = sbom.Source{Name: get("syft:metadata:source"), Version: get("syft:metadata:sourceVersion")}
	case get("syft:metadata:originPackage") != "":
		out.source = sbom.Source{Name: get("syft:metadata:originPackage")}
	case get("syft:metadata:sourceRpm") != "":
		out.source = sbom.ParseSourceRPM(get("syft:metadata:sourceRpm"))
	case get("aquasecurity:trivy:SrcName") != "":
		out.source = sbom.Source{Name: get("aquasecurity:trivy:SrcName"), Version: get("aquasecurity:trivy:SrcVersion")}
		if release := get("aquasecurity:trivy:SrcRelease"); release != "" {
			out.source.Version += "-" + release
		}
		if epoch := get("aquasecurity:trivy:SrcEpoch"); epoch != "" && !strings.HasPrefix(c.PURL, "pkg:rpm/") {
			out.source.Version = epoch + ":" + out.source.Version // the name of a source RPM has no epoch
		}
	}
	if known := get("baseplan:known"); known != "" {
		out.known, out.exact = parseFacts(strings.Fields(known)), true
	}
	return out
}

// parseTime returns the zero time if s is no RFC 3339 time or is the Unix epoch,
// which stands for an unknown time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Equal(time.Unix(0, 0)) {
		return time.Time{}
	}
	return t.UTC()
}
