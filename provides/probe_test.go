package provides_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// A drawn inventory is small, and its names collide often.
var (
	drawnNames    = []string{"curl", "jre", "openjdk-17-jre-headless", "tree", "libz1"}
	drawnVirtual  = []string{"curl", "jre", "java", "cmd:tree", "so:libz.so.1", "libz.so.1()(64bit)"}
	drawnFiles    = []string{"/usr/bin/tree", "/bin/curl", "/usr/lib/libz.so.1", "/opt/tree", "/usr/lib/x86_64-linux-gnu/libz.so.1"}
	drawnVersions = []string{"", "1.2-1", "2.0", "1:3.1-2", "17.0.2+8-1"}
	drawnMapping  = []provides.Mapping{
		{Name: "jre", Packages: []string{"pkg:deb/*/openjdk-{version}-jre-headless", "pkg:rpm/jre"}}, {Name: "java"}, {Name: "http", Packages: []string{"pkg:deb/debian/curl@2.0"}},
	}
	drawnRequired = []string{
		"curl", "jre", "java", "http", "tree", "cmd:tree", "cmd:curl", "so:libz.so.1", "libz1", "libz1:i386", "curl:amd64", "courier",
		"pkg:deb/curl", "pkg:deb/debian/curl@2.0", "pkg:rpm/curl?arch=i686", "pkg:deb/debian/libz1?arch=i386", "pkg:", "nothing",
	}
	drawnConstraints = []string{"", ">= 2", "17", "~> 1.2", "= 1:3.1-2", "nonsense ="}
)

func drawnPackage(t *rapid.T) sbom.Package {
	pick := func(label string, of []string) string { return rapid.SampledFrom(of).Draw(t, label) }
	p := sbom.Package{
		Type: sbom.Type(pick("type", []string{"deb", "rpm", "apk", "npm", ""})), Name: pick("name", drawnNames), Version: pick("version", drawnVersions),
		Arch:  pick("arch", []string{"amd64", "i386", "x86_64", "i686", "all", ""}),
		Files: rapid.SliceOfDistinct(rapid.SampledFrom(drawnFiles), rapid.ID[string]).Draw(t, "files"),
	}
	slices.Sort(p.Files)
	p.Absent = rapid.SliceOfNDistinct(rapid.SampledFrom(drawnFiles), 0, 1, rapid.ID[string]).Draw(t, "absent")
	if p.Type != "" && rapid.Bool().Draw(t, "purl") {
		p.PURL = "pkg:" + string(p.Type) + "/debian/" + p.Name + "@" + p.Version + "?arch=" + p.Arch
	}
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(drawnVirtual), rapid.ID[string]).Draw(t, "virtual") {
		p.Provides = append(p.Provides, sbom.VirtualPackage{Name: name, Version: pick("virtual version", drawnVersions)})
	}
	return p
}

// TestProbe: a part with only what concerns a requirement answers as the whole inventory does.
func TestProbe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := &sbom.Document{Packages: rapid.SliceOfN(rapid.Custom(drawnPackage), 0, 6).Draw(t, "packages")}
		slices.SortFunc(doc.Packages, sbom.Compare)
		doc.Files = rapid.SliceOfDistinct(rapid.SampledFrom(drawnFiles), rapid.ID[string]).Draw(t, "unowned")
		slices.Sort(doc.Files)
		var declared *provides.Declaration
		if rapid.Bool().Draw(t, "declared") {
			declared = &provides.Declaration{Provides: []provides.DeclaredEntry{
				{Name: rapid.SampledFrom([]string{"curl", "jre", "courier", "cmd:tree"}).Draw(t, "declared name"), Version: rapid.SampledFrom([]string{"", "2.1"}).Draw(t, "declared version"), Evidence: []string{"pkg:deb/curl"}},
			}}
		}
		var mapping []provides.Mapping
		if rapid.Bool().Draw(t, "mapped") {
			mapping = drawnMapping
		}
		whole, _ := provides.From(doc, mapping, declared)
		name, constraint := rapid.SampledFrom(drawnRequired).Draw(t, "required"), rapid.SampledFrom(drawnConstraints).Draw(t, "constraint")
		probe := provides.NewProbe(name, constraint, mapping)
		part := whole.Part()
		part.Packages = slices.DeleteFunc(part.Packages, func(p sbom.Package) bool { return !probe.Concerns(p) })
		if !probe.ConcernsFiles(part.Files) {
			part.Files = nil
		}
		want, have := whole.Answer(name, constraint), probe.Answer(part)
		if want.Met != have.Met || want.Offered != have.Offered || want.Offered && want.Reason != have.Reason {
			t.Fatalf("%s %s: the inventory answers %t (%t): %s; the part answers %t (%t): %s", name, constraint, want.Met, want.Offered, want.Reason, have.Met, have.Offered, have.Reason)
		}
	})
}
