package provides_test

import (
	"testing"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// TestAbsent: a file that the package has by its database alone backs nothing, and the reason says so.
func TestAbsent(t *testing.T) {
	doc := &sbom.Document{Packages: []sbom.Package{
		{Type: sbom.APK, Name: "a", Version: "1-r0", Known: everything | sbom.Presence, Files: []string{"/bin/both", "/bin/here"},
			Absent:   []string{"/lib/liba.so.1", "/usr/bin/both", "/usr/bin/gone"},
			Provides: []sbom.VirtualPackage{{Name: "cmd:both"}, {Name: "cmd:gone"}, {Name: "cmd:here"}, {Name: "so:liba.so.1", Version: "1"}}},
		{Type: sbom.RPM, Name: "b", Version: "1-1", Known: everything | sbom.Presence, Absent: []string{"/usr/lib64/libb.so.2"},
			Provides: []sbom.VirtualPackage{{Name: "libb.so.2()(64bit)"}}},
	}}
	set, refused := provides.From(doc, nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{{Name: "tool", Version: "1", Evidence: []string{"file:/bin/gone"}}}})
	const why = "has a 1-r0, but its file /usr/bin/gone is not in the image"
	for name, reason := range map[string]string{
		"cmd:gone": why, "so:liba.so.1": "has a 1-r0, but its file /lib/liba.so.1 is not in the image",
		"so:libb.so.2": "has b 1-1, but its file /usr/lib64/libb.so.2 is not in the image", "cmd:never": "has no cmd:never",
		"cmd:both": "", "cmd:here": "", "libb.so.2()(64bit)": "",
	} {
		if a := set.Answer(name, ""); a.Met != (reason == "") || !a.Met && a.Reason != reason {
			t.Errorf("%s: provided %t, %q; want %q", name, a.Met, a.Reason, reason)
		}
	}
	if len(refused) != 1 || refused[0].Why != "has a 1-r0, but its file /bin/gone is not in the image" {
		t.Errorf("refused %v", refused)
	}
	if a := set.Recheck("tool", "", []string{"file:/usr/bin/gone"}); a.Met || a.Reason != why {
		t.Errorf("checked again: provided %t, %q", a.Met, a.Reason)
	}
}
