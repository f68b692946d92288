package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
)

// A Generator has the extensions of a group generate their Dockerfiles, chooses the run image and
// judges what is left to apply (image_extension.md, "Phase: Generation"; platform.md,
// "detector"; DESIGN section 4). It is a part of the detector that also serves groups without extensions.
type Generator struct {
	API       api.Version // of the platform
	Host      buildpack.Host
	Detection *Detection
	Analyzed  *platform.Analyzed
	RunFile   *platform.RunFile // nil: no run image is known besides
	Generated string            // <generated>; what is in it goes. Empty: the Platform API has no extensions

	Policy  platform.Policy    // as far as anything was said
	Mapping []provides.Mapping // the operator's, for resolution.toml
	Built   time.Time          // the time of the build

	// BuildInventory tells what the build image holds, RunInventory the run image of which no
	// inventory is known yet; each is asked only if a verdict depends on it. Lookup tells of an image that a Dockerfile
	// switches to. Nil: it cannot be known here.
	BuildInventory func(context.Context) (BaseImage, error)
	RunInventory   func(context.Context) (BaseImage, error)
	Lookup         func(context.Context, string) (BaseImage, error)
	// Alternatives are the other run images that are known, for the same target; nil: none are.
	Alternatives func(context.Context) ([]BaseImage, error)

	// Settle is called after each executable, before what it left is read: where that is done
	// with more rights than the executable had, nothing of it may be running any more. Nil: it may.
	Settle func() error

	Stdout, Stderr io.Writer    // of bin/generate; nil: dropped
	Log            *slog.Logger // nil: silent
}

// A Generation is what a detector leaves to the phases behind it.
type Generation struct {
	Group      platform.Group
	Plan       platform.Plan
	Analyzed   *platform.Analyzed
	Resolution *platform.Resolution // nil: inventories are off
	Judged     extensions.Result
	Final      BaseImage // the run image that was chosen, as far as it is known
	Enough     []string  // other run images on which no run.Dockerfile would be left, best first
}

// Run generates and judges. Its error has code 91 where an extension fails, else 92.
func (g *Generator) Run(ctx context.Context) (*Generation, error) {
	group := g.group()
	if err := distinct(group); err != nil {
		return nil, fail.As(fail.Generate, "", err)
	}
	if err := g.generate(ctx); err != nil {
		code := fail.Generate
		if _, broken := errors.AsType[*buildpack.BrokenError](err); broken {
			code = fail.GenerateExtension
		}
		return nil, fail.As(code, "generating Dockerfiles", err)
	}
	files, err := g.read()
	if err != nil {
		return nil, fail.As(fail.Generate, "reading the generated Dockerfiles", err)
	}
	out := &Generation{Group: group, Plan: g.plan()}
	g.judge(ctx, files, out)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := g.applicable(out.Judged); err != nil {
		return nil, fail.As(fail.Generate, "extending the run image", err)
	}
	if _, err := Prune(filepath.Dir(g.Generated), out.Judged.Verdicts); err != nil {
		return nil, fail.As(fail.Generate, "leaving out Dockerfiles", err)
	}
	out.Analyzed = g.analyzed(out.Judged)
	if !g.off() {
		out.Resolution = g.resolution(out)
		g.tell(out)
	}
	return out, nil
}

func (g *Generator) off() bool { return g.Policy.RunSBOM == platform.Off }

// group is the detected group as group.toml has it.
func (g *Generator) group() platform.Group {
	var group platform.Group
	for _, c := range g.Detection.Group {
		m := g.Detection.modules[c.Module].Group()
		if c.Module.Kind == resolver.Extension {
			group.Extensions = append(group.Extensions, m)
			continue
		}
		group.Buildpacks = append(group.Buildpacks, m)
	}
	return group
}

