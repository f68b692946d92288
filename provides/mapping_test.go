package provides_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// builtin is what each entry of the built-in table makes of all packages in
// testdata, decoys among them: the whole answer, so that a pattern that matches
// too much fails as well.
var builtin = map[string]string{
	"node": `deb/nodejs 18.20.4, rpm/nodejs 20.17.0, rpm/nodejs20 20.15.1, apk/nodejs 20.15.1, apk/nodejs-current 22.3.0`,
	"npm":  `deb/npm 9.2.0, rpm/npm 8.19.4, rpm/nodejs-npm 10.8.2, rpm/npm20 20.15.1, apk/npm 10.8.0`,
	"jre": `deb/openjdk-17-jre-headless 17.0.21.1+2, deb/temurin-17-jre 17.0.12.0.0+7, deb/temurin-17-jdk 17.0.12.0.0+7,
		rpm/java-17-openjdk-headless 17.0.18.0.8, rpm/temurin-17-jre 17.0.12.0.0.7, rpm/temurin-17-jdk 17.0.12.0.0.7, apk/openjdk17-jre-headless 17.0.18_p8`,
	"jdk": `deb/openjdk-17-jdk-headless 17.0.21.1+2, deb/temurin-17-jdk 17.0.12.0.0+7, rpm/java-17-openjdk-devel 17.0.10.0.7,
		rpm/temurin-17-jdk 17.0.12.0.0.7, apk/openjdk17-jdk 17.0.18_p8`,
	"cpython": `deb/python3 3.11.2, rpm/python3 3.9.9, rpm/python3 3.9.18, apk/python3 3.12.6`,
	"python":  `deb/python3 3.11.2, rpm/python3 3.9.9, rpm/python3 3.9.18, apk/python3 3.12.6`,
	"ruby":    `deb/ruby 3.1, rpm/ruby 3.0.4, rpm/ruby2.5 2.5.9, apk/ruby 3.3.3`,
	"php":     `deb/php8.2-cli 8.2.36, rpm/php-cli 8.0.30, rpm/php8-cli 8.0.30, apk/php83 8.3.12`,
	"go":      `deb/golang-go 1.19~1, rpm/golang 1.21.11, rpm/go1.21 1.21.13, apk/go 1.22.7`,

	"dotnet-runtime":  `deb/dotnet-runtime-8.0 8.0.8, rpm/dotnet-runtime-8.0 8.0.12, apk/dotnet8-runtime 8.0.8`,
	"perl":            `deb/perl 5.36.0, rpm/perl 5.32.1, apk/perl 5.38.2`,
	"curl":            `deb/curl 7.88.1, rpm/curl 7.76.0, rpm/curl 7.76.1, rpm/curl-minimal 7.76.1, apk/curl 8.9.1`,
	"git":             `deb/git 2.39.5, rpm/git 2.43.5, apk/git 2.45.2`,
	"openssl":         `deb/openssl 3.0.22, rpm/openssl 1.1.1k, rpm/openssl 3.0.7, rpm/openssl-3 3.1.4, rpm/openssl-1_1 1.1.1w, apk/openssl 3.3.2`,
	"ca-certificates": `deb/ca-certificates 20250419~deb12u2, rpm/ca-certificates 2023.2.60_v7.0.306, apk/ca-certificates 20240705`,
	"libxml2":         `deb/libxml2 2.9.14, deb/libxml2-16 2.14.3, rpm/libxml2 2.9.13, rpm/libxml2-2 2.10.3, apk/libxml2 2.12.7`,
	"tzdata":          `deb/tzdata 2026f, rpm/tzdata 2024a, rpm/timezone 2024a, apk/tzdata 2024b`,

	// Nothing is these: what is asked of the extensions that provide them is something else.
	"apt": "", "dpkg": "", "apk-tools": "", "rpm": "", "dnf": "", "yum": "", "microdnf": "", "zypper": "",
}

func TestBuiltinMapping(t *testing.T) {
	all := slices.Concat(debian(t).Packages, dpkg(fixture(t, "bookworm.status")), documented(t))
	for i := range all {
		all[i].Arch = "" // packages of every ecosystem side by side: none is foreign
	}
	s := set(t, document(all...))
	for _, m := range provides.Builtin() {
		t.Run(m.Name, func(t *testing.T) {
			got := []string{}
			for _, p := range s.Lookup(m.Name) {
				e := p.Evidence[0]
				got = append(got, string(p.Rule)+"/"+e.Package+" "+p.Version)
			}
			want := strings.FieldsFunc(builtin[m.Name], func(r rune) bool { return r == ',' || r == '\n' || r == '\t' })
			for i := range want {
				want[i] = strings.TrimSpace(want[i])
			}
			want = slices.DeleteFunc(want, func(s string) bool { return s == "" })
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packages that are %s (-want +got):\n%s", m.Name, diff)
			}
			for _, text := range m.Packages {
				if !slices.ContainsFunc(all, func(p sbom.Package) bool { return provides.MatchPattern(text, p) }) {
					t.Errorf("pattern %s matches no package in testdata: add one that it is for", text)
				}
			}
		})
	}
	if len(builtin) != len(provides.Builtin()) {
		t.Errorf("the table has %d names, the test %d", len(provides.Builtin()), len(builtin))
	}
}

