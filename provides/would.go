package provides

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// WouldProvide reports whether a package that the image does not have would provide
// one of the names if it were installed: by the image's mapping, or as another
// version of a package that provides one. Only type, name and, if known, version
// are considered. The package's dependencies and virtual packages are unknown.
func (s *Set) WouldProvide(pkg sbom.Package, names []string) bool {
	if s == nil || pkg.Name == "" {
		return false
	}
	if slices.ContainsFunc(names, func(name string) bool { return s.backs(name, pkg) }) {
		return true
	}
	pkg.PURL = (&packageurl.PackageURL{Type: string(pkg.Type), Namespace: s.namespace(pkg.Type), Name: pkg.Name, Version: pkg.Version}).ToString()
	alone, _ := From(&sbom.Document{Distro: s.document.Distro, Packages: []sbom.Package{pkg}}, s.mapping, nil)
	return slices.ContainsFunc(names, func(name string) bool { return len(alone.Lookup(name)) > 0 })
}

// backs reports whether a package of that type and name is evidence for a name.
func (s *Set) backs(name string, pkg sbom.Package) bool {
	return slices.ContainsFunc(s.Lookup(name), func(p Provide) bool {
		return slices.ContainsFunc(p.Evidence, func(e Evidence) bool {
			return e.Package == pkg.Name && strings.HasPrefix(e.PURL, "pkg:"+string(pkg.Type)+"/")
		})
	})
}

// namespace returns the namespace of the image's packages of a type.
func (s *Set) namespace(t sbom.Type) string {
	for _, pkg := range s.native {
		if pkg.Type == t && pkg.PURL != "" {
			return namespace(pkg)
		}
	}
	return s.document.Distro.ID
}
