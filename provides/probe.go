package provides

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// A Part is what an inventory has to meet requirements with, without the rest. A
// [Probe] judges it, with or without the packages that do not concern the
// requirement.
type Part struct {
	Architecture string         // the image's own; empty: unknown
	Packages     []sbom.Package // with the files that are commands or libraries
	Files        []string       // commands and libraries without an owner, sorted
	Declared     []Provide      // backed entries of the publisher's declaration
}

// Part returns what the set has to meet requirements with.
func (s *Set) Part() Part {
	if s == nil {
		return Part{}
	}
	p := Part{Architecture: s.architecture, Files: providing(s.document.Files)}
	for _, pkg := range s.document.Packages {
		p.Packages = append(p.Packages, sbom.Package{
			Type: pkg.Type, Name: pkg.Name, Version: pkg.Version, Arch: pkg.Arch, PURL: pkg.PURL,
			Provides: pkg.Provides, Files: providing(pkg.Files), Absent: providing(pkg.Absent),
		})
	}
	for _, all := range s.named {
		for _, provide := range all {
			if provide.Kind == Declared {
				p.Declared = append(p.Declared, provide)
			}
		}
	}
	slices.SortFunc(p.Declared, compareProvides)
	return p
}

// providing returns the files that provide a name.
func providing(files []string) []string {
	var all []string
	for _, file := range files {
		if sbom.FileName(file) != "" {
			all = append(all, file)
		}
	}
	return all
}

// A Probe judges one requirement on parts of many inventories. What it answers as
// met and offered is what [Set.Answer] does for the whole inventory; the reason why
// a name is not offered may differ, since a part does not have it.
type Probe struct {
	name, constraint string
	file             bool      // a command or library
	mapping          []Mapping // the effective entry of the name; empty: none
	patterns         []Pattern // of that entry, for any version
	purl             *packageurl.PackageURL
}

// NewProbe returns the probe for a name with a version constraint ("" for any) and
// the operator's mapping.
func NewProbe(name, constraint string, mapping []Mapping) *Probe {
	p := &Probe{name: name, constraint: constraint, file: strings.HasPrefix(name, "cmd:") || strings.HasPrefix(name, "so:")}
	if strings.HasPrefix(name, "pkg:") {
		if want, err := packageurl.FromString(name); err == nil {
			p.purl = &want
		}
	}
	for _, m := range effective(mapping) {
		if m.Name != name {
			continue
		}
		p.mapping = append(p.mapping, m)
		for _, text := range m.Packages {
			if pattern, err := ParsePattern(text); err == nil {
				pattern.version = ""
				p.patterns = append(p.patterns, pattern)
			}
		}
	}
	return p
}

// Concerns reports whether any version of a package may matter to the requirement.
func (p *Probe) Concerns(pkg sbom.Package) bool {
	if strings.HasPrefix(p.name, "pkg:") {
		return p.purl != nil && string(pkg.Type) == p.purl.Type && named(pkg, *p.purl)
	}
	if rest, ok := strings.CutPrefix(p.name, pkg.Name); ok && (rest == "" || rest == ":"+pkg.Arch) {
		return true
	}
	for _, pattern := range p.patterns {
		if _, ok := pattern.Match(pkg); ok {
			return true
		}
	}
	for _, v := range pkg.Provides {
		if v.Name == p.name {
			return true
		}
		if so, ok := strings.CutPrefix(p.name, "so:"); ok && strings.HasPrefix(v.Name, so) {
			return true
		}
	}
	return p.file && p.hasFile(pkg.Files)
}

// ConcernsFiles reports whether files without an owner may matter to the requirement.
func (p *Probe) ConcernsFiles(files []string) bool { return p.file && p.hasFile(files) }

func (p *Probe) hasFile(files []string) bool {
	_, base, _ := strings.Cut(p.name, ":")
	return slices.ContainsFunc(files, func(file string) bool {
		return strings.HasSuffix(file, base) && sbom.FileName(file) == p.name
	})
}

// Answer judges the requirement on a part, from which packages may be missing that
// do not concern it.
func (p *Probe) Answer(part Part) Answer {
	s := newSet(&sbom.Document{Packages: part.Packages, Files: part.Files}, part.Architecture, p.mapping)
	for _, provide := range part.Declared {
		s.add(provide)
	}
	s.complete()
	return s.Answer(p.name, p.constraint)
}