func TestMapping(t *testing.T) {
	doc := document(
		deb("debian", "node", "0.3.2-7", "amd64"), // amateur radio
		deb("debian", "curl", "7.88.1-10+deb12u12", "amd64"),
		deb("debian", "openjdk-17-jre-headless", "17.0.12+7-2~deb12u1", "amd64"),
		deb("debian", "openjdk-8-jre-headless", "8u402-ga-1", "amd64"),
		deb("acme", "acme-tool-2.5", "20240101-1", "amd64"),
	)
	acme := func(packages ...string) []provides.Mapping {
		return []provides.Mapping{{Name: "tool", Packages: packages}}
	}
	for _, test := range []struct {
		name, asked, constraint string
		mapping                 []provides.Mapping
		met                     bool
		reason                  string
	}{
		{"a mapped name shadows the package", "node", "", nil, false, "has no node"},
		{"nothing is the name", "curl", "", []provides.Mapping{{Name: "curl"}}, false, "has no curl"},
		{"built-in switched off and not the ham radio", "node", "", []provides.Mapping{{Name: "node"}}, false, "has no node"},
		{"operator replaces", "node", "", []provides.Mapping{{Name: "node", Packages: []string{"pkg:deb/*/curl"}}}, true, "curl 7.88.1-10+deb12u12"},
		{"package's own version goes on from the name's", "jre", ">= 17.0.5, < 18", nil, true, "openjdk-17-jre-headless 17.0.12+7-2~deb12u1"},
		{"version in the name", "jre", "8", nil, true, "openjdk-8-jre-headless 8u402-ga-1"},
		{"version in the name, not the package's", "tool", "2.5", acme("pkg:deb/*/acme-tool-{version}"), true, "acme-tool-2.5 20240101-1"},
		{"version in the name, newer asked", "tool", ">= 3", acme("pkg:deb/*/acme-tool-{version}"), false, "has acme-tool-2.5 20240101-1, which is not >= 3"},
		{"namespace", "tool", "", acme("pkg:deb/debian/acme-tool-*"), false, "has no tool"},
		{"namespace of the package", "tool", "", acme("pkg:deb/acme/acme-tool-*"), true, "acme-tool-2.5 20240101-1"},
		{"version in the pattern", "tool", "", acme("pkg:deb/acme-tool-2.5@20240101-1"), true, "acme-tool-2.5 20240101-1"},
		{"other version in the pattern", "tool", "", acme("pkg:deb/acme-tool-2.5@20240101-2"), false, "has no tool"},
		{"an unreadable pattern matches nothing", "tool", "", acme("acme-tool-2.5"), false, "has no tool"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := set(t, doc, test.mapping...).Answer(test.asked, test.constraint)
			if got.Met != test.met || got.Reason != test.reason {
				t.Errorf("Answer(%q, %q) = %v %q, want %v %q", test.asked, test.constraint, got.Met, got.Reason, test.met, test.reason)
			}
		})
	}
}

func TestPrefers(t *testing.T) {
	s := set(t, document(), provides.Mapping{Name: "jre", Packages: []string{"pkg:deb/jre"}, Prefer: true})
	if !s.Prefers("jre") || s.Prefers("node") {
		t.Errorf("Prefers: jre %v, node %v, want true, false", s.Prefers("jre"), s.Prefers("node"))
	}
}

func TestDecodeMappingErrors(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"not TOML", `[[provides`, "reading f, line 1: "},
		{"no name", "[[provides]]\npackages = []", `key "name"`},
		{"twice", "[[provides]]\nname = \"a\"\n[[provides]]\nname = \"a\"", `"a" occurs twice`},
		{"not a purl", "[[provides]]\nname = \"a\"\npackages = [\"curl\"]", `"a": key "packages": pattern "curl" is not a package URL`},
		{"no name in the purl", "[[provides]]\nname = \"a\"\npackages = [\"pkg:deb/\"]", "is not of the form"},
		{"qualifiers", "[[provides]]\nname = \"a\"\npackages = [\"pkg:deb/curl?arch=amd64\"]", "qualifiers"},
		{"wrong type", "[[provides]]\nname = 3", `reading f, line 2: key "provides.name": `},
		{"unknown key", "[[provides]]\nname = \"a\"\npackage = []", `reading f, line 3: unknown key "provides.package": did you mean "provides.packages"?`},
		{"unknown table", "[[provide]]\nname = \"a\"", `unknown key "provide": did you mean "provides"?`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := provides.DecodeMapping([]byte(test.in), "f")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
