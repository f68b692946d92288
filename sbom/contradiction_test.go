package sbom_test

import (
	"strings"
	"testing"

	"github.com/baseplan/baseplan/sbom"
)

func TestContradiction(t *testing.T) {
	deb := func(name, version, arch string) sbom.Package {
		return sbom.Package{Type: sbom.Deb, Name: name, Version: version, Arch: arch}
	}
	of := func(t sbom.Type, p sbom.Package) sbom.Package { p.Type = t; return p }
	for _, tt := range []struct {
		name     string
		packages []sbom.Package
		want     string // part of the reason; empty: it can be true
	}{
		{"nothing", nil, ""},
		{"a deb in two versions", []sbom.Package{deb("a", "1-1", "amd64"), deb("curl", "1-1", "amd64"), deb("curl", "2-1", "amd64")}, "deb package curl in two versions, 1-1 and 2-1"},
		{"of two architectures", []sbom.Package{deb("curl", "1-1", "amd64"), deb("curl", "2-1", "i386")}, ""},
		{"of an unknown architecture", []sbom.Package{deb("curl", "1-1", "amd64"), deb("curl", "2-1", "")}, "two versions"},
		{"no architecture is known", []sbom.Package{deb("curl", "1-1", ""), deb("curl", "2-1", "")}, "two versions"},
		{"the same twice", []sbom.Package{deb("curl", "1-1", "amd64"), deb("curl", "1-1", "amd64"), deb("curl", "0:1-1", "amd64")}, ""},
		{"not side by side in the list", []sbom.Package{deb("curl", "1-1", "amd64"), of(sbom.RPM, deb("x", "1-1", "")), deb("b", "1-1", "amd64"), deb("curl", "2-1", "amd64")}, "curl"},
		{"an apk", []sbom.Package{of(sbom.APK, deb("curl", "1-r1", "x86_64")), of(sbom.APK, deb("curl", "1-r2", "x86_64"))}, "apk package curl"},
		{"an rpm", []sbom.Package{of(sbom.RPM, deb("curl", "1-1", "x86_64")), of(sbom.RPM, deb("curl", "1-2", "x86_64"))}, "rpm package curl"},
		{"one of each", []sbom.Package{of(sbom.RPM, deb("curl", "1-1", "")), deb("curl", "2-1", "")}, ""},
		{"kernels", []sbom.Package{of(sbom.RPM, deb("kernel-core", "1-1", "x86_64")), of(sbom.RPM, deb("kernel-core", "1-2", "x86_64"))}, ""},
		{"keys", []sbom.Package{of(sbom.RPM, deb("gpg-pubkey", "1-1", "")), of(sbom.RPM, deb("gpg-pubkey", "2-1", ""))}, ""},
		{"a deb called kernel", []sbom.Package{deb("kernel-core", "1-1", ""), deb("kernel-core", "2-1", "")}, "kernel-core"},
		{"npm", []sbom.Package{of("npm", deb("a", "1", "")), of("npm", deb("a", "2", ""))}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := &sbom.Document{Packages: tt.packages}
			if got := doc.Contradiction(); got == "" != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("contradiction %q, want one of %q", got, tt.want)
			}
		})
	}
	if (&sbom.Document{AllLayers: true}).Contradiction() == "" {
		t.Error("no contradiction in a document of all layers")
	}
}
