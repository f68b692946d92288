package provides

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// A Set is everything that one image provides. It is immutable. A nil *Set means
// that the image's contents are unknown; it provides nothing.
type Set struct {
	document     *sbom.Document
	architecture string // the image's own, as [family] returns it; empty: unknown

	native   []sbom.Package // sorted; packages of the image's own architecture
	foreign  []sbom.Package // sorted; packages of other architectures (multiarch)
	mapping  []Mapping      // effective
	named    map[string][]Provide
	mappedTo map[string]Mapping

	// Computed on demand: there are many owned files, and most plans need none.
	files func() map[string][]Provide // cmd: and so: names from owned files
}

// From returns the set of an inventory: its packages under the names that the
// operator's mapping, the built-in mapping and the publisher's declaration give
// them. Declared entries that the inventory does not back are returned as refusals
// and provide nothing. declared may be nil. A nil document gives a nil set.
func From(doc *sbom.Document, mapping []Mapping, declared *Declaration) (*Set, []Refusal) {
	if doc == nil {
		return nil, nil
	}
	s := newSet(doc, architecture(doc.Packages), effective(mapping))
	refused := s.declare(declared)
	s.complete()
	return s, refused
}

// newSet returns a set without names. The mapping is the effective one.
func newSet(doc *sbom.Document, architecture string, mapping []Mapping) *Set {
	s := &Set{document: doc, architecture: architecture, mapping: mapping, named: map[string][]Provide{}, mappedTo: map[string]Mapping{}}
	s.native, s.foreign = split(doc.Packages, architecture)
	s.files = sync.OnceValue(s.fileNames)
	return s
}

// complete adds all names but the declared ones.
func (s *Set) complete() {
	s.mapped()
	s.packages()
	for name, all := range s.named {
		slices.SortStableFunc(all, compareProvides)
		s.named[name] = slices.CompactFunc(all, func(a, b Provide) bool { return compareProvides(a, b) == 0 })
	}
}

// declare adds the declared entries that the inventory backs.
func (s *Set) declare(d *Declaration) []Refusal {
	if d == nil {
		return nil
	}
	var refused []Refusal
	for _, entry := range d.Provides {
		p, why := s.backed(entry)
		if why != "" {
			refused = append(refused, Refusal{Name: entry.Name, Why: why})
			continue
		}
		s.add(p)
	}
	return refused
}

// mapped adds the names that the mapping gives to packages.
func (s *Set) mapped() {
	for _, m := range s.mapping {
		s.mappedTo[m.Name] = m
		for _, text := range m.Packages {
			pattern, err := ParsePattern(text)
			if err != nil {
				continue // reported when the table was decoded
			}
			for _, pkg := range s.native {
				if version, ok := pattern.Match(pkg); ok {
					p := provideOf(m.Name, Mapped, pkg).withVersion(version)
					p.Evidence[0].Pattern = pattern.patternOf(pkg)
					s.add(p)
				}
			}
		}
	}
}

// withVersion sets the version that the package's name contains
// (openjdk-17-jre-headless), unless the package's own version is more precise:
// 17.0.12+7, or 8.3.6 for php83.
func (p Provide) withVersion(version string) Provide {
	if version == "" || hasPrefix(p.Version, version) {
		return p
	}
	joined := ""
	for part := range strings.SplitSeq(leading.FindString(p.Version), ".") {
		if joined += part; joined == version && part != version {
			return p
		}
	}
	p.Version, p.Full, p.Rule = version, "", Semver
	return p
}

// packages adds the operating system packages by name, and the virtual packages. A
// declared or mapped name never refers to a package or virtual package of that
// name, even if the mapping matches nothing: Debian's node was once amateur radio
// software.
func (s *Set) packages() {
	shadowed := map[string]bool{}
	for name := range s.named {
		shadowed[name] = true
	}
	for name := range s.mappedTo {
		shadowed[name] = true
	}
	for _, pkg := range s.native {
		if !pkg.Type.OS() {
			continue
		}
		if !shadowed[pkg.Name] {
			s.add(provideOf(pkg.Name, Package, pkg))
		}
		gone := gone(pkg)
		for _, v := range pkg.Provides {
			if v.Name != pkg.Name && !shadowed[v.Name] && gone[v.Name] == "" {
				s.add(virtual(v, pkg))
			}
			if so, ok := soname(v.Name, pkg); ok && gone["so:"+so] == "" {
				s.add(virtual(sbom.VirtualPackage{Name: "so:" + so, Version: v.Version}, pkg))
			}
		}
	}
	for _, pkg := range s.foreign {
		s.add(provideOf(pkg.Name+":"+pkg.Arch, Package, pkg))
	}
}

