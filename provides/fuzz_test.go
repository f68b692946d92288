package provides_test

import (
	"testing"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

func FuzzParseConstraint(f *testing.F) {
	for _, s := range []string{"", "17", ">= 3.10, < 4", "~> 3.11 || ^18", "1:2.3-4", "17.x", "lts/*", "!= 1.0~rc1", "18 - 20", "~=3.11,!=3.10.*", "===3.11", "^8.1@stable|8.2.*", "^20.x", "1:18 - 1:20.1.2-3"} {
		f.Add(s, "1:17.0.12+7-2~deb12u1")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		c, err := provides.ParseConstraint(text)
		if err != nil {
			return
		}
		again, err := provides.ParseConstraint(c.String())
		if err != nil {
			t.Fatalf("%q was understood, but not as %q: %v", text, c, err)
		}
		for _, rule := range []provides.Rule{debRule, rpmRule, apkRule, semver} {
			ok, err := c.Match(rule, version)
			if ok && err != nil {
				t.Fatalf("%q under %q by %s: met, yet %v", version, text, rule, err)
			}
			if other, _ := again.Match(rule, version); other != ok {
				t.Fatalf("%q and %q differ on %q", text, c, version)
			}
		}
	})
}

func FuzzDecodeDeclaration(f *testing.F) {
	f.Add([]byte(`{"version": "1.0", "provides": [{"name": "jre", "version": "17", "evidence": ["pkg:deb/debian/jre", "file:/usr/bin/java"]}]}`))
	f.Add([]byte(`{"version": "2"}`))
	doc := document(owning(deb("debian", "jre", "17-1", "amd64"), "/usr/bin/java"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := provides.DecodeDeclaration(data, "label")
		if err != nil {
			return
		}
		s, refused := provides.From(doc, nil, d)
		backed := 0
		for _, p := range s.All() {
			if p.Kind == provides.Declared {
				backed++
			}
		}
		if backed+len(refused) > len(d.Provides) {
			t.Fatalf("%d entries, but %d backed and %d refused", len(d.Provides), backed, len(refused))
		}
	})
}

// maxTOML bounds what the TOML library is fuzzed with: a key of 20,000 dots takes
// it half a minute. The files are local, written by the operator or by baseplan.
const maxTOML = 4096

func FuzzDecodeMapping(f *testing.F) {
	f.Add([]byte("[[provides]]\nname = \"jre\"\npackages = [\"pkg:deb/*/openjdk-{version}-jre\", \"pkg:apk/jre*\"]\nprefer = true"))
	doc := document(deb("debian", "openjdk-17-jre", "17-1", "amd64"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxTOML {
			return
		}
		table, err := provides.DecodeMapping(data, "baseplan.toml")
		if err != nil {
			return
		}
		s, _ := provides.From(doc, table, nil)
		for _, m := range table {
			for _, p := range s.Lookup(m.Name) {
				if p.Kind == provides.Package || p.Kind == provides.Virtual {
					t.Fatalf("%q is mapped, yet a package answers to it: %+v", m.Name, p)
				}
			}
		}
	})
}

func FuzzPattern(f *testing.F) {
	f.Add("pkg:deb/*/openjdk-{version}-jre-headless", "openjdk-17-jre-headless")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		provides.MatchPattern(pattern, sbom.Package{Type: sbom.Deb, Name: name, Version: "1-1"})
	})
}
