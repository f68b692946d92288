package provides

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// A Pattern matches packages by their package URL: type, optional namespace, name,
// and optional version. In namespace and name, * matches any characters but a slash
// and [0-9] a digit. {version} in the name matches a number or dotted numbers,
// which become the provided version.
//
//	pkg:deb/debian/curl    pkg:rpm/*/java-*-openjdk-headless
//	pkg:apk/nodejs         pkg:deb/*/openjdk-{version}-jre-headless
type Pattern struct {
	text      string
	kind      sbom.Type
	namespace *regexp.Regexp // nil: any
	name      *regexp.Regexp
	spelled   string // the name as written
	literal   string // literal prefix of the name
	exact     bool   // the name has no wildcards
	version   string // empty: any
	parts     int    // of namespace and name
}

// ParsePattern parses a pattern. Qualifiers and subpaths are errors, because a
// pattern must still match after an update.
func ParsePattern(text string) (Pattern, error) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok {
		return Pattern{}, fmt.Errorf("pattern %q is not a package URL, which starts with \"pkg:\"", text)
	}
	if strings.ContainsAny(rest, "?#") {
		return Pattern{}, fmt.Errorf("pattern %q has qualifiers or a subpath: remove what follows the version", text)
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
	p.parts = strings.Count(path, "/") + 1
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

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches a package, and returns the text that
// {version} matched. A pattern with a namespace does not match a package whose
// namespace is unknown.
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

// namespace returns the namespace in the package URL: "debian" for
// pkg:deb/debian/curl.
func namespace(pkg sbom.Package) string {
	path, _, _ := strings.Cut(strings.TrimPrefix(pkg.PURL, "pkg:"), "@")
	path, _, _ = strings.Cut(path, "?")
	first, last := strings.IndexByte(path, '/'), strings.LastIndexByte(path, '/')
	if first < 0 || first == last {
		return ""
	}
	return unescape(path[first+1 : last])
}

// PatternOf returns the package URL without a version, "pkg:deb/debian/curl", which
// still matches after an update.
func PatternOf(pkg sbom.Package) string {
	if pkg.PURL == "" {
		return (&packageurl.PackageURL{Type: string(pkg.Type), Name: pkg.Name}).ToString()
	}
	if i := strings.IndexAny(pkg.PURL, "@?#"); i >= 0 {
		return pkg.PURL[:i]
	}
	return pkg.PURL
}

// patternOf returns the pattern for a package that p matches: the package's own,
// but with the wildcards of the name, since openjdk-17-jre-headless contains a
// version.
func (p Pattern) patternOf(pkg sbom.Package) string {
	own := PatternOf(pkg)
	if p.exact {
		return own
	}
	return own[:strings.LastIndexByte(own, '/')+1] + p.spelled
}
