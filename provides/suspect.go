package provides

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// MappingWarnings returns what is valid in a table, but has no effect: patterns that no package can match, or that another
// pattern of the name covers, and entries equal to the built-in ones.
func MappingWarnings(table []Mapping) (all []string) {
	for _, m := range table {
		warn := func(format string, args ...any) {
			all = append(all, fmt.Sprintf("[[provides]] %q: ", m.Name)+fmt.Sprintf(format, args...))
		}
		if m.Prefer && len(m.Packages) == 0 {
			warn("key \"prefer\": no package provides the name; remove the key, or add packages")
		}
		if slices.ContainsFunc(Builtin(), m.equal) {
			warn("it is the built-in entry; remove it")
		}
		var before []Pattern
		for _, text := range m.Packages {
			p, err := ParsePattern(text)
			if err != nil {
				continue
			}
			if why := p.never(); why != "" {
				warn("key \"packages\": no package can match %q: %s", text, why)
			}
			for _, q := range before {
				switch {
				case q.covers(p):
					warn("key \"packages\": %q matches all that %q matches; remove the latter", q.text, p.text)
				case p.covers(q):
					warn("key \"packages\": %q matches all that %q matches; remove the latter", p.text, q.text)
				}
			}
			before = append(before, p)
		}
	}
	return all
}

func (m Mapping) equal(o Mapping) bool {
	return m.Name == o.Name && m.Prefer == o.Prefer && slices.Equal(m.Packages, o.Packages)
}

// names are the characters in names of packages by type.
var names = map[sbom.Type]*regexp.Regexp{
	sbom.Deb: regexp.MustCompile(`^[a-z0-9+.-]*$`), // Debian Policy, "Package"
	sbom.RPM: regexp.MustCompile(`^[A-Za-z0-9+._~^-]*$`),
	sbom.APK: regexp.MustCompile(`^[A-Za-z0-9+._-]*$`),
}

var wildcards = strings.NewReplacer("*", "", "[0-9]", "", versionWildcard, "")

const versionWildcard = "{version}"

// never returns why no package can match; "" if one can.
func (p Pattern) never() string {
	of, known := names[p.kind]
	spelled := unescape(p.spelled)
	switch literal := wildcards.Replace(spelled); {
	case !known:
		if _, other := packageurl.KnownTypes[string(p.kind)]; !other {
			return fmt.Sprintf("%s is not a type of package URLs; those of operating systems are deb, rpm and apk", p.kind)
		}
	case strings.Count(spelled, versionWildcard) > 1:
		return "{version} may occur once; use * or [0-9] for other numbers"
	case !of.MatchString(literal):
		return fmt.Sprintf("names of %s packages do not have %q; the wildcards are *, [0-9] and {version}", p.kind, strangers(of, literal))
	case p.parts > 2:
		return fmt.Sprintf("the form is pkg:%s/NAMESPACE/NAME or pkg:%s/NAME", p.kind, p.kind)
	}
	return ""
}

// strangers returns the characters of a name that no name has.
func strangers(of *regexp.Regexp, name string) string {
	return strings.Map(func(r rune) rune {
		if of.MatchString(string(r)) {
			return -1
		}
		return r
	}, name)
}

// covers reports whether the pattern matches everything that another one does. It may be false although it does.
func (p Pattern) covers(q Pattern) bool {
	switch {
	case p.kind != q.kind || p.version != "" && p.version != q.version:
		return false
	case p.namespace != nil && (q.namespace == nil || p.namespace.String() != q.namespace.String()):
		return false
	case p.spelled == q.spelled:
		return true
	}
	return q.exact && !strings.Contains(p.spelled, versionWildcard) && p.name.MatchString(q.literal) // {version} provides another version
}
