package attach

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// A Disagreement is the difference between two SBOMs of an image.
type Disagreement struct {
	A, B  *Finding
	OnlyA []string // packages, "deb curl 7.88.1-10", sorted
	OnlyB []string
}

// Disagreements compares Found with the other usable SBOMs that FindAll read, and returns
// those that differ in operating system packages.
func (r *Result) Disagreements() []Disagreement {
	var all []Disagreement
	if r.Found == nil {
		return nil
	}
	for i := range r.Searched {
		other := &r.Searched[i]
		if other.Result != Found || other.Document == r.Found.Document {
			continue
		}
		if a, b := Differ(r.Found.Document, other.Document); len(a)+len(b) > 0 {
			all = append(all, Disagreement{r.Found, other, a, b})
		}
	}
	return all
}

// Differ returns the operating system packages that only one of two documents has, by type,
// name and version.
func Differ(a, b *sbom.Document) (onlyA, onlyB []string) {
	inA, inB := packagesOf(a), packagesOf(b)
	return without(inA, inB), without(inB, inA)
}

func packagesOf(d *sbom.Document) []string {
	var all []string
	for _, p := range d.Packages {
		if !p.Type.OS() {
			continue
		}
		version := p.Version
		if p.Type == sbom.RPM {
			version = strings.TrimPrefix(version, "0:") // a missing epoch equals epoch 0
		}
		all = append(all, strings.Join([]string{string(p.Type), p.Name, version}, " "))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// without returns the elements of a that are not in b. Both are sorted.
func without(a, b []string) []string {
	var left []string
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			left = append(left, s)
		}
	}
	return left
}
