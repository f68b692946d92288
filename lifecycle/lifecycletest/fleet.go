package lifecycletest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom"
)

// Fleet returns entries of a catalog for lines of run images with releases, all of one digest: each release has newer
// versions of some of the line's packages, and some lines have a Java runtime.
func Fleet(registry, digest string, lines, releases int) []catalog.Entry {
	random := rand.New(rand.NewPCG(1, 2))
	var all []catalog.Entry
	for line := range lines {
		doc := sbom.Document{}
		for i := range 100 + 10*line {
			name := fmt.Sprintf("package-%d", i)
			p := sbom.Package{Type: sbom.Deb, Name: name, Version: "1.0-1", Arch: "amd64"}
			for command := range i % 8 {
				p.Files = append(p.Files, fmt.Sprintf("/usr/bin/%s-%d", name, command), fmt.Sprintf("/usr/lib/x86_64-linux-gnu/lib%s-%d.so.1", name, command))
			}
			slices.Sort(p.Files)
			doc.Packages = append(doc.Packages, p)
		}
		doc.Packages = append(doc.Packages, sbom.Package{Type: sbom.Deb, Name: "curl", Version: "7.88.1-1", Arch: "amd64"})
		if line%3 == 0 {
			doc.Packages = append(doc.Packages, sbom.Package{Type: sbom.Deb, Name: "openjdk-17-jre-headless", Version: "17.0.1+1-1", Arch: "amd64"})
		}
		for release := range releases {
			for i := range doc.Packages {
				p := &doc.Packages[i]
				if random.IntN(20) == 0 {
					p.Version = strings.TrimSuffix(p.Version, "-1") + fmt.Sprintf(".%d-1", release)
				}
				p.PURL = fmt.Sprintf("pkg:deb/debian/%s@%s?arch=amd64&distro=debian-%d", p.Name, strings.ReplaceAll(p.Version, "+", "%2B"), 11+line%3)
			}
			sorted := doc
			sorted.Packages = slices.Clone(doc.Packages)
			slices.SortFunc(sorted.Packages, sbom.Compare)
			set, _ := provides.From(&sorted, nil, nil)
			all = append(all, catalog.Entry{Part: set.Part(), Image: catalog.Image{
				Name: fmt.Sprintf("%s/line-%d:%03d", registry, line, release), Digest: digest, OS: "linux", Arch: "amd64",
				Distro: "debian", Release: fmt.Sprint(11 + line%3), Size: 30_000_000, Packages: len(sorted.Packages),
			}})
		}
	}
	return all
}
