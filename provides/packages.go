package provides

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// PackagesFor returns the packages of a distribution that provide a name of the build plan, by the operator's mapping
// over the built-in one, best first. Where a package's name has the version, it is that of the constraint;
// if that has none, the name keeps the wildcard. Mapped reports whether the mapping has the name; a name that it lacks is
// that of a package.
func PackagesFor(name, constraint string, kind sbom.Type, distro string, operator []Mapping) (packages []string, mapped bool) {
	all := effective(operator)
	i := slices.IndexFunc(all, func(m Mapping) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	version := versionIn(constraint)
	for _, text := range all[i].Packages {
		p, err := ParsePattern(text)
		if err != nil || p.kind != kind || p.namespace != nil && distro != "" && !p.namespace.MatchString(distro) {
			continue
		}
		spelled := unescape(p.spelled)
		if version != "" {
			spelled = strings.Replace(spelled, versionWildcard, version, 1)
		}
		if !slices.Contains(packages, spelled) {
			packages = append(packages, spelled)
		}
	}
	slices.SortStableFunc(packages, func(a, b string) int { return wildcardsIn(a) - wildcardsIn(b) })
	return packages, true
}

func wildcardsIn(name string) int {
	return len(name) - len(wildcards.Replace(name))
}

// versionIn returns the version that the name of a package has for a constraint: its first one that is not an upper
// bound, with at most two numbers; one if it has three, since packages of runtimes are named 17 or 8.0, but not 17.0.12.
func versionIn(constraint string) string {
	c, err := ParseConstraint(constraint)
	if err != nil {
		return ""
	}
	for _, all := range c.any {
		for _, clause := range all {
			switch clause.op {
			case "prefix", "=", "===", ">=", ">":
			default:
				continue
			}
			parts := strings.Split(leading.FindString(withoutEpoch(clause.version)), ".")
			if len(parts) > 2 {
				parts = parts[:1]
			}
			if parts[0] != "" {
				return strings.Join(parts, ".")
			}
		}
	}
	return ""
}
