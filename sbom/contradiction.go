package sbom

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Contradiction explains why the document cannot describe any image: it lists the
// packages of every layer, or packages that a package manager cannot have installed
// side by side. It returns "" if there is no contradiction.
func (d *Document) Contradiction() string {
	if d.AllLayers {
		return "its packages are those of every layer of the image, deleted ones included: generate it from the squashed image"
	}
	packages := slices.DeleteFunc(slices.Clone(d.Packages), func(p Package) bool { return !p.Type.OS() || p.installOnly() })
	slices.SortStableFunc(packages, func(a, b Package) int {
		return cmp.Or(strings.Compare(string(a.Type), string(b.Type)), strings.Compare(a.Name, b.Name))
	})
	for len(packages) > 0 {
		first := packages[0]
		n := slices.IndexFunc(packages, func(p Package) bool { return p.Type != first.Type || p.Name != first.Name })
		if n < 0 {
			n = len(packages)
		}
		if a, b, ok := twoVersions(packages[:n]); ok {
			return fmt.Sprintf("it lists %s package %s in two versions, %s and %s", a.Type, a.Name, a.Version, b.Version)
		}
		packages = packages[n:]
	}
	return ""
}

// twoVersions finds two packages of one name that differ in version and may have
// the same architecture.
func twoVersions(same []Package) (a, b Package, ok bool) {
	byArch := map[string]Package{}
	for _, p := range same {
		first, seen := byArch[p.Arch]
		if seen && first.release() != p.release() {
			return first, p, true
		}
		if !seen {
			byArch[p.Arch] = p
		}
	}
	unknown, ok := byArch[""]
	if !ok {
		return a, b, false
	}
	for _, p := range same {
		if p.release() != unknown.release() {
			return unknown, p, true
		}
	}
	return a, b, false
}

// release returns the version without an epoch of zero, which is optional.
func (p Package) release() string { return strings.TrimPrefix(p.Version, "0:") }

// installOnly reports whether RPM installs versions of the package side by side
// (installonlypkgs in dnf.conf(5); gpg-pubkey is a key, not a package).
func (p Package) installOnly() bool {
	return p.Type == RPM && (strings.HasPrefix(p.Name, "kernel") || p.Name == "gpg-pubkey")
}
