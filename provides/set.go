package provides

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// A Set is everything that one image provides. It never changes; a nil *Set
// means that nothing is known of the image, and provides nothing.
type Set struct {
	document *sbom.Document
	mapping  []Mapping // effective
	named    map[string][]Provide
	prefers  map[string]bool

	// The files that packages own are many, and most plans ask for none.
	files func() map[string][]Provide // cmd: and so: names from owned files
	owned func() map[string]bool      // every file, owned or not
}

// From makes the set of an inventory: what its packages are, under the names
// that the operator's mapping (over the built-in one) and the publisher's
// declaration give them. Entries of the declaration that the inventory does not
// back come back as refusals and provide nothing. A nil declaration declares
// nothing; a nil document gives a nil set.
func From(doc *sbom.Document, mapping []Mapping, declared *Declaration) (*Set, []Refusal) {
	if doc == nil {
		return nil, nil
	}
	s := &Set{document: doc, mapping: effective(mapping), named: map[string][]Provide{}, prefers: map[string]bool{}}
	s.files = sync.OnceValue(s.fileNames)
	s.owned = sync.OnceValue(s.allFiles)
	refused := s.declare(declared)
	s.mapped()
	s.packages()
	for name, all := range s.named {
		slices.SortStableFunc(all, compareProvides)
		s.named[name] = slices.CompactFunc(all, func(a, b Provide) bool { return compareProvides(a, b) == 0 })
	}
	return s, refused
}

// declare adds the entries of the declaration that the inventory backs.
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

// mapped adds what the mapping makes of the packages. A name that the mapping
// has never comes from a package or virtual package of that name: Debian's node
// was once a program for amateur radio.
func (s *Set) mapped() {
	for _, m := range s.mapping {
		s.prefers[m.Name] = m.Prefer
		for _, text := range m.Packages {
			pattern, err := ParsePattern(text)
			if err != nil {
				continue // the reader of the table has said so
			}
			for _, pkg := range s.document.Packages {
				if version, ok := pattern.Match(pkg); ok {
					p := provideOf(m.Name, Mapped, pkg)
					if version != "" {
						p.Version, p.Full, p.Rule = version, "", Semver
					}
					s.add(p)
				}
			}
		}
	}
}

// packages adds the operating system packages by name, and the virtual ones.
func (s *Set) packages() {
	shadowed := map[string]bool{}
	for name := range s.named {
		shadowed[name] = true
	}
	for _, m := range s.mapping {
		shadowed[m.Name] = true
	}
	for _, pkg := range s.document.Packages {
		if !pkg.Type.OS() {
			continue
		}
		if !shadowed[pkg.Name] {
			s.add(provideOf(pkg.Name, Package, pkg))
		}
		for _, v := range pkg.Provides {
			if v.Name != pkg.Name && !shadowed[v.Name] {
				s.add(virtual(v, pkg))
			}
			if so, ok := soname(v.Name); ok && pkg.Type == sbom.RPM {
				s.add(virtual(sbom.VirtualPackage{Name: "so:" + so, Version: v.Version}, pkg))
			}
		}
	}
}

func (s *Set) add(p Provide) { s.named[p.Name] = append(s.named[p.Name], p) }

func provideOf(name string, kind Kind, pkg sbom.Package) Provide {
	return Provide{
		Name: name, Kind: kind, Version: pkg.EVR().Version, Full: pkg.Version, Rule: RuleOf(pkg.Type),
		Evidence: []Evidence{evidenceOf(pkg)},
	}
}

func evidenceOf(pkg sbom.Package) Evidence {
	return Evidence{PURL: pkg.PURL, Pattern: PatternOf(pkg), Package: pkg.Name, Version: pkg.Version}
}

// virtual is a name that a package stands in for; what has no version of its
// own has none, whatever the package's.
func virtual(v sbom.VirtualPackage, pkg sbom.Package) Provide {
	p := provideOf(v.Name, Virtual, pkg)
	p.Version, p.Full = sbom.ParseEVR(pkg.Type, v.Version).Version, v.Version
	switch {
	case strings.HasPrefix(v.Name, "cmd:"):
		p.Kind = Command
	case strings.HasPrefix(v.Name, "so:"):
		p.Kind = Library
	}
	return p
}

