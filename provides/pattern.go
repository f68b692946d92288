package provides

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// A Pattern matches packages by their purl: type, namespace (optional), name,
// and version if it is spelled. In namespace and name, * stands for any
// characters but a slash and [0-9] for a digit; {version} in the name stands for
// a number or dotted numbers, and is the version that the name provides.
//
//	pkg:deb/debian/curl    pkg:rpm/*/java-*-openjdk-headless
//	pkg:apk/nodejs         pkg:deb/*/openjdk-{version}-jre-headless
type Pattern struct {
	text      string
	kind      sbom.Type
	namespace *regexp.Regexp // nil: any
	name      *regexp.Regexp
	spelled   string // the name as it was written
	literal   string // what the name begins with
	exact     bool   // the name is literal from end to end
	version   string // empty: any
}

// ParsePattern reads a pattern. Qualifiers and subpaths are refused: what a
// pattern matches must stay true after an update.
func ParsePattern(text string) (Pattern, error) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok {
		return Pattern{}, fmt.Errorf("pattern %q is not a package URL, which begins with \"pkg:\"", text)
	}
	if strings.ContainsAny(rest, "?#") {
		return Pattern{}, fmt.Errorf("pattern %q has qualifiers or a subpath: leave out what follows the version", text)
	}
	rest, version, _ := strings.Cut(rest, "@")
	if !utf8.ValidString(unescape(rest)) {
		return Pattern{}, fmt.Errorf("pattern %q is not UTF-8", text)
	}
	kind, path, _ := strings.Cut(rest, "/")
	i := strings.LastIndexByte(path, '/')
	name := path[i+1:]
	if kind == "" || name == "" || strings.ContainsAny(kind, "*{") {
		return Pattern{}, fmt.Errorf("pattern %q is not of the form pkg:TYPE/NAMESPACE/NAME or pkg:TYPE/NAME", text)
	}
	p := Pattern{text: text, kind: sbom.Type(strings.ToLower(kind)), name: glob(unescape(name)), version: unescape(version)}
	p.spelled, p.literal, p.exact = name, unescape(name), true
	if i := strings.IndexAny(p.literal, "*[{"); i >= 0 {
		p.literal, p.exact = p.literal[:i], false
	}
	if i > 0 && path[:i] != "*" {
		p.namespace = glob(unescape(path[:i]))
	}
	return p, nil
}

func unescape(s string) string {
	if u, err := percentDecode(s); err == nil {
		return u
	}
	return s
}

func percentDecode(s string) (string, error) {
	p, err := packageurl.FromString("pkg:generic/x@" + s)
	return p.Version, err
}

func glob(s string) *regexp.Regexp {
	q := regexp.QuoteMeta(s)
	q = strings.NewReplacer(`\*`, `[^/]*`, `\[0-9\]`, `[0-9]`).Replace(q)
	q = strings.Replace(q, `\{version\}`, `([0-9]+(?:\.[0-9]+)*)`, 1)
	return regexp.MustCompile("^" + q + "$")
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches a package, and what {version} stood for.
// A namespace that is asked for but not known of the package does not match.
func (p Pattern) Match(pkg sbom.Package) (version string, ok bool) {
	if p.kind != pkg.Type || !strings.HasPrefix(pkg.Name, p.literal) || p.exact && pkg.Name != p.literal {
		return "", false
	}
	m := p.name.FindStringSubmatch(pkg.Name)
	if m == nil || p.namespace != nil && !p.namespace.MatchString(namespace(pkg)) {
		return "", false
	}
	if p.version != "" && p.version != pkg.Version && p.version != purlVersion(pkg) && p.version != pkg.EVR().Version {
		return "", false
	}
	if len(m) > 1 {
		version = m[1]
	}
	return version, true
}

// namespace is that of the package's purl: "debian" in pkg:deb/debian/curl.
func namespace(pkg sbom.Package) string {
	path, _, _ := strings.Cut(strings.TrimPrefix(pkg.PURL, "pkg:"), "@")
	path, _, _ = strings.Cut(path, "?")
	first, last := strings.IndexByte(path, '/'), strings.LastIndexByte(path, '/')
	if first < 0 || first == last {
		return ""
	}
	return unescape(path[first+1 : last])
}

// PatternOf is the version-free purl of a package, "pkg:deb/debian/curl": a
// pattern that goes on to match it after an update.
func PatternOf(pkg sbom.Package) string {
	if pkg.PURL == "" {
		return (&packageurl.PackageURL{Type: string(pkg.Type), Name: pkg.Name}).ToString()
	}
	if i := strings.IndexAny(pkg.PURL, "@?#"); i >= 0 {
		return pkg.PURL[:i]
	}
	return pkg.PURL
}

// of is the pattern for a package that it matched: the package's, but with the
// wildcards of the name, since openjdk-17-jre-headless has a version of today in it.
func (p Pattern) of(pkg sbom.Package) string {
	own := PatternOf(pkg)
	if p.exact {
		return own
	}
	return own[:strings.LastIndexByte(own, '/')+1] + p.spelled
}
