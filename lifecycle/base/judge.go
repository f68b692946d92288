package base

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// A Question is everything that decides what is left to apply to the base images of a build.
type Question struct {
	Dockerfiles []*extensions.Dockerfile // in the order of the group's extensions
	Resolution  *resolver.Resolution     // of the build plan; nil: not known, so everything is proved by effect

	Run, Build Image

	// SwitchedTo are the references by which Dockerfiles have switched to Run, where that was done before and is
	// not undone; nil: Run is the image before any switch.
	SwitchedTo []string

	Policy  platform.Policy
	Built   time.Time          // the time of the build, where the policy does not record it
	Mapping []provides.Mapping // the operator's, for the record

	// ReadRun and ReadBuild read an image whose inventory is not known. Each is called only if a verdict depends on it.
	// Lookup reads an image that a Dockerfile switches to. Nil: the image cannot be read here.
	ReadRun, ReadBuild func(context.Context) (Image, error)
	Lookup             func(ctx context.Context, reference string) (Image, error)

	// Alternatives reads the other run images for the same target, where a run.Dockerfile is left to apply;
	// nil: there are none.
	Alternatives func(context.Context) ([]Image, error)

	Log *slog.Logger // nil: silent
}

// A Judgement is what is left to apply, and what the images are known to hold by now.
type Judgement struct {
	extensions.Result // the Dockerfiles of a recorded verdict have no content

	Resolution *resolver.Resolution // with the answers of the images; never nil
	Run, Build Image                // before any switch, and the build image
	Final      Image                // the run image that was chosen, as far as it is known

	Relied  []platform.RunImageRequirement // what the run image has to have for Dockerfiles to be left out
	Enough  []string                       // alternatives on which no run.Dockerfile would be left, best first
	Policy  platform.Policy
	Mapping []provides.Mapping
}

// Judge answers a question. Images are read only where a verdict depends on them, and one that cannot
// be read leaves the verdict pending, with a warning. Under the policy attached it is an error if that is
// the image that a Dockerfile switches to.
func Judge(ctx context.Context, q Question) (*Judgement, error) {
	x := &judging{Question: q, looked: map[string]Image{}, out: &Judgement{Run: q.Run, Build: q.Build, Policy: q.Policy, Mapping: q.Mapping}}
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
		x.out.Final.Reference = x.out.RunImage
	}
	if x.unread != nil && x.Policy.RunSBOM == platform.Attached && x.out.Open() {
		return nil, x.unread
	}
	x.alternatives(ctx)
	return x.out, nil
}

// Check judges one Dockerfile of a question by effect alone, instruction by instruction, as one for an image.
func Check(ctx context.Context, q Question, d *extensions.Dockerfile, on Image) extensions.Verdict {
	x := &judging{Question: q, looked: map[string]Image{}, out: &Judgement{}}
	return x.ruled(ctx).Check(d, on.base())
}

// judging is one call of Judge.
type judging struct {
	Question
	looked map[string]Image // by reference, images that Dockerfiles switch to
	unread error            // why one of these cannot be read
	out    *Judgement
}

func (x *judging) off() bool { return x.Policy.RunSBOM == platform.Off }

// judge gives the verdicts by what is known of the images now.
func (x *judging) judge(ctx context.Context) {
	x.out.Resolution = &resolver.Resolution{}
	if x.Resolution != nil {
		x.out.Resolution = x.Resolution.Asking(x.out.Run.Provider(), x.out.Build.Provider())
	}
	c := x.ruled(ctx)
	c.Run, c.Build = x.out.Run.base(), x.out.Build.base()
	if x.SwitchedTo != nil {
		// Nothing is known of the image that was switched from, so that the switch stays.
		switched := c.Run
		c.Run, c.Lookup = extensions.Base{}, func(reference string) *extensions.Base {
			if !slices.Contains(x.SwitchedTo, reference) {
				return nil
			}
			return &switched
		}
	}
	x.out.Result = extensions.Judge(c)
	x.out.Relied = platform.Reliances(x.out.Result.Relies)
}

// ruled returns the Dockerfiles under the policy, without images. What extensions were to provide is told
// by the plan alone.
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

func (x *judging) has(image extensions.Image) bool {
	return slices.ContainsFunc(x.Dockerfiles, func(d *extensions.Dockerfile) bool { return d.Image == image })
}

// pending reports whether a verdict waits for the inventory of an image.
func (j *Judgement) pending(image extensions.Image) bool {
	return slices.ContainsFunc(j.Verdicts, func(v extensions.Verdict) bool {
		return v.Outcome == extensions.Pending && v.Dockerfile.Image == image
	})
}

// read reads an image. Where that fails, or cannot be done here, it stays as it is known now.
func (x *judging) read(ctx context.Context, read func(context.Context) (Image, error), what string, now Image) Image {
	if read == nil {
		return now
	}
	image, err := read(ctx)
	if err != nil {
		x.warn("what the %s holds cannot be told, so nothing is left out for it: %v", what, err)
		return now
	}
	return image
}

// lookup returns a func that reads images that are switched to, once each; nil if that cannot be done here.
func (x *judging) lookup(ctx context.Context) func(string) *extensions.Base {
	if x.off() {
		return nil
	}
	return func(reference string) *extensions.Base {
		if reference == x.out.Run.Reference { // a switch to the image that it is
			own := x.out.Run.base()
			return &own
		}
		if x.Lookup == nil {
			return nil
		}
		image, known := x.looked[reference]
		if !known {
			var err error
			if image, err = x.Lookup(ctx, reference); err != nil {
				x.unread = err
				x.warn("the run image %s, which an extension switches to, cannot be read, so what stands on it cannot be judged: %v", reference, err)
			}
			x.looked[reference] = image
		}
		base := image.base()
		return &base
	}
}

func (x *judging) warn(text string, args ...any) { orDiscard(x.Log).Warn(fmt.Sprintf(text, args...)) }
