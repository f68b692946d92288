package provides

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// Prefers reports whether the operator has set prefer for the name, so that the
// image consumes launch-only requirements of it.
func (s *Set) Prefers(name string) bool { return s != nil && s.mappedTo[name].Prefer }

// Answer returns whether the image meets a requirement for name with a version
// constraint ("" for any). A constraint that cannot be parsed is not met.
func (s *Set) Answer(name, constraint string) Answer {
	if s == nil {
		return Answer{Reason: "nothing is known of the image"}
	}
	found := s.Lookup(name)
	if len(found) > 0 {
		return judge(found, constraint)
	}
	if strings.HasPrefix(name, "pkg:") {
		_, other, err := s.lookupPURL(name)
		switch {
		case err != nil:
			return Answer{Reason: err.Error()}
		case len(other) > 0:
			return Answer{Offered: true, By: other, Reason: fmt.Sprintf("has %s, which is not %s", other[0].backing(), name)}
		}
	}
	return Answer{Reason: s.missing(name)}
}

// judge returns which of the provides of a name meet a constraint.
func judge(found []Provide, constraint string) Answer {
	c, err := ParseConstraint(constraint)
	if err != nil {
		return Answer{Offered: true, By: found, Reason: fmt.Sprintf("has %s, but %v", found[0].backing(), err)}
	}
	var met []Provide
	var failed error
	for _, p := range found {
		ok, err := c.Match(p.Rule, cmp.Or(p.Full, p.Version))
		switch {
		case ok:
			met = append(met, p)
		case failed == nil:
			failed = err
		}
	}
	if len(met) > 0 {
		return Answer{Met: true, Offered: true, By: met, Reason: met[0].backing()}
	}
	why := "which is not " + c.String()
	switch {
	case failed != nil:
		why = fmt.Sprintf("which cannot be compared with %s: %v", c, failed)
	case found[0].Version == "":
		why = fmt.Sprintf("whose version is not known, so %s cannot be checked", c)
	}
	return Answer{Offered: true, By: found, Reason: fmt.Sprintf("has %s, %s", found[0].backing(), why)}
}

// missing returns why the name is not provided, and distinguishes absent from
// unknown.
func (s *Set) missing(name string) string {
	if pkg, ok := s.Untyped(name); ok {
		return fmt.Sprintf("the SBOM lists %s without its type, so whether %s is there is unknown", strings.TrimSpace(pkg.Name+" "+pkg.Version), name)
	}
	_, mapped := s.mappedTo[name]
	if u, ok := s.unready(name); ok {
		return fmt.Sprintf("has %s, which is %s, not installed", strings.TrimSpace(u.Name+" "+u.Version), u.State)
	}
	for _, pkg := range s.native {
		if file := gone(pkg)[name]; file != "" {
			return notInImage(pkg, file)
		}
	}
	switch file := strings.HasPrefix(name, "cmd:") || strings.HasPrefix(name, "so:"); {
	case len(s.document.Packages) == 0:
		return "has no packages"
	case file && !s.knowsFiles(name):
		return fmt.Sprintf("this SBOM does not list files, so whether %s is there is unknown", name)
	case !file && !mapped && !strings.HasPrefix(name, "pkg:") && !s.document.Knows(sbom.Virtual):
		return fmt.Sprintf("has no package %s; this SBOM does not list virtual packages, so whether another stands in for it is unknown", name)
	}
	return "has no " + name
}

// notInImage returns the reason if a file that a package owns by its database is
// not in the image.
func notInImage(pkg sbom.Package, file string) string {
	return fmt.Sprintf("has %s %s, but its file %s is not in the image", pkg.Name, pkg.Version, file)
}

// Untyped returns a package that the inventory lists without a type (it has no
// package URL) and that would provide the name if it were an operating system
// package. The name is then not provided, but not known to be absent either.
func (s *Set) Untyped(name string) (pkg sbom.Package, ok bool) {
	if s == nil {
		return pkg, false
	}
	var patterns []Pattern
	for _, text := range s.mappedTo[name].Packages {
		if p, err := ParsePattern(text); err == nil {
			p.namespace, p.version = nil, ""
			patterns = append(patterns, p)
		}
	}
	if want, err := packageurl.FromString(name); err == nil {
		name = want.Name
	}
	for _, pkg := range s.native {
		if pkg.Type != "" {
			continue
		}
		typed := pkg
		fits := func(p Pattern) bool {
			typed.Type = p.kind
			_, ok := p.Match(typed)
			return ok
		}
		if pkg.Name == name || slices.ContainsFunc(patterns, fits) {
			return pkg, true
		}
	}
	return pkg, false
}

// knowsFiles reports whether a command or library that is not listed is absent:
// Alpine's database lists both as virtual packages, RPM's lists libraries.
func (s *Set) knowsFiles(name string) bool {
	return !slices.ContainsFunc(s.native, func(pkg sbom.Package) bool {
		if !pkg.Type.OS() || pkg.Known.Has(sbom.Files) {
			return false
		}
		listed := pkg.Type == sbom.APK || pkg.Type == sbom.RPM && strings.HasPrefix(name, "so:")
		return !listed || !pkg.Known.Has(sbom.Virtual)
	})
}

// backing summarizes the evidence: "curl 7.88.1-10+deb12u12".
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

// unready returns the package that would provide the name if its installation had
// finished.
func (s *Set) unready(name string) (sbom.Unready, bool) {
	for _, u := range s.document.Unready {
		pkg := sbom.Package{Type: sbom.Deb, Name: u.Name, Version: u.Version}
		if s.document.Distro.ID != "" {
			pkg.PURL = packageurl.NewPackageURL(string(pkg.Type), s.document.Distro.ID, u.Name, u.Version, nil, "").ToString()
		}
		if s.means(name, pkg) {
			return u, true
		}
	}
	return sbom.Unready{}, false
}

// means reports whether the name, package URL or mapped name refers to the package
// in any version.
func (s *Set) means(name string, pkg sbom.Package) bool {
	if strings.HasPrefix(name, "pkg:") {
		want, err := packageurl.FromString(name)
		want.Qualifiers, want.Subpath = nil, ""
		return err == nil && want.Type == string(pkg.Type) && named(pkg, want)
	}
	m, mapped := s.mappedTo[name]
	if !mapped {
		return pkg.Name == name
	}
	return slices.ContainsFunc(m.Packages, func(text string) bool {
		p, err := ParsePattern(text)
		if err != nil {
			return false
		}
		_, ok := p.Match(pkg)
		return ok
	})
}

// Unready returns the package of that name whose installation did not finish. See
// [sbom.Document.Unready].
func (s *Set) Unready(name string) (u sbom.Unready, ok bool) {
	if s == nil {
		return u, false
	}
	i := slices.IndexFunc(s.document.Unready, func(u sbom.Unready) bool { return u.Name == name })
	if i < 0 {
		return u, false
	}
	return s.document.Unready[i], true
}