func (s *Set) add(p Provide) { s.named[p.Name] = append(s.named[p.Name], p) }

func provideOf(name string, kind Kind, pkg sbom.Package) Provide {
	return Provide{
		Name: name, Kind: kind, Version: Upstream(RuleOf(pkg.Type), pkg.Version), Full: pkg.Version, Rule: RuleOf(pkg.Type),
		Evidence: []Evidence{evidenceOf(pkg)},
	}
}

func evidenceOf(pkg sbom.Package) Evidence {
	return Evidence{PURL: pkg.PURL, Pattern: PatternOf(pkg), Package: pkg.Name, Version: pkg.Version}
}

// virtual returns a virtual package as a provide. If it has no version, the
// package's version does not apply.
func virtual(v sbom.VirtualPackage, pkg sbom.Package) Provide {
	p := provideOf(v.Name, Virtual, pkg)
	p.Version, p.Full = Upstream(p.Rule, v.Version), v.Version
	switch {
	case strings.HasPrefix(v.Name, "cmd:"):
		p.Kind = Command
	case strings.HasPrefix(v.Name, "so:"):
		p.Kind = Library
	}
	return p
}

// soname returns the library in RPM's syntax: libssl.so.3()(64bit), or libssl.so.3
// on 32-bit systems.
func soname(capability string, pkg sbom.Package) (string, bool) {
	if pkg.Type != sbom.RPM {
		return "", false
	}
	name, wide := strings.CutSuffix(capability, "()(64bit)")
	return name, sbom.IsLibrary(name) && !strings.ContainsAny(name, "(/ ") && (wide || family(pkg.Arch) == "i386" || strings.HasPrefix(pkg.Arch, "armv"))
}

// architecture returns the image's own architecture, which is the most common one of
// its packages; "" if there is none.
func architecture(packages []sbom.Package) string {
	count := map[string]int{}
	for _, pkg := range packages {
		if pkg.Type.OS() {
			count[family(pkg.Arch)]++
		}
	}
	delete(count, "")
	own, most := "", 0
	for arch, n := range count {
		if n > most || n == most && arch < own {
			own, most = arch, n
		}
	}
	return own
}

// split separates packages of the image's own architecture from foreign packages.
func split(packages []sbom.Package, own string) (native, foreign []sbom.Package) {
	if !slices.IsSortedFunc(packages, sbom.Compare) {
		packages = slices.SortedFunc(slices.Values(packages), sbom.Compare)
	}
	for _, pkg := range packages {
		if arch := family(pkg.Arch); pkg.Type.OS() && arch != "" && arch != own {
			foreign = append(foreign, pkg)
			continue
		}
		native = append(native, pkg)
	}
	return native, foreign
}

// family normalizes an architecture; "" for packages that run on any.
func family(arch string) string {
	switch arch {
	case "all", "noarch", "any", "None":
		return ""
	case "i486", "i586", "i686":
		return "i386"
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}

// compareProvides orders by name, rank of kind and evidence.
func compareProvides(a, b Provide) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(rank(a.Kind), rank(b.Kind)),
		slices.CompareFunc(a.Evidence, b.Evidence, func(x, y Evidence) int {
			return cmp.Or(strings.Compare(x.Package, y.Package), strings.Compare(x.PURL, y.PURL), strings.Compare(x.Version, y.Version), strings.Compare(x.Path, y.Path))
		}), strings.Compare(a.Version, b.Version))
}

var kinds = []Kind{Declared, Mapped, Package, Virtual, PURL, Command, Library}

