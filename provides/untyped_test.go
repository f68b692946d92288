package provides_test

import (
	"strings"
	"testing"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// TestUntyped: a package without a type may be the operating system's or not.
func TestUntyped(t *testing.T) {
	doc := &sbom.Document{Packages: []sbom.Package{
		{Name: "curl", Version: "7.88"}, {Name: "nodejs", Version: "20"},
		{Type: sbom.Deb, Name: "bash", Version: "5-1", Known: sbom.Files | sbom.Virtual},
		{Type: "npm", Name: "left-pad", Version: "1.0.0"},
	}}
	set, _ := provides.From(doc, []provides.Mapping{{Name: "node", Packages: []string{"pkg:deb/debian/nodejs"}}}, nil)
	for name, unknown := range map[string]bool{
		"curl": true, "pkg:deb/debian/curl": true, "pkg:deb/curl@7": true, "node": true,
		"wget": false, "left-pad": false, "pkg:deb/debian/wget": false,
	} {
		a := set.Answer(name, "")
		if a.Met || a.Offered {
			t.Errorf("%s is provided by %v", name, a.By)
		}
		if got := strings.Contains(a.Reason, "unknown"); got != unknown {
			t.Errorf("%s: %q, want unknown: %t", name, a.Reason, unknown)
		}
	}
	if a := set.Answer("bash", ""); !a.Met {
		t.Errorf("bash: %s", a.Reason)
	}
}

// TestUnownedFiles: files that a document lists of the image are commands and
// libraries, whoever owns them.
func TestUnownedFiles(t *testing.T) {
	doc := &sbom.Document{Files: []string{"/bin/tool", "/opt/chroot/usr/bin/other", "/usr/bin/tool", "/usr/lib/x86_64-linux-gnu/libssl.so.3"}}
	set, _ := provides.From(doc, nil, nil)
	for name, path := range map[string]string{"cmd:tool": "/bin/tool", "so:libssl.so.3": "/usr/lib/x86_64-linux-gnu/libssl.so.3", "cmd:other": ""} {
		a := set.Answer(name, "")
		if a.Met != (path != "") || a.Met && (len(a.By) != 1 || a.By[0].Evidence[0].Path != path) {
			t.Errorf("%s: met %t by %v, want %q", name, a.Met, a.By, path)
		}
	}
	if a := set.Answer("cmd:tool", ">= 1"); a.Met {
		t.Error("a file says nothing of a version")
	}
	if a := set.Recheck("cmd:tool", "", []string{"file:/bin/tool"}); !a.Met {
		t.Errorf("checked again: %s", a.Reason)
	}
}
