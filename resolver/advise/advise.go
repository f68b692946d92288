// Package advise says which packages to bake into how many run images, so that the fewest builds need an
// extension. Start with [Problem.Plans].
//
// It is a covering problem: a build is served by an image that has everything that the build lacks. With a limit on
// what an image may take it is NP-hard, so the answer is exact up to [Exact] different sets of missing packages
// on one run image, and greedy beyond, with a bound on what any answer could reach. The package does no I/O.
package advise

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Exact is the number of different sets of missing packages, on one run image, up to which the answer is the
// best there is.
const Exact = 12

// A Build is what a build lacked in its run image, or several that lacked the same.
type Build struct {
	Base  string   // the run image; what is baked into another does not serve the build
	Lacks []string // packages; none: the build needs no extension
	Count int      // how many there were
}

// A Problem is a history of builds, and what may be done about it.
type Problem struct {
	Builds   []Build
	Images   int // the most run images to make
	Packages int // the most packages to add to one; 0: any number
}

// An Image is a run image to make: packages on top of a base.
type Image struct {
	Base     string
	Packages []string // sorted
	Builds   int      // that it serves, and the base alone does not
}

// A Plan is what to make, and what comes of it.
type Plan struct {
	Images []Image // by base, then by builds served, most first
	Served int     // builds that need no extension with these images, those that needed none before included
	Spare  int     // packages that builds carry without need, summed up over the builds that the images serve
	Exact  bool    // there is no better plan with so many images
	AtMost int     // no plan with so many images serves more builds than this
}

// Plans are the best plans with no new image, with one, and so on. Better means: it serves more builds, then spares
// them packages that they do not need, then adds fewer packages, then makes fewer images. Where one more image
// brings nothing the list ends.
func (p Problem) Plans() []Plan {
	bases, nothing := p.bases()
	best := []answer{{exact: true}} // by number of images, over the bases so far
	for _, b := range bases {
		best = combine(best, b.answers(p.Images, p.limit()), p.Images)
	}
	var plans []Plan
	for k, a := range best {
		plan := a.plan(nothing)
		if last := len(plans) - 1; k > 0 && plan.Served == plans[last].Served && plan.Spare == plans[last].Spare {
			break
		}
		plans = append(plans, plan)
	}
	return plans
}

func (p Problem) limit() int {
	if p.Packages <= 0 {
		return math.MaxInt
	}
	return p.Packages
}

// A base is a run image and the different sets of packages that builds lacked in it.
type base struct {
	name  string
	lacks []lack
}

// A lack is a set of packages and how many builds lacked just that.
type lack struct {
	packages []string // sorted
	count    int
}

// bases sorts the builds; nothing is how many lacked nothing.
func (p Problem) bases() (bases []base, nothing int) {
	at := map[string]int{} // of a lack, by its text
	index := map[string]int{}
	builds := slices.Clone(p.Builds)
	slices.SortStableFunc(builds, func(a, b Build) int { return cmp.Compare(a.Base, b.Base) })
	for _, b := range builds {
		packages := slices.Clone(b.Lacks)
		slices.Sort(packages)
		packages = slices.Compact(packages)
		if len(packages) == 0 {
			nothing += b.Count
			continue
		}
		i, known := index[b.Base]
		if !known {
			i = len(bases)
			index[b.Base], bases = i, append(bases, base{name: b.Base})
		}
		key := b.Base + "\x00" + strings.Join(packages, "\x00")
		k, known := at[key]
		if !known {
			k = len(bases[i].lacks)
			at[key], bases[i].lacks = k, append(bases[i].lacks, lack{packages: packages})
		}
		bases[i].lacks[k].count += b.Count
	}
	for _, b := range bases {
		slices.SortFunc(b.lacks, func(x, y lack) int { return slices.Compare(x.packages, y.packages) })
	}
	return bases, nothing
}

// An answer is images for some of the bases.
type answer struct {
	images   []Image
	served   int
	spare    int
	packages int // added, all images together
	exact    bool
	atMost   int
}

// better reports whether a is to be preferred to b.
func (a answer) better(b answer) bool {
	return cmp.Or(cmp.Compare(a.served, b.served), cmp.Compare(b.spare, a.spare), cmp.Compare(b.packages, a.packages), cmp.Compare(len(b.images), len(a.images))) > 0
}

// combine shares a number of images among bases in the best way.
func combine(some, more []answer, images int) []answer {
	var out []answer
	for k := range images + 1 {
		best := answer{served: -1}
		exact, atMost := true, 0
		for i, a := range some {
			j := min(k-i, len(more)-1)
			if j < 0 {
				continue
			}
			b := more[j]
			sum := answer{
				images: append(slices.Clone(a.images), b.images...), served: a.served + b.served,
				spare: a.spare + b.spare, packages: a.packages + b.packages,
			}
			exact, atMost = exact && a.exact && b.exact, max(atMost, a.atMost+b.atMost)
			if sum.better(best) {
				best = sum
			}
		}
		best.exact, best.atMost = exact, atMost
		out = append(out, best)
	}
	return out
}

func (a answer) plan(nothing int) Plan {
	return Plan{Images: a.images, Served: nothing + a.served, Spare: a.spare, Exact: a.exact, AtMost: nothing + a.atMost}
}

// answers are the best images for one base, by their number from 0.
func (b base) answers(images, limit int) []answer {
	fit := slices.Clone(b.lacks)
	fit = slices.DeleteFunc(fit, func(l lack) bool { return len(l.packages) > limit }) // no image may serve these
	images = min(images, len(fit))
	if len(fit) <= Exact {
		return exactly(b.name, fit, images, limit)
	}
	return greedily(b.name, fit, images, limit)
}

// image is the one that serves these builds.
func image(name string, lacks []lack) Image {
	img := Image{Base: name}
	for _, l := range lacks {
		img.Packages = append(img.Packages, l.packages...)
		img.Builds += l.count
	}
	slices.Sort(img.Packages)
	img.Packages = slices.Compact(img.Packages)
	return img
}

// spare is how many packages builds carry without need on an image.
func spare(img Image, lacks []lack) int {
	sum := 0
	for _, l := range lacks {
		sum += l.count * (len(img.Packages) - len(l.packages))
	}
	return sum
}

// answerOf adds up images for groups of builds.
func answerOf(name string, groups [][]lack) answer {
	var a answer
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		img := image(name, g)
		a.images = append(a.images, img)
		a.served += img.Builds
		a.spare += spare(img, g)
		a.packages += len(img.Packages)
	}
	slices.SortStableFunc(a.images, func(x, y Image) int {
		return cmp.Or(cmp.Compare(y.Builds, x.Builds), slices.Compare(x.Packages, y.Packages))
	})
	return a
}
