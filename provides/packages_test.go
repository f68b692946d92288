package provides_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

func TestPackagesFor(t *testing.T) {
	operator := []provides.Mapping{
		{Name: "client", Packages: []string{"pkg:deb/c*", "pkg:deb/debian/curl", "pkg:deb/ubuntu/wget", "pkg:rpm/curl", "pkg:deb/g%2B%2B", "pkg:deb/curl"}},
		{Name: "perl", Packages: nil},
		{Name: "runtime", Packages: []string{"pkg:deb/runtime-{version}"}},
	}
	for _, tt := range []struct {
		name, constraint string
		kind             sbom.Type
		distro           string
		want             []string
		mapped           bool
	}{
		{"client", "", sbom.Deb, "debian", []string{"curl", "g++", "c*"}, true},
		{"client", "", sbom.Deb, "ubuntu", []string{"wget", "g++", "curl", "c*"}, true},
		{"client", "", sbom.Deb, "", []string{"curl", "wget", "g++", "c*"}, true},
		{"client", "", sbom.APK, "alpine", nil, true},
		{"perl", "", sbom.Deb, "debian", nil, true}, // switched off
		{"libgd3", "", sbom.Deb, "debian", nil, false},
		{"jre", ">= 17", sbom.Deb, "ubuntu", []string{"openjdk-17-jre-headless", "temurin-17-jre", "temurin-17-jdk"}, true},
		{"jre", "17.0.12", sbom.APK, "alpine", []string{"openjdk17-jre-headless"}, true},
		{"jre", "", sbom.APK, "alpine", []string{"openjdk{version}-jre-headless"}, true},
		{"runtime", "8.0", sbom.Deb, "", []string{"runtime-8.0"}, true},
		{"runtime", "17.*", sbom.Deb, "", []string{"runtime-17"}, true},
		{"runtime", "< 21, >= 17", sbom.Deb, "", []string{"runtime-17"}, true},
		{"runtime", "~> 3.1", sbom.Deb, "", []string{"runtime-3.1"}, true},
		{"runtime", "11 || 17", sbom.Deb, "", []string{"runtime-11"}, true},
		{"runtime", "< 21", sbom.Deb, "", []string{"runtime-{version}"}, true},
		{"runtime", "!= 3", sbom.Deb, "", []string{"runtime-{version}"}, true},
		{"runtime", "any at all", sbom.Deb, "", []string{"runtime-{version}"}, true},
	} {
		got, mapped := provides.PackagesFor(tt.name, tt.constraint, tt.kind, tt.distro, operator)
		if diff := cmp.Diff(tt.want, got); diff != "" || mapped != tt.mapped {
			t.Errorf("%s %s in %s: mapped %t: -want +got:\n%s", tt.name, tt.constraint, tt.kind, mapped, diff)
		}
	}
}
