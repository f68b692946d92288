package format

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// An inventory collects the contents of a document while it is read.
type inventory struct {
	doc    sbom.Document
	claims []claim
}

// A claim is what a document states about one package, unnormalized.
type claim struct {
	kind    string // the ecosystem: "deb", "go-module", "library"; may be empty
	group   string // the prefix of the name: "@babel"
	name    string
	version string
	epoch   string
	arch    string
	purl    string
	source  sbom.Source
	provide []string // entries in the package manager's syntax: "mail-transport-agent (= 1)"
	files   []string
	absent  []string // only in documents written by Encode
	known   sbom.Facts
	exact   bool // known comes from the document, so nothing is inferred
	foundBy string
	data    string // Syft's name of the metadata: "dpkg-db-entry"

	notInstalled bool // found in a nested root file system, or a package file that is not installed
}

// document normalizes the claims.
func (in *inventory) document() *sbom.Document {
	doc := &in.doc
	packages := make([]sbom.Package, 0, len(in.claims))
	var open []int // packages without recorded facts: some follow from the other packages
	upstream := map[sbom.Type]bool{}
	for _, c := range in.claims {
		p, distro, ok := c.pkg()
		if !ok {
			continue
		}
		if doc.Distro.ID == "" && p.Type.OS() {
			doc.Distro.ID, doc.Distro.Version = distro.ID, distro.Version
		}
		if p.Source != (sbom.Source{}) {
			upstream[p.Type] = true
		}
		if !c.exact {
			open = append(open, len(packages))
		}
		packages = append(packages, p)
	}
	for _, i := range open {
		p := &packages[i]
		if upstream[p.Type] { // a tool that states it for one package states it for all
			p.Known |= sbom.Upstream
		}
		if p.PURL == "" {
			p.PURL = makePURL(*p, doc.Distro)
		}
	}
	doc.Packages = distinct(packages)
	doc.Files = unowned(cleanPaths(doc.Files), doc.Packages)
	return doc
}

// pkg returns the installed package and the distribution that its package URL
// names. ok is false if the package is not installed, or was not read from a
// package database.
func (c *claim) pkg() (p sbom.Package, distro sbom.Distro, ok bool) {
	u, err := packageurl.FromString(c.purl)
	if err == nil {
		p.PURL = c.purl
		if t, ok := purlTypes[u.Type]; ok {
			u.Type, u.Namespace = string(t), cmp.Or(u.Namespace, u.Type)
			p.PURL = u.ToString()
		}
	}
	p.Type = typeOf(c.kind, sbom.Type(u.Type))
	p.Name = c.fullName(p.Type, u)
	if p.Name == "" || p.Type.OS() && !c.installed() {
		return p, distro, false
	}
	q := qualifiers(u)
	if distro = distroOf(q["distro"]); p.Type.OS() {
		p.Version = c.fullVersion(p.Type, u.Version, q["epoch"])
	} else if p.Version = c.version; p.Version == "" {
		p.Version = u.Version
	}
	if p.Type == sbom.Deb && p.Version == "" {
		return p, distro, false // dpkg has such entries for packages that are not installed
	}
	if p.Arch = q["arch"]; p.Arch == "" || !p.Type.OS() {
		p.Arch = cmp.Or(c.arch, p.Arch)
	}
	if p.Type.OS() && isSource(p.Arch) {
		return p, distro, false
	}
	p.Source = c.source
	if p.Source == (sbom.Source{}) {
		p.Source = parseUpstream(p.Type, q["upstream"])
	}
	p.Source = distinctSource(p)
	p.Provides = sbom.ParseVirtuals(p.Type, c.provide)
	p.Files, p.Absent = cleanPaths(c.files), cleanPaths(c.absent)
	p.Known = c.known
	if p.Arch != "" && !c.exact {
		p.Known |= sbom.Arch
	}
	return p, distro, true
}

// installed reports whether the package may be installed: it is no .deb or .rpm
// file, is not known only from an SBOM within the image or a note in a binary, and
// does not belong to a nested root file system.
func (c *claim) installed() bool {
	if c.notInstalled {
		return false
	}
	switch c.foundBy {
	case "deb-archive-cataloger", "rpm-archive-cataloger", "rpm-file-cataloger", "sbom-cataloger", "elf-binary-package-cataloger":
		return false
	}
	return c.data != "dpkg-archive-entry" && c.data != "rpm-archive"
}

// purlTypes maps distributions that older tools used as package URL types.
var purlTypes = map[string]sbom.Type{"alpine": sbom.APK}

