package base

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Question holds everything that decides which Dockerfiles remain to be applied in a build.
type Question struct {
	Dockerfiles []*extensions.Dockerfile // in the order of the extensions in the group
	Resolution  *resolver.Resolution     // of the build plan; nil: unknown, so every proof is by effect

	Run, Build Image

	// SwitchedTo are the references by which Dockerfiles have already switched to Run; nil: Run is the image before
	// any switch. A switch is not undone.
	SwitchedTo []reference.Reference

	Policy  platform.Policy
	Built   time.Time          // build time, if the policy does not record it
	Mapping []provides.Mapping // the operator's mapping, for the record

	// ReadRun and ReadBuild read an image without an inventory. Each is called only if a verdict depends on it.
	// Lookup reads an image that a Dockerfile switches to. Nil: the image cannot be read.
	ReadRun, ReadBuild func(context.Context) (Image, error)
	Lookup             func(context.Context, reference.Reference) (Image, error)

	// Alternatives reads the other run images for the same target. It is called only if a run.Dockerfile remains
	// to be applied; nil: there are none.
	Alternatives func(context.Context) ([]Image, error)

	// FromCatalog yields the images of a catalog for the same target that meet all needs, best first, with their
	// inventories. It is called only if the policy selects automatically; nil: there is no catalog.
	FromCatalog func(context.Context, []Need) iter.Seq[Image]

	Log *slog.Logger // nil: silent
}

// A Judgement says which Dockerfiles remain to be applied, and what the images contain as far as it had to be read.
type Judgement struct {
	extensions.GroupVerdict // a recorded Dockerfile has no content

	Resolution *resolver.Resolution // with the answers of the images; never nil
	Run, Build Image                // Run before any switch
	Final      Image                // the selected run image, as far as it is known

	Relied  []platform.RunImageRequirement // what the run image must have for Dockerfiles to be skipped
	Enough  []reference.Reference          // alternatives to which no run.Dockerfile would have to be applied, best first
	Policy  platform.Policy
	Mapping []provides.Mapping
}

// Judge answers a question. It reads images only if a verdict depends on them. An image that cannot be
// read leaves the verdict pending, with a warning; under the policy attached it is an error if a
// Dockerfile switches to that image.
func Judge(ctx context.Context, q Question) (*Judgement, error) {
	x := &judging{Question: q, looked: map[string]Image{}, unread: map[string]error{}, out: &Judgement{Run: q.Run, Build: q.Build, Policy: q.Policy, Mapping: q.Mapping}}
	if !q.Built.IsZero() && q.Policy.Built == nil {
		built := q.Built.UTC().Truncate(time.Second)
		x.out.Policy.Built = &built
	}
	if x.off() {
		x.out.Run, x.out.Build = x.out.Run.Without(), x.out.Build.Without()
	}
	if x.out.Build.Set == nil && !x.off() && x.has(extensions.Build) {
		x.out.Build = x.read(ctx, q.ReadBuild, "build image", x.out.Build)
	}
	x.judge(ctx)
	if x.out.Run.Set == nil && !x.off() && !x.out.Switched && x.out.pending(extensions.Run) {
		if x.out.Run = x.read(ctx, q.ReadRun, "run image", x.out.Run); x.out.Run.Set != nil {
			x.judge(ctx)
		}
	}
	x.out.Final = x.out.Run
	if x.out.Switched && x.SwitchedTo == nil {
		x.out.Final = x.looked[x.out.RunImage]
		x.out.Final.Reference = reference.Parse(x.out.RunImage)
	}
	if err := x.unread[x.out.RunImage]; err != nil && x.Policy.RunSBOM == platform.Attached && x.out.Open() {
		return nil, err
	}
	x.alternatives(ctx)
	return x.out, nil
}

// Check judges one Dockerfile by the effect of each instruction alone, as a Dockerfile for the image on.
func Check(ctx context.Context, q Question, d *extensions.Dockerfile, on Image) extensions.Verdict {
	x := &judging{Question: q, looked: map[string]Image{}, unread: map[string]error{}, out: &Judgement{}}
	return x.ruled(ctx).Check(d, on.base())
}

// judging is one call of Judge.
type judging struct {
	Question
	looked map[string]Image // images that Dockerfiles switch to, by reference
	unread map[string]error // why one of these could not be read
	out    *Judgement
}

func (x *judging) off() bool { return x.Policy.RunSBOM == platform.Off }

// judge judges the Dockerfiles with what is known of the images so far.
func (x *judging) judge(ctx context.Context) {
	x.out.Resolution = &resolver.Resolution{}
	if x.Resolution != nil {
		x.out.Resolution = x.Resolution.Asking(x.out.Run.Provider(), x.out.Build.Provider())
	}
	c := x.ruled(ctx)
	c.Run, c.Build = x.out.Run.base(), x.out.Build.base()
	if x.SwitchedTo != nil {
		// the image before the switch is unknown, so the switch stays
		switched := c.Run
		c.Run, c.Lookup = extensions.Base{}, func(name string) *extensions.Base {
			if !slices.Contains(x.SwitchedTo, reference.Parse(name)) {
				return nil
			}
			return &switched
		}
	}
	x.out.GroupVerdict = extensions.Judge(c)
	x.out.Relied = platform.Reliances(x.out.GroupVerdict.Relies)
}

// ruled applies the policy without looking at images. Only the plan says what extensions were to provide.
func (x *judging) ruled(ctx context.Context) extensions.Case {
	c := extensions.Case{Dockerfiles: x.Dockerfiles, Lookup: x.lookup(ctx)}
	x.Policy.Rule(&c, x.Built)
	if x.Resolution == nil {
		c.ByEffect()
	} else {
		c.Resolution = x.out.Resolution
	}
	return c
}

func (x *judging) has(image extensions.ImageKind) bool {
	return slices.ContainsFunc(x.Dockerfiles, func(d *extensions.Dockerfile) bool { return d.Image == image })
}

// pending reports whether a verdict depends on the inventory of an image that was not read.
func (j *Judgement) pending(image extensions.ImageKind) bool {
	return slices.ContainsFunc(j.Verdicts, func(v extensions.Verdict) bool {
		return v.Outcome == extensions.Pending && v.Dockerfile.Image == image
	})
}

// read reads an image. If that is not possible, it returns now.
func (x *judging) read(ctx context.Context, read func(context.Context) (Image, error), what string, now Image) Image {
	if read == nil {
		return now
	}
	image, err := read(ctx)
	if err != nil {
		x.warn("cannot read the packages of the %s, so none of its Dockerfiles is skipped: %v", what, err)
		return now
	}
	return image
}

// lookup returns a function that reads each image switched to once; nil if images cannot be read.
func (x *judging) lookup(ctx context.Context) func(string) *extensions.Base {
	if x.off() {
		return nil
	}
	return func(name string) *extensions.Base {
		if name == x.out.Run.Reference.String() { // already the run image
			own := x.out.Run.base()
			return &own
		}
		if x.Lookup == nil {
			return nil
		}
		image, known := x.looked[name]
		if !known {
			var err error
			if image, err = x.Lookup(ctx, reference.Parse(name)); err != nil {
				x.unread[name] = err
				x.warn("cannot read the run image %s that an extension switches to, so Dockerfiles that build on it cannot be judged: %v", name, err)
			}
			x.looked[name] = image
		}
		base := image.base()
		return &base
	}
}

func (x *judging) warn(text string, args ...any) { orDiscard(x.Log).Warn(fmt.Sprintf(text, args...)) }
