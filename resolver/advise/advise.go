// Package advise recommends which packages to bake into how many run images, so
// that as few builds as possible need an extension. Start with [Problem.Plans].
//
// It solves a covering problem: an image serves a build if it has everything that
// the build lacks. With a limit on packages the problem is NP-hard, so the answer
// is exact for up to [Exact] different sets of missing packages per run image.
// Beyond that it is greedy, with an upper bound on any answer. The package does no
// I/O.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package advise

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Exact is the number of different sets of missing packages on one run image up to
// which the answer is optimal.
const Exact = 12

// A Build is a number of builds that lacked the same packages in their run image.
type Build struct {
	Base  string   // the run image; only images based on it serve the build
	Lacks []string // packages; empty: the build needs no extension
	Count int      // the number of such builds
}

// A Problem is a history of builds and the limits on new images.
type Problem struct {
	Builds   []Build
	Images   int // maximum number of run images
	Packages int // maximum number of packages added to one; 0: unlimited
}

// A NewImage is a recommended run image: packages on top of a base.
type NewImage struct {
	Base     string
	Packages []string // sorted
	Builds   int      // number of builds that it serves and the base alone does not
}

// A Plan is a set of recommended images with its effect.
type Plan struct {
	Images []NewImage // by base, then by builds served, most first
	Served int        // builds that need no extension with these images, including those that never did
	Spare  int        // unneeded packages, summed over the builds that the images serve
	Exact  bool       // the plan is optimal for this number of images
	AtMost int        // upper bound on Served for this number of images
}

// Plans returns the best plans with no new image, with one, and so on. A plan is
// better if it serves more builds, then if the builds have fewer unneeded packages,
// then if it adds fewer packages, then if it has fewer images. The list ends where
// another image brings no improvement.
func (p Problem) Plans() []Plan {
	bases, nothing := p.bases()
	best := []partial{{exact: true}} // by number of images, over the bases so far
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

// A base is a run image with the sets of packages that builds lacked in it.
type base struct {
	name  string
	lacks []lack
}

// A lack is a set of packages and the number of builds that lacked exactly these.
type lack struct {
	packages []string // sorted
	count    int
	set      set // the packages as numbers; see [numbered]
}

// bases groups the builds by base; nothing is the number of builds that lacked
// nothing.
func (p Problem) bases() (bases []base, nothing int) {
	at := map[string]int{} // by base and packages
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

// A partial is a choice of images for some of the bases.
type partial struct {
	images   []NewImage
	served   int
	spare    int
	packages int // total number of added packages
	exact    bool
	atMost   int
}

// better reports whether a is better than b.
func (a partial) better(b partial) bool {
	return cmp.Or(cmp.Compare(a.served, b.served), cmp.Compare(b.spare, a.spare), cmp.Compare(b.packages, a.packages), cmp.Compare(len(b.images), len(a.images))) > 0
}

// combine distributes a number of images among bases optimally.
func combine(some, more []partial, images int) []partial {
	var out []partial
	for k := range images + 1 {
		best := partial{served: -1}
		exact, atMost := true, 0
		for i, a := range some {
			j := min(k-i, len(more)-1)
			if j < 0 {
				continue
			}
			b := more[j]
			sum := partial{
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

func (a partial) plan(nothing int) Plan {
	return Plan{Images: a.images, Served: nothing + a.served, Spare: a.spare, Exact: a.exact, AtMost: nothing + a.atMost}
}

// answers returns the best images for one base, by number of images from 0.
func (b base) answers(images, limit int) []partial {
	fit := slices.Clone(b.lacks)
	fit = slices.DeleteFunc(fit, func(l lack) bool { return len(l.packages) > limit }) // no image can serve these
	images = min(images, len(fit))
	if len(fit) <= Exact {
		return exactly(b.name, fit, images, limit)
	}
	return greedily(b.name, fit, images, limit)
}

// image returns the image that serves these builds.
func image(name string, lacks []lack) NewImage {
	img := NewImage{Base: name}
	for _, l := range lacks {
		img.Packages = append(img.Packages, l.packages...)
		img.Builds += l.count
	}
	slices.Sort(img.Packages)
	img.Packages = slices.Compact(img.Packages)
	return img
}

// spare returns the number of unneeded packages of the builds on an image.
func spare(img NewImage, lacks []lack) int {
	sum := 0
	for _, l := range lacks {
		sum += l.count * (len(img.Packages) - len(l.packages))
	}
	return sum
}

// answerOf returns the images for groups of builds.
func answerOf(name string, groups [][]lack) partial {
	var a partial
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
	slices.SortStableFunc(a.images, func(x, y NewImage) int {
		return cmp.Or(cmp.Compare(y.Builds, x.Builds), slices.Compare(x.Packages, y.Packages))
	})
	return a
}