// soname finds the library in RPM's way of naming it: libssl.so.3()(64bit).
func soname(capability string) (string, bool) {
	name, _, ok := strings.Cut(capability, "(")
	return name, ok && strings.Contains(name, ".so")
}

// compareProvides orders by name, rank of kind, then evidence.
func compareProvides(a, b Provide) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(rank(a.Kind), rank(b.Kind)),
		slices.CompareFunc(a.Evidence, b.Evidence, func(x, y Evidence) int {
			return cmp.Or(strings.Compare(x.Package, y.Package), strings.Compare(x.PURL, y.PURL), strings.Compare(x.Version, y.Version), strings.Compare(x.Path, y.Path))
		}), strings.Compare(a.Version, b.Version))
}

var kinds = []Kind{Declared, Mapped, Package, Virtual, PURL, Command, Library}

func rank(k Kind) int { return slices.Index(kinds, k) }

// fileNames finds commands and libraries among the files that packages own.
func (s *Set) fileNames() map[string][]Provide {
	found := map[string][]Provide{}
	for _, pkg := range s.document.Packages {
		seen := map[string]bool{}
		for _, file := range pkg.Files {
			name, kind := fileName(file)
			if name == "" || seen[name] {
				continue
			}
			seen[name] = true
			p := provideOf(name, kind, pkg)
			p.Evidence[0].Path = file
			found[name] = append(found[name], p)
		}
	}
	return found
}

var commandDirs = map[string]bool{
	"/bin": true, "/sbin": true, "/usr/bin": true, "/usr/sbin": true, "/usr/local/bin": true, "/usr/local/sbin": true,
}

// fileName is the name that a file at this path provides, if any. Libraries lie
// in /lib, /usr/lib, their 64-bit kin, or one folder below (Debian's multiarch).
func fileName(file string) (string, Kind) {
	dir, base := path.Dir(file), path.Base(file)
	if commandDirs[dir] {
		return "cmd:" + base, Command
	}
	if !strings.HasSuffix(base, ".so") && !strings.Contains(base, ".so.") {
		return "", ""
	}
	if libraryDir(dir) || strings.Contains(path.Base(dir), "-linux-") && libraryDir(path.Dir(dir)) {
		return "so:" + base, Library
	}
	return "", ""
}

func libraryDir(dir string) bool {
	switch strings.TrimPrefix(dir, "/usr") {
	case "/lib", "/lib64", "/local/lib", "/local/lib64":
		return true
	}
	return false
}

func (s *Set) allFiles() map[string]bool {
	all := map[string]bool{}
	for _, f := range s.document.Files {
		all[mergeUsr(f)] = true
	}
	for _, pkg := range s.document.Packages {
		for _, f := range pkg.Files {
			all[mergeUsr(f)] = true
		}
	}
	return all
}

// mergeUsr gives the two spellings of a path on a system with merged /usr one form.
func mergeUsr(file string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(file, dir) {
			return "/usr" + file
		}
	}
	return file
}

// Document is the inventory that the set was made from; nil for a nil set.
func (s *Set) Document() *sbom.Document {
	if s == nil {
		return nil
	}
	return s.document
}

// Mapping is the effective mapping: the operator's over the built-in one.
func (s *Set) Mapping() []Mapping {
	if s == nil {
		return nil
	}
	return s.mapping
}

// All is every name that the image provides, sorted by name and rank.
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
	for _, pkg := range s.document.Packages {
		if pkg.PURL != "" {
			all = append(all, provideOf(PatternOf(pkg), PURL, pkg))
		}
	}
	slices.SortFunc(all, compareProvides)
	return slices.CompactFunc(all, func(a, b Provide) bool { return compareProvides(a, b) == 0 })
}

// Lookup is what backs one name, best first. The name may be a package URL,
// whose namespace and version may be left out.
func (s *Set) Lookup(name string) []Provide {
	if s == nil {
		return nil
	}
	if strings.HasPrefix(name, "pkg:") {
		return s.lookupPURL(name)
	}
	found := slices.Concat(s.named[name], s.files()[name])
	slices.SortStableFunc(found, compareProvides)
	return found
}

