package provides_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// patterns is what the label of an app image keeps of an answer.
func patterns(a provides.Answer) []string {
	var all []string
	for _, e := range a.By[0].Evidence {
		all = append(all, e.Pattern)
	}
	return all
}

func TestRecheck(t *testing.T) {
	tool := []provides.Mapping{{Name: "tool", Packages: []string{"pkg:deb/*/acme-tool-{version}"}}}
	old := document(
		deb("debian", "acme-tool-2", "2.5-1", "amd64"), deb("debian", "curl", "7.88.1-10", "amd64"), deb("debian", "openjdk-17-jre-headless", "17.0.12+7-2", "amd64"),
		with(deb("debian", "exim4", "4.96-15", "amd64"), "mail-transport-agent", "smtp-api=3"),
		owning(deb("debian", "tree", "2.1.0-1", "amd64"), "/usr/bin/tree"),
	)
	declared := &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{
		{Name: "locale-de", Version: "1", Evidence: []string{"file:/usr/bin/tree", "pkg:deb/debian/curl"}},
	}}
	before, refused := provides.From(old, tool, declared)
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	next := document
	tree := owning(deb("debian", "tree", "2.2-1", "amd64"), "/usr/bin/tree")
	for _, test := range []struct {
		name, constraint string
		after            *sbom.Document
		declared         *provides.Declaration
		met              bool
		reason           string
	}{
		{"tool", "2", next(deb("debian", "acme-tool-2", "2.6-1", "amd64")), nil, true, "acme-tool-2 2.6-1"},
		{"tool", "2", next(deb("debian", "acme-tool-3", "3.0-1", "amd64")), nil, false, "has acme-tool-3 3.0-1, which is not 2"},
		{"tool", "", next(deb("debian", "acme-tool-3", "3.0-1", "amd64")), nil, true, "acme-tool-3 3.0-1"},
		{"tool", "", next(deb("debian", "tool", "2.6-1", "amd64")), nil, false, "no package matches pkg:deb/debian/acme-tool-{version}"},
		{"jre", "", next(deb("debian", "openjdk-21-jre-headless", "21.0.4+7-1", "amd64")), nil, true, "openjdk-21-jre-headless 21.0.4+7-1"},
		{"jre", "17", next(deb("debian", "openjdk-21-jre-headless", "21.0.4+7-1", "amd64")), nil, false, "has openjdk-21-jre-headless 21.0.4+7-1, which is not 17"},
		{"curl", ">= 7", next(deb("debian", "curl", "8.5-1", "amd64")), nil, true, "curl 8.5-1"},
		{"curl", ">= 7", next(deb("ubuntu", "curl", "8.5-1", "amd64")), nil, false, "no package matches pkg:deb/debian/curl"},
		{"mail-transport-agent", "", next(deb("debian", "exim4", "4.97-1", "amd64")), nil, true, "exim4 4.97-1"},
		{"smtp-api", ">= 3", next(with(deb("debian", "exim4", "4.97-1", "amd64"), "smtp-api=2")), nil, false, "has smtp-api 2 by exim4 4.97-1, which is not >= 3"},
		{"cmd:tree", "", next(tree), nil, true, "/usr/bin/tree of tree 2.2-1"},
		{"cmd:tree", "", next(knowing(0, tree)), nil, true, "/usr/bin/tree of tree 2.2-1"},
		{"cmd:tree", "", next(knowing(0, deb("debian", "tree", "2.2-1", "amd64"))), nil, false, "this SBOM does not list files, so whether cmd:tree is there is unknown"},
		{"pkg:deb/curl", ">= 7", next(deb("ubuntu", "curl", "8.5-1", "amd64")), nil, true, "curl 8.5-1"},
		{"locale-de", "", next(tree, deb("debian", "curl", "8.5-1", "amd64")), nil, true, "/usr/bin/tree"},
		{"tool", "2", next(deb("debian", "acme-tool-3", "3.0-1", "amd64"), deb("debian", "curl", "2.0-1", "amd64")), nil, false, "has acme-tool-3 3.0-1, which is not 2"},
		{"locale-de", "", next(tree), nil, false, "no package matches pkg:deb/debian/curl"},
		{"locale-de", "1", next(tree, deb("debian", "curl", "8.5-1", "amd64")), declared, true, "/usr/bin/tree"},
	} {
		t.Run(test.name+" "+test.constraint, func(t *testing.T) {
			was := before.Answer(test.name, test.constraint)
			if !was.Met {
				t.Fatalf("before: %s", was.Reason)
			}
			after, _ := provides.From(test.after, nil, test.declared)
			got := after.Recheck(test.name, test.constraint, patterns(was))
			if got.Met != test.met || got.Reason != test.reason {
				t.Errorf("by %v: %v %q, want %v %q", patterns(was), got.Met, got.Reason, test.met, test.reason)
			}
		})
	}
	if got := before.Recheck("curl", "", nil); got.Met || got.Reason != "has no evidence on record for curl" {
		t.Errorf("without evidence: %+v", got)
	}
	if got := before.Recheck("curl", "", []string{"curl"}); got.Met {
		t.Errorf("by evidence that cannot be read: %+v", got)
	}
}

func TestEvidencePattern(t *testing.T) {
	s := set(t, document(
		deb("debian", "curl", "7.88.1-10", "amd64"), deb("debian", "libstdc++6", "12.2.0-14", "amd64"), deb("debian", "openjdk-17-jre-headless", "17.0.12+7-2", "amd64"),
		owning(deb("debian", "tree", "2.1.0-1", "amd64"), "/usr/bin/tree"),
		sbom.Package{Type: sbom.Deb, Name: "bare", Version: "1-1"},
	))
	got := map[string]string{}
	for _, name := range []string{"curl", "libstdc++6", "jre", "cmd:tree", "bare"} {
		got[name] = patterns(s.Answer(name, ""))[0]
	}
	want := map[string]string{
		"curl": "pkg:deb/debian/curl", "libstdc++6": "pkg:deb/debian/libstdc%2B%2B6", "jre": "pkg:deb/debian/openjdk-{version}-jre-headless",
		"cmd:tree": "file:/usr/bin/tree", "bare": "pkg:deb/bare",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("patterns (-want +got):\n%s", diff)
	}
}

func TestMatchPattern(t *testing.T) {
	p := owning(deb("debian", "libstdc++6", "12.2.0-14", "amd64"), "/usr/lib/libstdc++.so.6")
	for pattern, want := range map[string]bool{
		"pkg:deb/debian/libstdc++6": true, "pkg:deb/debian/libstdc%2B%2B6": true, "pkg:deb/*/libstdc++{version}": true, "pkg:deb/libstdc*": true,
		"pkg:DEB/libstdc++6": true, "pkg:deb/libstdc++": false, "pkg:deb/ubuntu/libstdc++6": false, "pkg:apk/libstdc++6": false, "pkg:deb/libstdc..6": false,
		"pkg:deb/libstdc++6@12.2.0-14": true, "pkg:deb/libstdc++6@12.2.0": true, "pkg:deb/libstdc++6@12": false,
		"file:/usr/lib/libstdc++.so.6": true, "file:/lib/libstdc++.so.6": true, "file:/usr/lib/libstdc++.so": false, "libstdc++6": false, "": false,
	} {
		if got := provides.MatchPattern(pattern, p); got != want {
			t.Errorf("MatchPattern(%q) = %v, want %v", pattern, got, want)
		}
	}
	if provides.MatchPattern("pkg:deb/debian/bare", sbom.Package{Type: sbom.Deb, Name: "bare"}) {
		t.Error("a namespace that is not known matches")
	}
}