// distinct refuses modules that would share a directory, since slashes become underscores.
func distinct(group platform.Group) error {
	for _, modules := range [][]platform.Module{group.Buildpacks, group.Extensions} {
		seen := map[string]string{}
		for _, m := range modules {
			name := platform.EscapeID(m.ID)
			if other, taken := seen[name]; taken {
				return fmt.Errorf("%s and %s cannot be in one group: both would use the directory %s", other, m.ID, name)
			}
			seen[name] = m.ID
		}
	}
	return nil
}

// plan is the build plan without what extensions provide (platform.md, "detector").
func (g *Generator) plan() platform.Plan {
	var plan platform.Plan
	for _, e := range g.Detection.Plan {
		if !slices.ContainsFunc(e.Providers, func(m resolver.Module) bool { return m.Kind == resolver.Extension }) {
			plan.Entries = append(plan.Entries, e)
		}
	}
	return plan
}

// extensions are those of the group, in order.
func (g *Generator) extensions() []resolver.Module {
	all := []resolver.Module{}
	for _, c := range g.Detection.Group {
		if c.Module.Kind == resolver.Extension {
			all = append(all, c.Module)
		}
	}
	return all
}

// read parses and checks the Dockerfiles.
func (g *Generator) read() ([]*extensions.Dockerfile, error) {
	if g.Generated == "" {
		return nil, nil
	}
	files, err := readGenerated(g.Generated, g.extensions())
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		f.Wishes = g.Detection.modules[f.Extension].Wishes
		for _, w := range f.Warnings {
			logger(g.Log).Warn(w)
		}
	}
	return files, nil
}

// judge gives the verdicts. Inventories are generated only where one depends on them.
func (g *Generator) judge(ctx context.Context, files []*extensions.Dockerfile, out *Generation) {
	run, build := g.Detection.RunImage, BaseImage{}
	if !g.off() && slices.ContainsFunc(files, func(d *extensions.Dockerfile) bool { return d.Image == extensions.Build }) {
		build = g.ask(ctx, g.BuildInventory, "build image", build)
	}
	looked := map[string]BaseImage{}
	try := func() {
		g.Detection.Ask(asBase(run.Set), asBase(build.Set))
		out.Judged = extensions.Judge(g.ruled(extensions.Case{
			Dockerfiles: files, Resolution: g.Detection.Resolution, Run: run.Stand(), Build: build.Stand(), Lookup: g.lookup(ctx, looked),
		}))
	}
	if g.off() {
		run.Set = nil
	}
	try()
	if run.Set == nil && !g.off() && !out.Judged.Switched && pending(out.Judged, extensions.Run) {
		run = g.ask(ctx, g.RunInventory, "run image", run)
		try()
	}
	out.Final = run
	if out.Judged.Switched {
		out.Final = looked[out.Judged.RunImage]
		out.Final.Reference = out.Judged.RunImage
	}
	g.Detection.RunImage = run
	g.alternatives(ctx, files, build, out)
}

// ruled is a case under the policy.
func (g *Generator) ruled(c extensions.Case) extensions.Case {
	g.Policy.Rule(&c, g.Built)
	return c
}

// asBase is a set as the resolver takes it.
func asBase(set *provides.Set) resolver.Base {
	if set == nil {
		return nil
	}
	return set
}

func pending(r extensions.Result, image extensions.Image) bool {
	return slices.ContainsFunc(r.Verdicts, func(v extensions.Verdict) bool {
		return v.Outcome == extensions.Pending && v.Dockerfile.Image == image
	})
}

// ask learns what an image holds; where that fails, or cannot be done here, it stays as it is.
func (g *Generator) ask(ctx context.Context, inventory func(context.Context) (BaseImage, error), what string, now BaseImage) BaseImage {
	if inventory == nil {
		return now
	}
	image, err := inventory(ctx)
	if err != nil {
		logger(g.Log).Warn(fmt.Sprintf("what the %s holds cannot be told, so nothing is left out for it: %v", what, err))
		return now
	}
	return image
}

