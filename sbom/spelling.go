package sbom

import (
	"cmp"
	"slices"
	"strings"
)

// ParseVirtuals reads entries of a Provides field as the databases spell them:
// dpkg's "libfoo:any (= 1.2)", apk's "so:libssl.so.3=3.1.4", RPM's
// "perl(Carp) = 1.50". They come sorted, each once.
func ParseVirtuals(t Type, entries []string) []VirtualPackage {
	all := make([]VirtualPackage, 0, len(entries))
	for _, e := range entries {
		if v := parseVirtual(t, e); v.Name != "" {
			all = append(all, v)
		}
	}
	return SortVirtuals(all)
}

func parseVirtual(t Type, entry string) (v VirtualPackage) {
	switch t {
	case Deb:
		v.Name, v.Version, _ = strings.Cut(entry, "(")
		v.Name, _, _ = strings.Cut(strings.TrimSpace(v.Name), ":") // an architecture
		v.Version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v.Version), ")"))
		v.Version = strings.TrimSpace(strings.TrimPrefix(v.Version, "="))
	case RPM:
		v.Name, v.Version, _ = strings.Cut(entry, " = ")
	default:
		v.Name, v.Version, _ = strings.Cut(entry, "=")
		v.Name = strings.TrimRight(v.Name, "<>~")
	}
	return v
}

// SortVirtuals sorts by name and version and drops repetitions, in place; nil if
// there are none.
func SortVirtuals(all []VirtualPackage) []VirtualPackage {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b VirtualPackage) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	return slices.Compact(all)
}

// Spell is the entry as packages of the type spell it; see [ParseVirtuals].
func (v VirtualPackage) Spell(t Type) string {
	switch {
	case v.Version == "":
		return v.Name
	case t == Deb:
		return v.Name + " (= " + v.Version + ")"
	case t == RPM:
		return v.Name + " = " + v.Version
	}
	return v.Name + "=" + v.Version
}

// ParseSourceRPM takes the file name of a source package apart,
// "bash-5.1.8-6.el9.src.rpm"; zero if it is none.
func ParseSourceRPM(file string) Source {
	nvr := strings.TrimSuffix(strings.TrimSuffix(file, ".rpm"), ".src")
	nvr = strings.TrimSuffix(nvr, ".nosrc")
	release := strings.LastIndexByte(nvr, '-')
	if release <= 0 {
		return Source{}
	}
	version := strings.LastIndexByte(nvr[:release], '-')
	if version <= 0 {
		return Source{}
	}
	return Source{Name: nvr[:version], Version: nvr[version+1:]}
}
