package provides_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

func TestDeclaration(t *testing.T) {
	jre := deb("debian", "openjdk-17-jre-headless", "17.0.12+7-2~deb12u1", "amd64")
	locales := owning(deb("debian", "locales-all", "2.36-9", "amd64"), "/usr/lib/locale/de_DE.utf8/LC_CTYPE", "/bin/localedef")
	ssl := pkg(sbom.RPM, "redhat", "openssl", "1:3.0.7-27.el9", "x86_64")
	doc := document(jre, locales)
	doc.Files = []string{"/opt/tool/bin/tool"}
	for _, test := range []struct {
		name       string
		doc        *sbom.Document
		version    string
		evidence   []string
		constraint string
		refused    string // why; empty: it is not
		reason     string // of the answer, where it is not refused
		met        bool
	}{
		{"package", doc, "17.0.12", []string{"pkg:deb/debian/openjdk-17-jre-headless"}, "17", "", "openjdk-17-jre-headless 17.0.12+7-2~deb12u1", true},
		{"declared version counts", doc, "17.0.12", []string{"pkg:deb/debian/openjdk-17-jre-headless"}, ">= 17.0.13", "", "has openjdk-17-jre-headless 17.0.12+7-2~deb12u1, which is not >= 17.0.13", false},
		{"without a version, the package's", doc, "", []string{"pkg:deb/openjdk-*-jre-headless"}, "17.0.12", "", "openjdk-17-jre-headless 17.0.12+7-2~deb12u1", true},
		{"without a version, a file has none", doc, "", []string{"file:/opt/tool/bin/tool"}, "1", "", "has /opt/tool/bin/tool, whose version is not known, so 1 cannot be checked", false},
		{"version in the evidence", doc, "", []string{"pkg:deb/openjdk-17-jre-headless@17.0.12%2B7-2~deb12u1"}, "", "", "openjdk-17-jre-headless 17.0.12+7-2~deb12u1", true},
		{"version in the evidence, as rpm's purl has it", document(ssl), "", []string{"pkg:rpm/openssl@3.0.7-27.el9"}, "", "", "openssl 1:3.0.7-27.el9", true},
		{"another version", doc, "", []string{"pkg:deb/openjdk-17-jre-headless@17.0.11"}, "", "no package matches pkg:deb/openjdk-17-jre-headless@17.0.11", "", false},
		{"another namespace", doc, "", []string{"pkg:deb/ubuntu/openjdk-17-jre-headless"}, "", "no package matches pkg:deb/ubuntu/openjdk-17-jre-headless", "", false},
		{"another type", doc, "", []string{"pkg:rpm/openjdk-17-jre-headless"}, "", "no package matches pkg:rpm/openjdk-17-jre-headless", "", false},
		{"one of two is missing", doc, "", []string{"pkg:deb/openjdk-17-jre-headless", "pkg:deb/fontconfig"}, "", "no package matches pkg:deb/fontconfig", "", false},
		{"owned file", doc, "", []string{"file:/usr/bin/localedef"}, "", "", "/usr/bin/localedef", true},
		{"folder", doc, "", []string{"file:/usr/lib/locale/de_DE.utf8"}, "", "", "/usr/lib/locale/de_DE.utf8", true},
		{"folder on an unmerged system", doc, "", []string{"file:/lib/locale/de_DE.utf8"}, "", "", "/lib/locale/de_DE.utf8", true},
		{"file that is not there", doc, "", []string{"file:/usr/lib/locale/fr_FR.utf8"}, "", "no package owns /usr/lib/locale/fr_FR.utf8", "", false},
		{"files unknown", document(knowing(sbom.Virtual, jre)), "", []string{"file:/usr/bin/java"}, "", "this SBOM does not list files, so whether /usr/bin/java is there is unknown", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, refused := provides.From(test.doc, nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{
				{Name: "thing", Version: test.version, Evidence: test.evidence},
			}})
			var want []provides.Refusal
			if test.refused != "" {
				want = []provides.Refusal{{Name: "thing", Why: test.refused}}
				test.reason = s.Answer("nothing", "").Reason
				test.reason = strings.ReplaceAll(test.reason, "nothing", "thing")
			}
			if diff := cmp.Diff(want, refused); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
			if got := s.Answer("thing", test.constraint); got.Met != test.met || got.Reason != test.reason {
				t.Errorf("Answer = %v %q, want %v %q", got.Met, got.Reason, test.met, test.reason)
			}
		})
	}
}

