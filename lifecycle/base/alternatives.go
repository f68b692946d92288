package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
)

// alternatives looks, where a run.Dockerfile is left to apply, for other run images on which none would be:
// those that satisfy everything, fewest packages first, then in their order (docs/design.md, Resolution).
// The best one is taken if the policy wants that, as if an extension had switched to it.
func (x *judging) alternatives(ctx context.Context) {
	if !x.out.ExtendRun || x.off() || x.Alternatives == nil || ctx.Err() != nil {
		return
	}
	if never := x.out.NeverEnough(extensions.Run); never != nil {
		if x.selects() {
			orDiscard(x.Log).Info(fmt.Sprintf("No other run image is looked for, since none can be enough: %s", strings.Join(never, "; ")))
		}
		return
	}
	all, err := x.Alternatives(ctx)
	if err != nil {
		x.warn("other run images cannot be looked at: %v", err)
	}
	var enough []*Judgement
	for _, image := range all {
		if judged := x.on(ctx, image); judged != nil {
			enough = append(enough, judged)
		}
	}
	slices.SortStableFunc(enough, func(a, b *Judgement) int {
		return cmp.Compare(len(a.Run.Document().Packages), len(b.Run.Document().Packages))
	})
	for _, judged := range enough {
		x.out.Enough = append(x.out.Enough, judged.Run.Reference)
	}
	if x.selects() && len(enough) > 0 {
		x.take(enough[0])
	}
}

func (x *judging) selects() bool { return x.Policy.Select == "auto" }

// on judges the Dockerfiles as if another image were the run image; nil if that would not be enough.
func (x *judging) on(ctx context.Context, image Image) *Judgement {
	if image.Set == nil {
		return nil
	}
	q := x.Question
	q.Run, q.Build, q.ReadBuild, q.Alternatives = image, x.out.Build, nil, nil
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

// take makes the judgement on another run image the answer.
func (x *judging) take(best *Judgement) {
	best.Enough, best.Switched, best.Policy = x.out.Enough, true, x.out.Policy
	x.out = best
	orDiscard(x.Log).Info(fmt.Sprintf("Taking the run image %s, which has what extensions would have to add", best.Run.Reference))
}

// Unapplied returns an error for a build in which the Dockerfiles that are left cannot be applied: which
// extension, for which requirement, what the run image lacks and which one would have been enough.
func (j *Judgement) Unapplied(why string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "extensions have to be applied, and that cannot be done here: %s", why)
	for _, v := range j.Verdicts {
		if v.Outcome.Left() {
			fmt.Fprintf(&b, "\n  %s has to extend the %s image: %s", v.Dockerfile.Extension, v.Dockerfile.Image, strings.Join(v.Reasons, "; "))
		}
	}
	never := j.NeverEnough(extensions.Run)
	switch {
	case !j.ExtendRun:
	case never != nil:
		fmt.Fprintf(&b, "\nNo run image can be enough: %s. Use a platform that runs the extender", strings.Join(never, "; "))
	case len(j.Enough) > 0:
		fmt.Fprintf(&b, "\nOf the run images in run.toml, these would have been enough: %s (CNB_RUN_IMAGE_SELECTION=auto takes the first of them)", strings.Join(j.Enough, ", "))
	default:
		b.WriteString("\nNo other run image in run.toml would have been enough: use one that has what is asked for, or a platform that runs the extender")
	}
	return errors.New(b.String())
}
