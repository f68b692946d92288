package provides_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
)

func TestMappingWarnings(t *testing.T) {
	const at = `[[provides]] "x": key "packages": `
	for _, tt := range []struct {
		name string
		in   provides.Mapping
		want []string
	}{
		{"fine", provides.Mapping{Name: "x", Packages: []string{
			"pkg:deb/*/openjdk-{version}-jre-headless", "pkg:deb/openjdk-17-jre-headless", "pkg:rpm/*/java-[0-9][0-9]-openjdk", "pkg:apk/openjdk{version}-jre*", "pkg:npm/x", "pkg:deb/debian/g%2B%2B",
		}}, nil},
		{"switched off", provides.Mapping{Name: "node"}, nil},
		{"prefer nothing", provides.Mapping{Name: "x", Prefer: true}, []string{`[[provides]] "x": key "prefer": no package provides the name; remove the key, or add packages`}},
		{"built in", provides.Builtin()[0], []string{`[[provides]] "` + provides.Builtin()[0].Name + `": it is the built-in entry; remove it`}},
		{"no type", provides.Mapping{Name: "x", Packages: []string{"pkg:debian/curl"}}, []string{at + `no package can match "pkg:debian/curl": debian is not a type of package URLs; those of operating systems are deb, rpm and apk`}},
		{"two versions", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/a{version}-{version}"}}, []string{at + `no package can match "pkg:deb/a{version}-{version}": {version} may occur once; use * or [0-9] for other numbers`}},
		{"another wildcard", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/php[0-9]+-(cli|fpm)"}}, []string{at + `no package can match "pkg:deb/php[0-9]+-(cli|fpm)": names of deb packages do not have "(|)"; the wildcards are *, [0-9] and {version}`}},
		{"capitals", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/debian/Curl", "pkg:rpm/ImageMagick"}}, []string{at + `no package can match "pkg:deb/debian/Curl": names of deb packages do not have "C"; the wildcards are *, [0-9] and {version}`}},
		{"a namespace of two", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/debian/12/curl"}}, []string{at + `no package can match "pkg:deb/debian/12/curl": the form is pkg:deb/NAMESPACE/NAME or pkg:deb/NAME`}},
		{"twice", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/curl", "pkg:deb/curl"}}, []string{at + `"pkg:deb/curl" matches all that "pkg:deb/curl" matches; remove the latter`}},
		{"covered", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/debian/curl", "pkg:deb/cur*", "pkg:rpm/curl"}}, []string{at + `"pkg:deb/cur*" matches all that "pkg:deb/debian/curl" matches; remove the latter`}},
		{"one distribution", provides.Mapping{Name: "x", Packages: []string{"pkg:deb/debian/curl", "pkg:deb/ubuntu/curl", "pkg:deb/debian/curl@8"}}, []string{at + `"pkg:deb/debian/curl" matches all that "pkg:deb/debian/curl@8" matches; remove the latter`}},
	} {
		if diff := cmp.Diff(tt.want, provides.MappingWarnings([]provides.Mapping{tt.in})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
	if got := provides.MappingWarnings(provides.Builtin()); len(got) != len(provides.Builtin()) {
		t.Errorf("the built-in mapping: %q", got)
	}
}

func TestMappingErrors(t *testing.T) {
	got := provides.MappingErrors([]provides.Mapping{{Name: " x"}, {Name: "y", Packages: []string{"curl", "pkg:deb/curl?arch=x"}}, {Name: "y"}})
	if len(got) != 4 {
		t.Errorf("got %d errors, want 4: %q", len(got), got)
	}
}
