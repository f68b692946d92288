package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// alternatives looks, where a run.Dockerfile is left to apply, for other run images on which
// nothing would be: those that satisfy everything, fewest packages first, then in their order
// (DESIGN section 5). The best one is taken if that is wanted, as if an extension had switched.
func (g *Generator) alternatives(ctx context.Context, files []*extensions.Dockerfile, build BaseImage, out *Generation) {
	if !out.Judged.ExtendRun || g.off() || g.Alternatives == nil || ctx.Err() != nil {
		return
	}
	if never := out.Judged.NeverEnough(extensions.Run); never != nil {
		if g.Policy.Select == "auto" {
			logger(g.Log).Info(fmt.Sprintf("No other run image is looked for, since none can be enough: %s", strings.Join(never, "; ")))
		}
		return
	}
	all, err := g.Alternatives(ctx)
	if err != nil {
		logger(g.Log).Warn(fmt.Sprintf("other run images cannot be looked at: %v", err))
	}
	type choice struct {
		image  BaseImage
		judged extensions.Result
	}
	var enough []choice
	for _, image := range all {
		if judged, ok := g.enough(files, image, build); ok {
			enough = append(enough, choice{image, judged})
		}
	}
	slices.SortStableFunc(enough, func(a, b choice) int {
		return cmp.Compare(len(a.image.Set.Document().Packages), len(b.image.Set.Document().Packages))
	})
	for _, c := range enough {
		out.Enough = append(out.Enough, c.image.Reference)
	}
	if g.Policy.Select != "auto" || len(enough) == 0 {
		return
	}
	best := enough[0]
	g.Detection.Ask(asBase(best.image.Set), asBase(build.Set))
	best.judged.Switched = true
	out.Judged, out.Final, g.Detection.RunImage = best.judged, best.image, best.image
	logger(g.Log).Info(fmt.Sprintf("Taking the run image %s, which has what extensions would have to add", best.image.Reference))
}

// enough judges the Dockerfiles as if another image were the run image.
func (g *Generator) enough(files []*extensions.Dockerfile, image, build BaseImage) (extensions.Result, bool) {
	if image.Set == nil {
		return extensions.Result{}, false
	}
	resolution := *g.Detection.Resolution
	resolution.Requirements = slices.Clone(resolution.Requirements)
	resolution.Ask(asBase(image.Set), asBase(build.Set))
	judged := extensions.Judge(g.ruled(extensions.Case{Dockerfiles: files, Resolution: &resolution, Run: image.Stand(), Build: build.Stand()}))
	if judged.ExtendRun || judged.Switched {
		return judged, false
	}
	return judged, Broken(recordOf(g.Detection.Resolution, judged), image) == nil
}

// recordOf is a resolution as resolution.toml has it.
func recordOf(r *resolver.Resolution, judged extensions.Result) *platform.Resolution {
	record := platform.Outcome(r, judged)
	return &record
}

// Unapplied says why the Dockerfiles that are left cannot be applied where nobody may: which
// extension, for which requirement, what the run image lacks and which one would have been enough.
func (o *Generation) Unapplied(why string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "extensions have to be applied, and that cannot be done here: %s", why)
	for _, v := range o.Judged.Verdicts {
		if v.Outcome.Left() {
			fmt.Fprintf(&b, "\n  %s has to extend the %s image: %s", v.Dockerfile.Extension, v.Dockerfile.Image, strings.Join(v.Reasons, "; "))
		}
	}
	never := o.Judged.NeverEnough(extensions.Run)
	switch {
	case !o.Judged.ExtendRun:
	case never != nil:
		fmt.Fprintf(&b, "\nNo run image can be enough: %s. Use a platform that runs the extender", strings.Join(never, "; "))
	case len(o.Enough) > 0:
		fmt.Fprintf(&b, "\nOf the run images in run.toml, these would have been enough: %s (CNB_RUN_IMAGE_SELECTION=auto takes the first of them)", strings.Join(o.Enough, ", "))
	default:
		b.WriteString("\nNo other run image in run.toml would have been enough: use one that has what is asked for, or a platform that runs the extender")
	}
	return errors.New(b.String())
}