// isSource reports whether arch is the architecture of a source package.
func isSource(arch string) bool { return arch == "source" || arch == "src" || arch == "nosrc" }

// fullName returns the name with its group. Packages of operating systems and Maven
// have none, since their group is not a scope. For an operating system package the
// name in the package URL wins, because tools compare that one and some documents
// have a version or architecture in the other.
func (c *claim) fullName(t sbom.Type, u packageurl.PackageURL) string {
	name, group := c.name, c.group
	differs := u.Name != "" && !strings.EqualFold(name, u.Name) // parsing a package URL lower-cases some names
	if name == "" || t.OS() && differs {
		name, group = u.Name, u.Namespace
	}
	if t.OS() || group == "" || t == "maven" || strings.HasPrefix(name, group+"/") {
		return name
	}
	return group + "/" + name
}

// fullVersion returns [epoch:]version[-release]. The version in the package URL
// wins, because tools compare that one and documents of Trivy leave out parts of
// the other.
func (c *claim) fullVersion(t sbom.Type, purl, epoch string) string {
	said := sbom.ParseEVR(t, c.version)
	version := purl
	if version == "" || strings.HasPrefix(c.version, version+"-") || said.Epoch != "" && strings.HasPrefix(c.version, said.Epoch+":"+version+"-") {
		version = c.version // the package URL is less complete
	}
	if t == sbom.APK || version == "" || sbom.ParseEVR(t, version).Epoch != "" {
		return version
	}
	for _, e := range []string{epoch, c.epoch, said.Epoch} {
		if e != "" {
			return e + ":" + version
		}
	}
	return version
}

// syftTypes maps Syft's package types that differ from the package URL types.
var syftTypes = map[string]sbom.Type{
	"dart-pub": "pub", "dotnet": "nuget", "go-module": "golang", "java-archive": "maven", "jenkins-plugin": "maven",
	"lua-rocks": "luarocks", "php-composer": "composer", "pod": "cocoapods", "python": "pypi", "R-package": "cran",
	"rust-crate": "cargo", "UnknownPackage": "",
}

// typeOf returns the type in the package URL, or else the type that the document
// states.
func typeOf(kind string, purl sbom.Type) sbom.Type {
	if purl != "" {
		return purl
	}
	if said, ok := syftTypes[kind]; ok {
		return said
	}
	return sbom.Type(kind)
}

func syftType(t sbom.Type) string {
	switch t {
	case "":
		return "UnknownPackage"
	case "maven":
		return "java-archive"
	}
	for name, known := range syftTypes {
		if known == t {
			return name
		}
	}
	return string(t)
}

// distinct sorts the packages and merges duplicates.
func distinct(packages []sbom.Package) []sbom.Package {
	slices.SortStableFunc(packages, sbom.Compare)
	out := packages[:0]
	for _, p := range packages {
		if last := len(out) - 1; last >= 0 && sbom.Compare(out[last], p) == 0 {
			q := &out[last]
			q.Files = sorted(slices.Concat(q.Files, p.Files))
			q.Absent = sorted(slices.Concat(q.Absent, p.Absent))
			q.Provides = sbom.SortVirtuals(slices.Concat(q.Provides, p.Provides))
			q.Known |= p.Known
			if q.Source == (sbom.Source{}) {
				q.Source = p.Source
			}
			continue
		}
		out = append(out, p)
	}
	return slices.Clip(out)
}

// unowned removes the files that packages own.
func unowned(files []string, packages []sbom.Package) []string {
	if len(files) == 0 {
		return nil
	}
	owned := map[string]bool{}
	for _, p := range packages {
		for _, f := range p.Files {
			owned[f] = true
		}
	}
	files = slices.DeleteFunc(files, func(f string) bool { return owned[f] })
	if len(files) == 0 {
		return nil
	}
	return files
}

// cleanPaths returns absolute clean paths, sorted and without duplicates. Relative
// paths are relative to the root, as in SPDX. It may modify the slice.
func cleanPaths(paths []string) []string {
	out := paths[:0]
	for _, p := range paths {
		if p == "" {
			continue
		}
		if p[0] != '/' {
			p = "/" + p
		}
		if p = path.Clean(p); p != "/" {
			out = append(out, p)
		}
	}
	return sorted(out)
}

func sorted(paths []string) []string {
	if len(paths) == 0 {
		return nil
	}
	if !slices.IsSorted(paths) {
		slices.Sort(paths)
	}
	return slices.Compact(paths)
}
