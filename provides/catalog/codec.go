package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// Limits of a catalog, so that a hostile one takes neither much memory nor much time.
const (
	MaxImages = 10_000
	maxHeld   = 10_000_000 // packages of all images
)

// A File is a catalog as JSON (docs/reference/files.md, "catalog of run images").
type File struct {
	Version  string        `json:"version"`
	Images   []ImageEntry  `json:"images"`   // sorted by name, platform and digest
	Sets     []string      `json:"sets"`     // sets of images, as ranges of indexes: "0-11,15"
	Contents []Contents    `json:"contents"` // what packages contain; packages of one content share it
	Packages []PackageFile `json:"packages"`
}

// An ImageEntry is an image in a catalog.
type ImageEntry struct {
	Image
	Architecture string         `json:"package-arch,omitempty"` // that of most of its packages
	Files        []string       `json:"files,omitempty"`        // commands and libraries that no package owns
	Declared     []DeclaredFile `json:"provides,omitempty"`     // what the publisher declares with evidence
}

// A DeclaredFile is a name that an image's publisher declares.
type DeclaredFile struct {
	Name     string `json:"name"`
	Version  string `json:"version,omitempty"` // upstream
	Full     string `json:"full,omitempty"`    // of the package
	Rule     string `json:"rule,omitempty"`    // version ordering: deb, rpm, apk or semver
	Evidence string `json:"evidence"`          // package and version, or file
}

// Contents are the virtual packages and files of a package.
type Contents struct {
	Provides []string `json:"provides,omitempty"` // virtual packages: "name", "name\tversion", or "name\t" with the version of the package
	Files    []string `json:"files,omitempty"`    // commands and libraries
	Absent   []string `json:"absent,omitempty"`   // those that the images do not have
}

// A PackageFile is a package with its versions.
type PackageFile struct {
	Type     string            `json:"type,omitempty"`
	Name     string            `json:"name"`
	Arch     string            `json:"arch,omitempty"`
	PURL     string            `json:"purl,omitempty"`     // package URL, with nothing between "@" and what follows the version
	Contents int               `json:"contents,omitempty"` // index of its contents, from 1; 0: none
	Versions map[string]int    `json:"versions"`           // index of the set of images with this version
	Spelled  map[string]string `json:"spelled,omitempty"`  // versions as the package URL spells them, if differently
}

// Decode decodes a catalog. The name is used in errors. It rejects a newer major
// version, and ignores unknown keys.
func Decode(data []byte, name string) (*Catalog, error) {
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("reading catalog %s: %w", name, err)
	}
	if err := sbom.CheckFileVersion(f.Version); err != nil {
		return nil, fmt.Errorf("reading catalog %s: key \"version\": %w", name, err)
	}
	c := &Catalog{}
	for _, err := range []error{c.readImages(f.Images), c.readSets(f.Sets), c.readPackages(&f)} {
		if err != nil {
			return nil, fmt.Errorf("reading catalog %s: %w", name, err)
		}
	}
	return c, nil
}

func (c *Catalog) readImages(all []ImageEntry) error {
	if len(all) > MaxImages {
		return fmt.Errorf("key \"images\": %d images are over the limit of %d", len(all), MaxImages)
	}
	for i, e := range all {
		if err := e.check(); err != nil {
			return fmt.Errorf("images[%d]: %w", i, err)
		}
		if i > 0 && Compare(all[i-1].Image, e.Image) >= 0 {
			return fmt.Errorf("images[%d] (%s): the images are not sorted, or one is there twice", i, e.Name)
		}
		content := content{architecture: e.Architecture, files: e.Files}
		for _, d := range e.Declared {
			content.declared = append(content.declared, provides.Provide{
				Name: d.Name, Kind: provides.Declared, Version: d.Version, Full: d.Full, Rule: provides.Rule(d.Rule), Evidence: []provides.Evidence{{Path: d.Evidence}},
			})
		}
		c.Images, c.contents = append(c.Images, e.Image), append(c.contents, content)
	}
	return nil
}

