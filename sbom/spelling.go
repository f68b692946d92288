package sbom

import (
	"cmp"
	"slices"
	"strings"
)

// ParseVirtuals parses entries of a Provides field in the syntax of type t: dpkg's
// "libfoo:any (= 1.2)", apk's "so:libssl.so.3=3.1.4", RPM's "perl(Carp) = 1.50".
// The result is sorted and has no duplicates.
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

// SortVirtuals sorts by name and version in place and removes duplicates. It
// returns nil for an empty slice.
func SortVirtuals(all []VirtualPackage) []VirtualPackage {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b VirtualPackage) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	return slices.Compact(all)
}

// Entry formats v as an entry of a Provides field of type t. It is the inverse of
// [ParseVirtuals].
func (v VirtualPackage) Entry(t Type) string {
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

// ParseSourceRPM parses the file name of a source package, such as
// "bash-5.1.8-6.el9.src.rpm". It returns the zero Source if the name is malformed.
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
