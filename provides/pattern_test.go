package provides_test

import (
	"testing"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// TestPatternNamespace covers namespaces: * alone stands for any, of several parts or none.
func TestPatternNamespace(t *testing.T) {
	for _, tt := range []struct {
		pattern, purl string
		want          bool
	}{
		{"pkg:deb/*/curl", "pkg:deb/debian/curl@1", true},
		{"pkg:deb/*/curl", "pkg:deb/vendor/stable/curl@1", true},
		{"pkg:deb/*/curl", "pkg:deb/curl@1", true},
		{"pkg:deb/*/curl", "", true},
		{"pkg:deb/curl", "pkg:deb/debian/curl@1", true},
		{"pkg:deb/debian/curl", "pkg:deb/debian/curl@1", true},
		{"pkg:deb/debian/curl", "pkg:deb/ubuntu/curl@1", false},
		{"pkg:deb/debian/curl", "pkg:deb/curl@1", false},
		{"pkg:deb/debian/curl", "", false},
		{"pkg:deb/deb*/curl", "pkg:deb/debian/curl@1", true},
		{"pkg:deb/deb*/curl", "pkg:deb/debian/stable/curl@1", false},
		{"pkg:deb/debian/curl", "pkg:deb/debian/curl@1?upstream=a/b", true},
	} {
		p, err := provides.ParsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := p.Match(sbom.Package{Type: sbom.Deb, Name: "curl", Version: "1", PURL: tt.purl}); got != tt.want {
			t.Errorf("%s matches %q: %t, want %t", tt.pattern, tt.purl, got, tt.want)
		}
	}
}
