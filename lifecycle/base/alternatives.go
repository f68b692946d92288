package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/sbom/reference"
)

// alternatives looks for other run images to which no run.Dockerfile has to be applied, if the current one needs
// any: fewest packages first, then in their order (docs/design.md, "Resolution"). If the policy selects automatically,
// the best one replaces the run image, as if an extension had switched to it.
func (x *judging) alternatives(ctx context.Context) {
	if !x.out.ExtendRun || x.off() || x.Alternatives == nil && x.FromCatalog == nil || ctx.Err() != nil {
		return
	}
	if never := x.out.NeverEnough(extensions.Run); never != nil {
		if x.selects() {
			orDiscard(x.Log).Info(fmt.Sprintf("Not looking for another run image, since none can satisfy the build: %s", strings.Join(never, "; ")))
		}
		return
	}
	enough := x.listed(ctx)
	if x.selects() && x.FromCatalog != nil {
		enough = append(enough, x.catalogued(ctx, enough)...)
	}
	slices.SortStableFunc(enough, func(a, b *Judgement) int { return cmp.Compare(a.packages(), b.packages()) })
	for _, judged := range enough {
		x.out.Enough = append(x.out.Enough, judged.Run.Reference)
	}
	if x.selects() && len(enough) > 0 {
		x.take(enough[0])
	}
}

func (j *Judgement) packages() int { return len(j.Run.Document().Packages) }

// listed returns the judgements on the images of run.toml that are enough.
func (x *judging) listed(ctx context.Context) []*Judgement {
	if x.Alternatives == nil {
		return nil
	}
	all, err := x.Alternatives(ctx)
	if err != nil {
		x.warn("cannot read other run images: %v", err)
	}
	var enough []*Judgement
	for _, image := range all {
		if judged := x.on(ctx, image); judged != nil {
			enough = append(enough, judged)
		}
	}
	return enough
}

// catalogued returns the judgement on the best image of the catalog that is enough, unless one of these is as good.
func (x *judging) catalogued(ctx context.Context, than []*Judgement) []*Judgement {
	for image := range x.FromCatalog(ctx, x.needs()) {
		if slices.ContainsFunc(than, func(j *Judgement) bool { return j.packages() <= len(image.Document().Packages) }) {
			break
		}
		if judged := x.on(ctx, image); judged != nil {
			return []*Judgement{judged}
		}
	}
	return nil
}

func (x *judging) selects() bool { return x.Policy.Select == "auto" }

// on judges the Dockerfiles against another run image. It returns nil if one of them would still have to be applied.
func (x *judging) on(ctx context.Context, image Image) *Judgement {
	if image.Set == nil {
		return nil
	}
	q := x.Question
	q.Run, q.Build, q.ReadBuild, q.Alternatives, q.FromCatalog = image, x.out.Build, nil, nil, nil
	judged, err := Judge(ctx, q)
	if err != nil || judged.ExtendRun || judged.Switched {
		return nil
	}
	promise := &Judgement{Resolution: x.out.Resolution, Run: x.out.Run, Relied: judged.Relied}
	if promise.Recheck(image) != nil {
		return nil
	}
	return judged
}

// take replaces the judgement with the one on another run image.
func (x *judging) take(best *Judgement) {
	best.Enough, best.Switched, best.Policy = x.out.Enough, true, x.out.Policy
	x.out = best
	orDiscard(x.Log).Info(fmt.Sprintf("Selecting run image %s, which needs no extension", best.Run.Reference))
}

// Chosen reports whether the run image was chosen by what it has, and not by an extension.
func (j *Judgement) Chosen() bool { return j.Switched && !j.ExtendRun && len(j.Enough) > 0 }

// Unapplied returns an error for a build that cannot apply the remaining Dockerfiles. It names each extension, what
// the run image lacks, and the run images in run.toml that would satisfy the build.
func (j *Judgement) Unapplied(why string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "extensions have to be applied, which is not possible here: %s", why)
	for _, v := range j.Verdicts {
		if v.Outcome.Left() {
			fmt.Fprintf(&b, "\n  %s has to extend the %s image: %s", v.Dockerfile.Extension, v.Dockerfile.Image, strings.Join(v.Reasons, "; "))
		}
	}
	never := j.NeverEnough(extensions.Run)
	switch {
	case !j.ExtendRun:
	case never != nil:
		fmt.Fprintf(&b, "\nNo run image can satisfy the build: %s. Use a platform that runs the extender", strings.Join(never, "; "))
	case len(j.Enough) > 0:
		fmt.Fprintf(&b, "\nOf the run images in run.toml, these would satisfy the build: %s (CNB_RUN_IMAGE_SELECTION=auto selects the first)", reference.Join(j.Enough, ", "))
	default:
		b.WriteString("\nNo other run image in run.toml satisfies the build: use one that provides what is required, or a platform that runs the extender")
	}
	return errors.New(b.String())
}