func TestDeclaredShadowsPackage(t *testing.T) {
	doc := document(deb("debian", "tool", "9-1", "amd64"), deb("debian", "other", "1-1", "amd64"))
	declare := func(evidence string) *provides.Set {
		s, _ := provides.From(doc, nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{{Name: "tool", Evidence: []string{evidence}}}})
		return s
	}
	if got := declare("pkg:deb/other").Answer("tool", "9"); got.Met {
		t.Errorf("the package tool answered for the declared name: %+v", got)
	}
	if got := declare("pkg:deb/missing").Answer("tool", "9"); !got.Met {
		t.Errorf("a refused entry hides the package: %+v", got)
	}
}

func TestDecodeDeclaration(t *testing.T) {
	in := `{"version": "1.3", "new": {"a": 1}, "provides": [{"name": "jre", "version": "17.0.12", "evidence": ["pkg:deb/debian/openjdk-17-jre-headless"], "later": true}]}`
	got, err := provides.DecodeDeclaration([]byte(in), "label io.buildpacks.base.provides")
	if err != nil {
		t.Fatal(err)
	}
	want := &provides.Declaration{Version: "1.3", Provides: []provides.DeclaredEntry{{Name: "jre", Version: "17.0.12", Evidence: []string{"pkg:deb/debian/openjdk-17-jre-headless"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := provides.DecodeDeclaration(data, "again"); err != nil || !cmp.Equal(want, again) {
		t.Errorf("encoded and decoded again: %+v, %v", again, err)
	}
}

// TestDecodeDeclarationFile: what somebody writes by hand has no unknown keys; what comes with an
// image may be newer.
func TestDecodeDeclarationFile(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{"version": "1.0", "provides": [{"name": "jre", "evidence": ["pkg:deb/a"]}]}`, ""},
		{`{"version": "1.0", "provdes": []}`, `reading declaration.json: unknown key "provdes": did you mean "provides"?`},
		{`{"version": "1.0", "provides": [{"name": "a", "evidence": ["pkg:deb/a"]}, {"name": "jre", "evidense": ["pkg:deb/a"]}]}`, `unknown key "provides.evidense": did you mean "provides.evidence"?`},
		{`{"version": "1.0", "Provides": []}`, `unknown key "Provides": did you mean "provides"?`},
		{`{"version": "1.0", "evidence": []}`, `unknown key "evidence": did you mean "provides.evidence"?`},
		{`{"version": "1.0", "x": 1, "y": 2}`, `unknown key "x": the keys here are version, provides`},
		{`{"version": "2.0"}`, "is not supported"},
	} {
		_, err := provides.DecodeDeclarationFile([]byte(test.in), "declaration.json")
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %s", test.in, err, test.want)
		}
	}
}

func TestDecodeDeclarationErrors(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"empty", ``, "reading label: "},
		{"an error page", `<html>`, "reading label: "},
		{"null", `null`, `key "version": missing: want "1.0"`},
		{"a list", `[]`, "reading label: "},
		{"no version", `{"provides": []}`, `key "version": missing`},
		{"newer", `{"version": "2.0"}`, `"2.0" is not supported, only 1.x: use a newer baseplan`},
		{"not a version", `{"version": "one"}`, `"one" is not a version`},
		{"version as a number", `{"version": 1}`, "reading label: "},
		{"no name", `{"version": "1.0", "provides": [{"name": " ", "evidence": ["pkg:deb/a"]}]}`, `provides[0]: key "name" is missing`},
		{"no evidence", `{"version": "1.0", "provides": [{"name": "a"}]}`, `provides[0] (a): key "evidence": name the packages or files that back it`},
		{"neither purl nor file", `{"version": "1.0", "provides": [{"name": "a", "evidence": ["curl"]}]}`, `pattern "curl" is not a package URL`},
		{"relative", `{"version": "1.0", "provides": [{"name": "a", "evidence": ["file:etc"]}]}`, "spell the path absolute and clean"},
		{"climbing", `{"version": "1.0", "provides": [{"name": "a", "evidence": ["file:/a/../b"]}]}`, "spell the path absolute and clean"},
		{"more behind it", `{"version": "1.0"} {}`, "reading label: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := provides.DecodeDeclaration([]byte(test.in), "label")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