func (s *Set) lookupPURL(name string) []Provide {
	want, err := packageurl.FromString(name)
	if err != nil {
		return nil
	}
	var found []Provide
	for _, pkg := range s.document.Packages {
		if string(pkg.Type) != want.Type || pkg.Name != want.Name ||
			want.Namespace != "" && want.Namespace != namespace(pkg) ||
			want.Version != "" && want.Version != pkg.Version && want.Version != pkg.EVR().Version && want.Version != purlVersion(pkg) {
			continue
		}
		found = append(found, provideOf(name, PURL, pkg))
	}
	return found
}

// purlVersion is the version as the purl spells it: without the epoch, for RPM.
func purlVersion(pkg sbom.Package) string {
	p, err := packageurl.FromString(pkg.PURL)
	if err != nil {
		return ""
	}
	return p.Version
}

// Prefers reports whether the operator wants the image to consume launch-only
// requirements of that name.
func (s *Set) Prefers(name string) bool { return s != nil && s.prefers[name] }

// Answer says whether the image meets a requirement for name under a version
// constraint ("" for any). A constraint that is not understood is not met.
func (s *Set) Answer(name, constraint string) Answer {
	if s == nil {
		return Answer{Reason: "nothing is known of the image"}
	}
	found := s.Lookup(name)
	if len(found) == 0 {
		return Answer{Reason: s.missing(name)}
	}
	c, err := ParseConstraint(constraint)
	if err != nil {
		return Answer{Offered: true, By: found, Reason: err.Error()}
	}
	var met []Provide
	var why string
	for _, p := range found {
		ok, err := c.Allows(p.Rule, p.Version, p.Full)
		switch {
		case ok:
			met = append(met, p)
		case err != nil && why == "":
			why = err.Error()
		}
	}
	if len(met) > 0 {
		return Answer{Met: true, Offered: true, By: met, Reason: met[0].backing()}
	}
	if why == "" {
		why = fmt.Sprintf("has %s, which is not %s", found[0].backing(), c)
		if found[0].Version == "" {
			why = fmt.Sprintf("has %s, whose version is not known, so that %s cannot be checked", found[0].backing(), c)
		}
	}
	return Answer{Offered: true, By: found, Reason: why}
}

// missing keeps "is not there" and "cannot be known" apart.
func (s *Set) missing(name string) string {
	unknown := ""
	switch {
	case len(s.document.Packages) == 0:
		return "has no packages"
	case (strings.HasPrefix(name, "cmd:") || strings.HasPrefix(name, "so:")) && !s.document.Knows(sbom.Files):
		unknown = "which files packages own"
	case !strings.Contains(name, ":") && !s.document.Knows(sbom.Virtual):
		unknown = "virtual packages"
	}
	if unknown != "" {
		return fmt.Sprintf("has no %s that its SBOM tells of, but the SBOM does not say %s", name, unknown)
	}
	return "has no " + name
}

// backing is the evidence in a few words: "curl 7.88.1-10+deb12u12".
func (p Provide) backing() string {
	e := p.Evidence[0]
	switch {
	case e.Package == "":
		return e.Path
	case e.Path != "":
		return fmt.Sprintf("%s of %s %s", e.Path, e.Package, e.Version)
	case p.Kind == Virtual && p.Name != e.Package:
		return strings.TrimSpace(fmt.Sprintf("%s %s", p.Name, p.Version)) + fmt.Sprintf(" by %s %s", e.Package, e.Version)
	}
	return e.Package + " " + e.Version
}

// Installed is the operating system packages of that type and name.
func (s *Set) Installed(t sbom.Type, name string) []sbom.Package {
	if s == nil {
		return nil
	}
	pkgs := s.document.Packages
	i, _ := slices.BinarySearchFunc(pkgs, sbom.Package{Type: t, Name: name}, sbom.Compare)
	var found []sbom.Package
	for ; i < len(pkgs) && pkgs[i].Type == t && pkgs[i].Name == name; i++ {
		found = append(found, pkgs[i])
	}
	return found
}
