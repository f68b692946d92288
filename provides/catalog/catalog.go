// Package catalog encodes and decodes catalogs of run images, and answers
// requirements from them.
//
// A catalog is a JSON document with what many images provide, so that one of them can
// be chosen without reading the inventory of each. Start with [Encode] and [Decode].
// Packages and their versions are listed once, with the images that have them.
// [Catalog.Answers] judges a requirement with the code that judges inventories:
// [provides.Probe].
//
// The package does not read registries; see package sbom/attach for that.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// Type is the artifact type and the media type of a catalog.
const Type = "application/vnd.baseplan.catalog.v1+json"

// An Image is one image of a catalog: of an index, the image for one platform.
type Image struct {
	Name     string `json:"image"`           // reference in a registry, as the operator names it
	Digest   string `json:"digest"`          // of the manifest
	Index    string `json:"index,omitempty"` // digest of the index that the name refers to; empty: the name refers to the manifest
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Variant  string `json:"variant,omitempty"`
	Distro   string `json:"distro,omitempty"`         // name of the distribution
	Release  string `json:"distro-version,omitempty"` // version of the distribution
	Size     int64  `json:"size"`                     // bytes of all layers, compressed
	Packages int    `json:"packages"`                 // number of packages in the inventory
}

// Current reports whether a digest, of the manifest or of an index that the name
// refers to, is still the one in the catalog.
func (i Image) Current(digest string) bool {
	return digest != "" && (digest == i.Digest || digest == i.Index)
}

// Platform returns the image's platform, "linux/arm64/v8".
func (i Image) Platform() string {
	return strings.TrimSuffix(i.OS+"/"+i.Arch+"/"+i.Variant, "/")
}

// Compare orders images by name, platform and digest.
func Compare(a, b Image) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Platform(), b.Platform()), strings.Compare(a.Digest, b.Digest))
}

// Smaller orders images by number of packages, then like [Compare].
func Smaller(a, b Image) int { return cmp.Or(cmp.Compare(a.Packages, b.Packages), Compare(a, b)) }

// An Entry is an image and what it provides.
type Entry struct {
	Image
	Part provides.Part
}

// A Catalog is a decoded catalog. It is immutable.
type Catalog struct {
	Images []Image // sorted by [Compare]

	contents []content // of the images
	packages []group
	sets     []set
}

// A content is what an image has besides packages.
type content struct {
	architecture string
	files        []string
	declared     []provides.Provide
}

// A group is a package in several versions that differ in nothing else.
type group struct {
	sbom.Package         // without version; its PURL is split into before and after
	before, after string // of the version in the package URL
	file          *PackageFile
}

// at returns the package in one of its versions.
func (g *group) at(version string) sbom.Package {
	p := g.Package
	p.Version, p.PURL = version, g.before+g.file.spelled(version)+g.after
	p.Provides = slices.Clone(p.Provides)
	for i := range p.Provides {
		if p.Provides[i].Version == same {
			p.Provides[i].Version = version
		}
	}
	return p
}

// same is the version of a virtual package that has the version of the package.
const same = "\t"

// Answers judges a requirement on every image, in the order of Images. The mapping is
// the operator's.
func (c *Catalog) Answers(name, constraint string, mapping []provides.Mapping) []provides.Answer {
	probe := provides.NewProbe(name, constraint, mapping)
	var found []sbom.Package
	in := make([][]int32, len(c.Images)) // indexes of found, for each image
	for i := range c.packages {
		g := &c.packages[i]
		if !probe.Concerns(g.unversioned()) {
			continue
		}
		for _, version := range slices.Sorted(maps.Keys(g.file.Versions)) {
			for _, span := range c.sets[g.file.Versions[version]] {
				for image := span.from; image <= span.to; image++ {
					in[image] = append(in[image], int32(len(found))) //nolint:gosec // a catalog lists at most 10 million packages
				}
			}
			found = append(found, g.at(version))
		}
	}
	answers := make([]provides.Answer, len(c.Images))
	known := map[string]provides.Answer{}
	for i := range c.Images {
		part, key := c.part(i, probe, name)
		for _, n := range in[i] {
			key = append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		}
		a, ok := known[string(key)]
		if !ok {
			for _, n := range in[i] {
				part.Packages = append(part.Packages, found[n])
			}
			if a = probe.Answer(part); !a.Offered {
				a.Reason = "has no " + name + " in the catalog"
			}
			known[string(key)] = a
		}
		answers[i] = a
	}
	return answers
}

// unversioned returns the package with a URL without a version.
func (g *group) unversioned() sbom.Package {
	p := g.Package
	p.PURL = strings.TrimSuffix(g.before, "@") + g.after
	return p
}

// part returns what an image has besides packages, as far as it concerns the
// requirement, and a key that is equal for images of which that is equal.
func (c *Catalog) part(image int, probe *provides.Probe, name string) (provides.Part, []byte) {
	content := c.contents[image]
	part := provides.Part{Architecture: content.architecture}
	key := []byte(content.architecture + "\x00")
	for _, d := range content.declared {
		if d.Name == name {
			part.Declared = append(part.Declared, d)
			key = append(key, strings.Join([]string{d.Version, d.Full, string(d.Rule), d.Evidence[0].Path}, "\x01")+"\x02"...)
		}
	}
	if probe.ConcernsFiles(content.files) {
		part.Files = content.files
		key = append(key, strings.Join(content.files, "\x01")...)
	}
	return part, append(key, 0)
}