func rank(k Kind) int { return slices.Index(kinds, k) }

// Document returns the inventory of the set; nil for a nil set.
func (s *Set) Document() *sbom.Document {
	if s == nil {
		return nil
	}
	return s.document
}

// Mapping returns the effective mapping: the operator's over the built-in one.
func (s *Set) Mapping() []Mapping {
	if s == nil {
		return nil
	}
	return s.mapping
}

// All returns everything that the image provides, sorted by name and rank.
func (s *Set) All() []Provide {
	if s == nil {
		return nil
	}
	var all []Provide
	for _, p := range s.named {
		all = append(all, p...)
	}
	for _, p := range s.files() {
		all = append(all, p...)
	}
	for _, pkg := range s.native {
		if pkg.PURL != "" {
			all = append(all, provideOf(PatternOf(pkg), PURL, pkg))
		}
	}
	slices.SortStableFunc(all, compareProvides)
	return slices.CompactFunc(all, func(a, b Provide) bool { return compareProvides(a, b) == 0 })
}

// Names returns the names that the image provides, sorted.
func (s *Set) Names() []string {
	var names []string
	for _, p := range s.All() {
		names = append(names, p.Name)
	}
	return slices.Compact(names)
}

// Lookup returns the provides of a name, best first: by kind, then newest version.
// The name may be a package URL with or without namespace and version.
func (s *Set) Lookup(name string) []Provide {
	if s == nil {
		return nil
	}
	if strings.HasPrefix(name, "pkg:") {
		found, _, _ := s.lookupPURL(name)
		return found
	}
	found := slices.Concat(s.named[name], s.files()[name])
	slices.SortStableFunc(found, better)
	return found
}

// better orders provides of one name, best first.
func better(a, b Provide) int {
	newer := 0
	if a.Rule == b.Rule && a.Version != "" && b.Version != "" {
		newer, _ = Compare(a.Rule, cmp.Or(b.Full, b.Version), cmp.Or(a.Full, a.Version))
	}
	return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), newer, compareProvides(a, b))
}

// lookupPURL returns the packages that a package URL matches, and those that differ
// only in version. Its version is a constraint; its qualifiers must equal the
// package's. Without an architecture it matches the image's own.
func (s *Set) lookupPURL(name string) (found, other []Provide, err error) {
	want, err := packageurl.FromString(name)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %q: %w", name, err)
	}
	version, unclear := ParseConstraint(want.Version)
	packages := s.native
	if want.Qualifiers.Map()["arch"] != "" {
		packages = slices.Concat(s.native, s.foreign)
	}
	for _, pkg := range packages {
		if string(pkg.Type) != want.Type || !named(pkg, want) {
			continue
		}
		p := provideOf(name, PURL, pkg)
		fits := want.Version == "" || want.Version == pkg.Version || want.Version == purlVersion(pkg)
		if !fits && unclear == nil {
			fits, _ = version.Match(p.Rule, p.Full)
		}
		if fits {
			found = append(found, p)
		} else {
			other = append(other, p)
		}
	}
	slices.SortStableFunc(found, better)
	slices.SortStableFunc(other, better)
	return found, other, nil
}

// named reports whether a package has the namespace, name and qualifiers of a
// package URL.
func named(pkg sbom.Package, want packageurl.PackageURL) bool {
	if pkg.Type.OS() && pkg.Name != want.Name {
		return false
	}
	have, err := packageurl.FromString(pkg.PURL)
	if err != nil {
		have = packageurl.PackageURL{Name: pkg.Name}
	}
	if have.Name != want.Name || want.Namespace != "" && want.Namespace != have.Namespace || want.Subpath != have.Subpath {
		return false
	}
	qualifiers := have.Qualifiers.Map()
	for key, value := range want.Qualifiers.Map() {
		if qualifiers[key] != value && (key != "arch" || pkg.Arch != value) {
			return false
		}
	}
	return true
}

// purlVersion returns the version in the package URL, which for RPM has no epoch.
func purlVersion(pkg sbom.Package) string {
	p, err := packageurl.FromString(pkg.PURL)
	if err != nil {
		return ""
	}
	return p.Version
}
