package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// Encode encodes a catalog. It is deterministic, and independent of the order of the
// entries. An image that occurs several times is encoded once.
func Encode(entries []Entry) ([]byte, error) {
	entries = slices.SortedStableFunc(slices.Values(entries), func(a, b Entry) int { return Compare(a.Image, b.Image) })
	entries = slices.CompactFunc(entries, func(a, b Entry) bool { return Compare(a.Image, b.Image) == 0 })
	if len(entries) > MaxImages {
		return nil, fmt.Errorf("encoding a catalog: %d images are over the limit of %d", len(entries), MaxImages)
	}
	e := &encoder{groups: map[string]*encoded{}, contents: map[string]int{}, sets: map[string]int{}}
	e.file = File{Version: sbom.FileVersion, Images: []ImageEntry{}, Sets: []string{}, Contents: []Contents{}, Packages: []PackageFile{}}
	for i, entry := range entries {
		image := ImageEntry{Image: entry.Image, Architecture: entry.Part.Architecture, Files: entry.Part.Files}
		if err := image.check(); err != nil {
			return nil, fmt.Errorf("encoding a catalog: %w", err)
		}
		for _, p := range entry.Part.Declared {
			image.Declared = append(image.Declared, declared(p))
		}
		e.file.Images = append(e.file.Images, image)
		for _, pkg := range entry.Part.Packages {
			e.add(i, pkg)
		}
	}
	e.finish()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e.file)
	return b.Bytes(), err
}

func declared(p provides.Provide) DeclaredFile {
	d := DeclaredFile{Name: p.Name, Version: p.Version, Full: p.Full, Rule: string(p.Rule)}
	if len(p.Evidence) > 0 {
		first := p.Evidence[0]
		d.Evidence = cmp.Or(first.Path, strings.TrimSpace(first.Package+" "+first.Version))
	}
	return d
}

// An encoder collects what the images have in common.
type encoder struct {
	file     File
	groups   map[string]*encoded
	contents map[string]int // number by JSON
	sets     map[string]int // index by text
}

// An encoded is a package whose versions are not numbered yet.
type encoded struct {
	PackageFile
	in map[string][]int  // images by version
	as map[string]string // how the package URL spells a version
}

// add adds a package of an image.
func (e *encoder) add(image int, pkg sbom.Package) {
	p := PackageFile{Type: string(pkg.Type), Name: pkg.Name, Arch: pkg.Arch, PURL: pkg.PURL, Contents: e.content(pkg)}
	spelled := ""
	if at := versionAt(pkg.PURL); at >= 0 {
		end := at + strings.IndexAny(pkg.PURL[at:]+"?", "?#")
		spelled = pkg.PURL[at:end]
		p.PURL = pkg.PURL[:at] + pkg.PURL[end:]
	}
	key := strings.Join([]string{p.Type, p.Name, p.Arch, p.PURL, fmt.Sprint(p.Contents)}, "\x00")
	if g := e.groups[key]; g != nil && g.as[pkg.Version] != spelled && len(g.in[pkg.Version]) > 0 {
		key += "\x00" + spelled // two spellings of one version are two packages
	}
	g := e.groups[key]
	if g == nil {
		g = &encoded{PackageFile: p, in: map[string][]int{}, as: map[string]string{}}
		e.groups[key] = g
	}
	g.as[pkg.Version] = spelled
	if versionAt(pkg.PURL) >= 0 && spelled != escape(pkg.Version) {
		if g.Spelled == nil {
			g.Spelled = map[string]string{}
		}
		g.Spelled[pkg.Version] = spelled
	}
	if in := g.in[pkg.Version]; len(in) == 0 || in[len(in)-1] != image {
		g.in[pkg.Version] = append(in, image)
	}
}

// content returns the number of the contents of a package; 0: it has none.
func (e *encoder) content(pkg sbom.Package) int {
	c := Contents{Files: pkg.Files, Absent: pkg.Absent}
	for _, v := range pkg.Provides {
		switch {
		case strings.Contains(v.Name, "\t"): // no requirement has such a name
		case v.Version == "":
			c.Provides = append(c.Provides, v.Name)
		case v.Version == pkg.Version:
			c.Provides = append(c.Provides, v.Name+"\t")
		default:
			c.Provides = append(c.Provides, v.Name+"\t"+v.Version)
		}
	}
	data, _ := json.Marshal(c) // strings only
	if string(data) == "{}" {
		return 0
	}
	if e.contents[string(data)] == 0 {
		e.file.Contents = append(e.file.Contents, c)
		e.contents[string(data)] = len(e.file.Contents)
	}
	return e.contents[string(data)]
}

// finish numbers the sets of images and sorts the packages.
func (e *encoder) finish() {
	for _, key := range slices.Sorted(maps.Keys(e.groups)) {
		g := e.groups[key]
		g.Versions = map[string]int{}
		for _, version := range slices.Sorted(maps.Keys(g.in)) {
			text := formatSet(g.in[version])
			n, ok := e.sets[text]
			if !ok {
				n = len(e.file.Sets)
				e.file.Sets, e.sets[text] = append(e.file.Sets, text), n
			}
			g.Versions[version] = n
		}
		e.file.Packages = append(e.file.Packages, g.PackageFile)
	}
}
