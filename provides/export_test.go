package provides

import (
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// MatchPattern reports whether a package matches a version-free pattern
// ([Evidence].Pattern): by its package URL, or for "file:/path" by owning the file.
// An invalid pattern matches nothing.
func MatchPattern(pattern string, pkg sbom.Package) bool {
	if file, ok := strings.CutPrefix(pattern, "file:"); ok {
		return holds(pkg.Files, file)
	}
	p, err := ParsePattern(pattern)
	if err != nil {
		return false
	}
	_, ok := p.Match(pkg)
	return ok
}
