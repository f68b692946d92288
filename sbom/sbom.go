package sbom

import (
	"slices"
	"strings"
	"time"
)

// A Document is the inventory of one image: its distribution and packages, and
// where they were read from. A Document without packages states that there are
// none; a nil *Document states nothing.
type Document struct {
	Format    Format          // the format it was decoded from; empty if generated from the image
	Spec      string          // version of that format, e.g. "1.6", "SPDX-2.3", "16.1.10"
	Tool      string          // the tool that made it, such as "syft 1.51.0"; may be empty
	Created   time.Time       // UTC; zero if unknown
	Subject   string          // name or reference of what it describes; informative only
	About     []ImageIdentity // the images that it describes; empty if it names none
	AllLayers bool            // it lists the packages of every layer, deleted ones included
	Distro    Distro
	Packages  []Package // sorted by [Compare]
	Databases []string  // absolute paths of the package databases read; only in a generated Document
	Unready   []Unready // packages that are present but not fully installed, sorted; only in a generated Document

	// Files are regular files, directories and links that the document lists
	// without an owner, as absolute clean paths, sorted.
	Files []string
}

// An ImageIdentity identifies an image that a document describes. Fields that the
// document does not state are empty.
type ImageIdentity struct {
	Manifest string   // digest of the manifest
	Digests  []string // digests in registries: of the manifest, or of an index that lists it
	ID       string   // image ID: the digest of the configuration, or a daemon's ID
	Layers   []string // DiffIDs of the layers, in any order
}

// A Format is one of the three SBOM formats of buildpacks (buildpack.md,
// "Software-Bill-of-Materials").
type Format string

// The formats. The values are used in baseplan's own files and labels.
const (
	CycloneDX Format = "cyclonedx"
	SPDX      Format = "spdx"
	Syft      Format = "syft"
)

// Ext returns the file extension of the format in the buildpack specification,
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

// MediaType returns the media type of the format's JSON encoding (buildpack.md,
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

// A Distro identifies a distribution by the fields of os-release(5).
type Distro struct {
	ID      string   // such as "debian"; empty: unknown
	Version string   // VERSION_ID, such as "12"
	IDLike  []string // such as "debian" for Ubuntu
	Name    string   // PRETTY_NAME
}

// A Type is the ecosystem of a package: the type of its package URL.
type Type string

// The types of operating system packages. Other types ("npm", "golang", …) are kept
// as the document spells them.
const (
	Deb Type = "deb"
	RPM Type = "rpm"
	APK Type = "apk"
)

// OS reports whether packages of the type are installed by an operating system's
// package manager.
func (t Type) OS() bool { return t == Deb || t == RPM || t == APK }

// Facts is the set of facts that are known about a package. A fact outside the set
// is unknown, which differs from absent: a CycloneDX document cannot say which
// package owns a file, while an empty list in a dpkg database says that the package
// owns none.
type Facts uint8

// Facts that some formats carry and others do not.
const (
	Files    Facts = 1 << iota // Package.Files is complete
	Virtual                    // Package.Provides is complete
	Upstream                   // Package.Source is set if it differs from the package
	Arch                       // Package.Arch is set
	Presence                   // Package.Absent is complete: the image's files were checked
)

// Has reports whether f contains all of want.
func (f Facts) Has(want Facts) bool { return f&want == want }

// A Package is one installed package.
type Package struct {
	Type     Type
	Name     string
	Version  string // in full: [epoch:]upstream[-revision]
	Arch     string // in the ecosystem's spelling: "amd64", "x86_64", "noarch"
	PURL     string // canonical package URL with version; may be empty
	Source   Source // the source package; zero if it is the package itself or unknown
	Provides []VirtualPackage
	Files    []string // owned files, absolute clean paths, sorted
	Absent   []string // owned commands and libraries that the image does not have; absolute clean paths, sorted
	Known    Facts
}

// An Unready is a package whose installation did not finish. It provides nothing.
type Unready struct {
	Name    string
	State   string // dpkg's: "unpacked", "half-configured" or "half-installed"
	Version string // may be empty
}

// String returns the name, state and version in the form that [ParseUnready] reads.
func (u Unready) String() string {
	return strings.TrimSpace(u.Name + " " + u.State + " " + u.Version)
}

// ParseUnready parses the output of [Unready.String].
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

// A Source is a source package ("upstream" in the qualifiers of a package URL).
type Source struct{ Name, Version string }

// A VirtualPackage is a name that a package provides in the Provides field of dpkg,
// rpm or apk, with the prefix of its kind if the database has one
// ("mail-transport-agent", "so:libssl.so.3", "cmd:curl").
type VirtualPackage struct {
	Name    string
	Version string // empty: unversioned
}

// Compare orders packages by type, name, version, architecture and package URL.
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

// Knows reports whether f is known of every operating system package of the
// document. It returns true for a document without such packages.
func (d *Document) Knows(f Facts) bool {
	return !slices.ContainsFunc(d.Packages, func(p Package) bool { return p.Type.OS() && !p.Known.Has(f) })
}

// An EVR is a version split into its parts.
type EVR struct {
	Epoch   string // digits; empty if not spelled out
	Version string // upstream version
	Release string // Debian revision, RPM release, or "r2" of an Alpine package; may be empty
}

// EVR splits the version by the rules of the package's type: Debian policy 5.6.12,
// RPM's epoch:version-release, Alpine's version-rN. Other types have only an
// upstream version.
func (p Package) EVR() EVR { return ParseEVR(p.Type, p.Version) }

// ParseEVR splits a version by the rules of type t. See [Package.EVR].
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
