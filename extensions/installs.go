package extensions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// more returns what a Dockerfile does besides installing packages that provide the
// requirements of its extension. If there is any, the proof [Installs] fails even
// if the image has the names. old is why unpinned installs do not count.
func (e analysis) more(base Base, names []string, old string) []string {
	var all []string
	for i, f := range e.findings {
		if !f.effect {
			continue
		}
		line := e.instructions[i].Line
		if !f.managed {
			all = append(all, fmt.Sprintf("line %d: %s", line, e.instructions[i].Reason))
			continue
		}
		for _, a := range f.adds {
			switch {
			case !a.provides(base, names):
				all = append(all, fmt.Sprintf("line %d: installs %s, which would not provide %s", line, printable(a.spelled), strings.Join(names, " or ")))
			case old != "" && !a.pinned():
				all = append(all, fmt.Sprintf("line %d: installs %s, which is not pinned: %s", line, printable(a.spelled), old))
			}
		}
	}
	return all
}

// provides reports whether the package would provide one of the names under the
// image's rules.
func (a added) provides(base Base, names []string) bool {
	return slices.ContainsFunc(a.packages(base), func(p sbom.Package) bool { return base.Set.WouldProvide(p, names) })
}

// packages returns the packages that the spelled name and version can mean; none if
// it is not a plain package name.
func (a added) packages(base Base) []sbom.Package {
	native := nativeArch(base.Set.Document(), a.kind)
	switch a.kind {
	case sbom.Deb:
		m := spelledDeb.FindStringSubmatch(a.spelled)
		if m == nil || m[2] != "" && m[2] != native || strings.HasSuffix(m[1], "-") { // a trailing - removes
			return nil
		}
		return []sbom.Package{{Type: a.kind, Name: m[1], Version: m[3]}}
	case sbom.APK:
		m := spelledAPK.FindStringSubmatch(a.spelled)
		if m == nil || strings.Contains(m[1], ":") {
			return nil
		}
		return []sbom.Package{{Type: a.kind, Name: m[1]}}
	case sbom.RPM:
		return a.rpms(native)
	}
	return nil
}

// spelledRPM matches a package name without anything that dnf expands or looks up
// by other means.
var spelledRPM = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9+._~^:-]*$`)

// rpms returns the interpretations of NAME, NAME-VERSION and NAME-VERSION-RELEASE,
// each with or without an architecture.
func (a added) rpms(native string) []sbom.Package {
	if !spelledRPM.MatchString(a.spelled) {
		return nil
	}
	name := a.spelled
	for _, arch := range []string{native, "noarch"} {
		if arch != "" {
			name = strings.TrimSuffix(name, "."+arch)
		}
	}
	all := []sbom.Package{{Type: a.kind, Name: name}}
	for range 2 {
		i := strings.LastIndexByte(name, '-')
		if i <= 0 {
			break
		}
		name = name[:i]
		if rest := a.spelled[i+1:]; rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			all = append(all, sbom.Package{Type: a.kind, Name: name, Version: rest})
		}
	}
	return all
}

// fullRPM matches NAME-VERSION-RELEASE, as far as a name alone does not.
var fullRPM = regexp.MustCompile(`-[0-9][^-]*-[0-9][^-]*$`)

// pinned reports whether exactly one version is given.
func (a added) pinned() bool {
	if a.kind == sbom.RPM {
		return fullRPM.MatchString(a.spelled)
	}
	return strings.Contains(a.spelled, "=") && !strings.ContainsAny(a.spelled, "<>")
}
