package sbom

import (
	"slices"
	"strings"
	"time"
)

// A Document is the inventory of one image: its distribution and packages, and
// where the facts came from. A Document without packages is a statement too
// ("there are none"); no statement is a nil *Document.
type Document struct {
	Format    Format    // the format it was decoded from; empty when generated from the image
	Spec      string    // version of that format, e.g. "1.6", "SPDX-2.3", "16.1.10"
	Tool      string    // what made it, e.g. "syft 1.51.0"; empty: not said
	Created   time.Time // when it was made, UTC; zero: not said
	Subject   string    // what it says it describes (a name or reference); informative only
	About     []Image   // the images that it says it describes; empty: it does not say
	AllLayers bool      // its packages are those of every layer, deleted ones included
	Distro    Distro
	Packages  []Package // sorted by [Compare]
	Databases []string  // absolute paths of the package databases read; only a generated Document has them
	Unready   []Unready // packages that are there but not installed, sorted; only a generated Document has them

	// Files are regular files, directories and links that the document lists
	// without an owner, as absolute clean paths, sorted. Known tells whether
	// their absence means anything.
	Files []string
}

// An Image is what a document says of an image that it describes. Empty fields are not said.
type Image struct {
	Manifest string   // digest of its manifest
	Digests  []string // digests under which registries know it: of its manifest, or of an index that lists it
	ID       string   // image ID: the digest of its configuration, or what a daemon calls the image
	Layers   []string // DiffIDs of its layers, in any order
}

// A Format is one of the three SBOM formats of buildpacks (buildpack.md,
// "Software-Bill-of-Materials").
type Format string

// The formats, by the names used in FORMATS.md.
const (
	CycloneDX Format = "cyclonedx"
	SPDX      Format = "spdx"
	Syft      Format = "syft"
)

// Ext is the file extension that the buildpack specification gives the format,
// without a leading dot: "cdx.json", "spdx.json" or "syft.json".
func (f Format) Ext() string {
	switch f {
	case CycloneDX:
		return "cdx.json"
	case SPDX:
		return "spdx.json"
	case Syft:
		return "syft.json"
	}
	return "json"
}

// MediaType is the media type of the format's JSON form (buildpack.md,
// "Software-Bill-of-Materials").
func (f Format) MediaType() string {
	switch f {
	case CycloneDX:
		return "application/vnd.cyclonedx+json"
	case SPDX:
		return "application/spdx+json"
	case Syft:
		return "application/vnd.syft+json"
	}
	return "application/json"
}

// A Distro names the distribution as os-release(5) does.
type Distro struct {
	ID      string   // "debian"; empty: unknown
	Version string   // VERSION_ID, "12"
	IDLike  []string // "debian" for Ubuntu
	Name    string   // PRETTY_NAME, for people
}

// A Type is the ecosystem of a package, spelled as the type of its purl.
type Type string

// The types of operating system packages. Other types ("npm", "golang", …) are
// kept as their documents spell them.
const (
	Deb Type = "deb"
	RPM Type = "rpm"
	APK Type = "apk"
)

// OS reports whether packages of the type belong to an operating system's
// package manager.
func (t Type) OS() bool { return t == Deb || t == RPM || t == APK }

// Facts is a set of things that may be known of a package. A fact that is not
// in the set is unknown, which is not the same as absent: a CycloneDX document
// cannot say which package owns a file, an empty list from a dpkg database can.
type Facts uint8

// The facts that formats differ in.
const (
	Files    Facts = 1 << iota // Package.Files is complete
	Virtual                    // Package.Provides is complete
	Upstream                   // Package.Source is given where it differs from the package
	Arch                       // Package.Arch is given
	Presence                   // Package.Absent is complete: the image was looked at
)

// Has reports whether all of want are known.
func (f Facts) Has(want Facts) bool { return f&want == want }

// A Package is one installed package.
type Package struct {
	Type     Type
	Name     string
	Version  string // in full, as the ecosystem spells it: [epoch:]upstream[-revision]
	Arch     string // as the ecosystem spells it: "amd64", "x86_64", "noarch"
	PURL     string // canonical package URL with version; empty: none could be made
	Source   Source // the source package that it was built from; zero: itself, or unknown
	Provides []VirtualPackage
	Files    []string // owned files, absolute clean paths, sorted
	Absent   []string // commands and libraries that it owns by its database, but that the image does not have; like Files
	Known    Facts
}

// An Unready is a package whose installation did not finish. It provides nothing.
type Unready struct {
	Name    string
	State   string // dpkg's: "unpacked", "half-configured" or "half-installed"
	Version string // empty: not said
}

// String is the form that [ParseUnready] reads: name, state and version.
func (u Unready) String() string {
	return strings.TrimSpace(u.Name + " " + u.State + " " + u.Version)
}

// ParseUnready reads what [Unready.String] writes.
func ParseUnready(text string) (u Unready, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 2 || len(fields) > 3 {
		return Unready{}, false
	}
	u.Name, u.State = fields[0], fields[1]
	if len(fields) == 3 {
		u.Version = fields[2]
	}
	return u, true
}

// A Source is the source package ("upstream" in a purl's qualifiers).
type Source struct{ Name, Version string }

// A VirtualPackage is a name that a package stands in for: a Provides field of dpkg,
// rpm or apk, without the prefix of its kind only where the database has none
// ("mail-transport-agent", "so:libssl.so.3", "cmd:curl").
type VirtualPackage struct {
	Name    string
	Version string // empty: unversioned
}

// Compare orders packages by type, name, version, architecture and purl.
func Compare(a, b Package) int {
	for _, c := range []int{
		strings.Compare(string(a.Type), string(b.Type)), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch), strings.Compare(a.PURL, b.PURL),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

// Knows reports whether every operating system package of the document has the
// facts. It is true of a document without such packages: nothing is missing.
func (d *Document) Knows(f Facts) bool {
	return !slices.ContainsFunc(d.Packages, func(p Package) bool { return p.Type.OS() && !p.Known.Has(f) })
}

// An EVR is a version taken apart.
type EVR struct {
	Epoch   string // digits; empty: none spelled
	Version string // upstream version
	Release string // Debian revision, RPM release, "r2" of an Alpine package; empty: none
}

// EVR takes the package's version apart by the rules of its type: Debian
// policy 5.6.12, RPM's epoch:version-release, Alpine's version-rN. Types other
// than those have an upstream version only.
func (p Package) EVR() EVR { return ParseEVR(p.Type, p.Version) }

// ParseEVR takes a version apart by the rules of type t; see [Package.EVR].
func ParseEVR(t Type, version string) EVR {
	var e EVR
	e.Version = version
	if !t.OS() {
		return e
	}
	if t != APK {
		if epoch, rest, ok := strings.Cut(e.Version, ":"); ok && epoch != "" && strings.Trim(epoch, "0123456789") == "" {
			e.Epoch, e.Version = epoch, rest
		}
	}
	if i := strings.LastIndexByte(e.Version, '-'); i > 0 && (t != APK || strings.HasPrefix(e.Version[i:], "-r")) {
		e.Version, e.Release = e.Version[:i], e.Version[i+1:]
	}
	return e
}