// lookup finds images that are switched to, once each.
func (g *Generator) lookup(ctx context.Context, looked map[string]BaseImage) func(string) *extensions.Base {
	if g.Lookup == nil || g.off() {
		return nil
	}
	return func(ref string) *extensions.Base {
		image, known := looked[ref]
		if !known {
			var err error
			if image, err = g.Lookup(ctx, ref); err != nil {
				logger(g.Log).Warn(fmt.Sprintf("the run image %s, which an extension switches to, cannot be read yet: %v", ref, err))
			}
			looked[ref] = image
		}
		stand := image.Stand()
		return &stand
	}
}

// applicable refuses what this version of the Platform API has no way to apply.
func (g *Generator) applicable(judged extensions.Result) error {
	if api.RunImageExtension.In(g.API) || !judged.ExtendRun {
		return nil
	}
	for _, v := range judged.Verdicts {
		if v.Dockerfile.Image == extensions.Run && v.Outcome == extensions.Pending {
			return fmt.Errorf("%s: Platform API %s can only switch the run image, and whether this has to be applied is not known, since no SBOM is attached to it: attach one (baseplan sbom attach), set CNB_RUN_SBOM=generate, or use Platform API %s",
				v.Dockerfile.Path, g.API, api.RunImageExtension.Since)
		}
		if v.Dockerfile.Image == extensions.Run && v.Outcome.Left() {
			return fmt.Errorf("%s: Platform API %s can only switch the run image, and this has to be applied: use Platform API %s, or a run image that has what is asked for",
				v.Dockerfile.Path, g.API, api.RunImageExtension.Since)
		}
	}
	return nil
}

// analyzed is analyzed.toml with the run image that was chosen.
func (g *Generator) analyzed(judged extensions.Result) *platform.Analyzed {
	a := platform.Analyzed{}
	if g.Analyzed != nil {
		a = *g.Analyzed
	}
	if len(judged.Verdicts) == 0 {
		return &a
	}
	run := platform.RunImage{}
	if a.RunImage != nil {
		run = *a.RunImage
	}
	if judged.Switched {
		run = platform.RunImage{Reference: judged.RunImage}
		if api.TargetData.In(g.API) {
			run.Image = judged.RunImage
		}
		if _, found := g.RunFile.Names(judged.RunImage); !found {
			logger(g.Log).Warn(fmt.Sprintf("the run image %s, which an extension selected, is not in run.toml", judged.RunImage))
		}
	}
	run.Extend = judged.ExtendRun
	a.RunImage = &run
	return &a
}

// resolution is resolution.toml.
func (g *Generator) resolution(out *Generation) *platform.Resolution {
	r := platform.Outcome(g.Detection.Resolution, out.Judged)
	r.Policy = g.Policy
	if built := g.Built.UTC().Truncate(time.Second); !g.Built.IsZero() {
		r.Policy.Built = &built
	}
	r.RunImage = g.Detection.RunImage.Resolved()
	r.Mapping = g.Mapping
	return &r
}

// tell logs the run image's part, in at most one line for each extension.
func (g *Generator) tell(out *Generation) {
	log := logger(g.Log)
	if lines := summary(out); len(lines) > 0 {
		log.Info(fmt.Sprintf("Run image %s (inventory: %s)", out.Judged.RunImage, inventoryOf(out)))
		for _, line := range lines {
			log.Info("  " + line)
		}
	}
	for _, v := range out.Judged.Verdicts {
		for _, i := range v.Instructions {
			log.Debug(fmt.Sprintf("%s, line %d: effect: %t: %s", v.Dockerfile.Path, i.Line, i.Effect, i.Reason))
		}
	}
	for _, r := range out.Resolution.Requirements {
		log.Debug(fmt.Sprintf("%s %s, required by %s: met by %q (%q)", r.Name, r.Version, r.RequiredBy, r.MetBy, r.Evidence))
	}
}

func inventoryOf(out *Generation) attach.Carrier {
	if out.Final.Set == nil {
		return unknown
	}
	return out.Final.Carrier
}