func (e *ImageEntry) check() error {
	ref := reference.Parse(e.Name)
	if ref.IsZero() || ref.Kind != reference.Registry || ref.Err() != nil {
		return fmt.Errorf("key \"image\": %q is not a reference in a registry", e.Name)
	}
	texts := []string{e.Name, e.OS, e.Arch, e.Variant, e.Distro, e.Release}
	for _, d := range e.Declared {
		texts = append(texts, d.Name, d.Version, d.Full, d.Evidence)
	}
	for _, text := range texts {
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%q: %q has control characters", e.Name, text)
		}
	}
	for key, digest := range map[string]string{"digest": e.Digest, "index": e.Index} {
		if !isDigest(digest) && (key == "digest" || digest != "") {
			return fmt.Errorf("%s: key %q: %q is not a digest", e.Name, key, digest)
		}
	}
	if e.OS == "" || e.Arch == "" {
		return fmt.Errorf("%s: keys \"os\" and \"arch\": set both", e.Name)
	}
	if e.Size < 0 || e.Packages < 0 {
		return fmt.Errorf("%s: keys \"size\" and \"packages\": a number is negative", e.Name)
	}
	return nil
}

// isDigest reports whether text is an algorithm and a hash.
func isDigest(text string) bool {
	algorithm, hash, ok := strings.Cut(text, ":")
	return ok && algorithm != "" && len(hash) >= 32 && strings.Trim(hash, "0123456789abcdef") == ""
}

func (c *Catalog) readSets(all []string) error {
	for i, text := range all {
		s, err := parseSet(text, len(c.Images))
		if err != nil {
			return fmt.Errorf("sets[%d]: %w", i, err)
		}
		c.sets = append(c.sets, s)
	}
	return nil
}

func (c *Catalog) readPackages(f *File) error {
	sizes := make([]int, len(c.sets))
	for i, s := range c.sets {
		sizes[i] = s.len()
	}
	held := 0
	for i := range f.Packages {
		p := &f.Packages[i]
		if p.Contents < 0 || p.Contents > len(f.Contents) {
			return fmt.Errorf("packages[%d] (%s): key \"contents\": there is no number %d", i, p.Name, p.Contents)
		}
		g := group{file: p, Package: sbom.Package{Type: sbom.Type(p.Type), Name: p.Name, Arch: p.Arch}}
		if p.Contents > 0 {
			g.fill(f.Contents[p.Contents-1])
		}
		g.before, g.after = p.PURL, ""
		if at := versionAt(p.PURL); at >= 0 {
			g.before, g.after = p.PURL[:at], p.PURL[at:]
		}
		for _, in := range p.Versions {
			if in < 0 || in >= len(c.sets) {
				return fmt.Errorf("packages[%d] (%s): key \"versions\": there is no set %d", i, p.Name, in)
			}
			if held += sizes[in]; held > maxHeld {
				return fmt.Errorf("the images have over %d packages", maxHeld)
			}
		}
		c.packages = append(c.packages, g)
	}
	return nil
}

// fill adds virtual packages and files.
func (g *group) fill(from Contents) {
	g.Files, g.Absent = from.Files, from.Absent
	for _, text := range from.Provides {
		name, version, versioned := strings.Cut(text, "\t")
		if versioned && version == "" {
			version = same
		}
		g.Provides = append(g.Provides, sbom.VirtualPackage{Name: name, Version: version})
	}
}

// spelled returns a version as the package URL has it.
func (p *PackageFile) spelled(version string) string {
	if versionAt(p.PURL) < 0 {
		return ""
	}
	if spelled, ok := p.Spelled[version]; ok {
		return spelled
	}
	return escape(version)
}

// escape returns a version as package URLs spell it.
func escape(version string) string {
	const rest = "pkg:generic/x"
	return strings.TrimPrefix(strings.TrimPrefix((&packageurl.PackageURL{Type: "generic", Name: "x", Version: version}).ToString(), rest), "@")
}

// versionAt returns where a package URL without its version has it, behind "@", or
// -1 if it has none.
func versionAt(purl string) int {
	end := strings.IndexAny(purl+"?", "?#")
	if i := strings.LastIndexByte(purl[:end], '@'); i >= 0 {
		return i + 1
	}
	return -1
}

// A set is a set of images, as ranges in ascending order.
type set []span

type span struct{ from, to int }

func (s set) len() int {
	n := 0
	for _, r := range s {
		n += r.to - r.from + 1
	}
	return n
}

var errSet = errors.New("want ascending ranges of images, such as \"0-11,15\"")

// parseSet parses a set of numbers below n.
func parseSet(text string, n int) (set, error) {
	var s set
	next := 0
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(low)
		to := from
		if isRange && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err != nil || from < next || to < from {
			return nil, errSet
		}
		if to >= n {
			return nil, fmt.Errorf("there is no image %d", to)
		}
		s, next = append(s, span{from, to}), to+1
	}
	return s, nil
}

// formatSet formats ascending numbers.
func formatSet(numbers []int) string {
	var b strings.Builder
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(numbers[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(numbers[j]))
		}
		i = j + 1
	}
	return b.String()
}
