package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Generator runs bin/generate of the extensions in a group, selects the run image and judges which Dockerfiles
// remain to be applied (image_extension.md, "Phase: Generation"; platform.md, "detector"; docs/design.md,
// "Resolution"). It is a part of the detector that also serves groups without extensions.
type Generator struct {
	API       api.Version // of the platform
	Host      buildpack.Host
	Detection *Detection
	Analyzed  *platform.Analyzed
	RunFile   *platform.RunFile // nil: none
	Generated string            // <generated>, which is emptied first; empty: the Platform API has no extensions

	Policy  platform.Policy    // as far as it is set
	Mapping []provides.Mapping // the operator's mapping, for resolution.toml
	Built   time.Time          // build time

	// BuildInventory reads the build image, and RunInventory a run image without an inventory. Each is called only
	// if a verdict depends on it. Lookup reads an image that a Dockerfile switches to. Nil: the image cannot be
	// read.
	BuildInventory func(context.Context) (base.Image, error)
	RunInventory   func(context.Context) (base.Image, error)
	Lookup         func(context.Context, reference.Reference) (base.Image, error)
	// Alternatives reads the other run images for the same target; nil: none.
	Alternatives func(context.Context) ([]base.Image, error)
	// FromCatalog yields the run images of a catalog that meet needs; nil: there is no catalog.
	FromCatalog func(context.Context, []base.Need) iter.Seq[base.Image]

	// Settle is called after each executable, before its output is read. It ends processes that the executable
	// left running, if this process has more privileges than they. Nil: they may keep running.
	Settle func() error

	Stdout, Stderr io.Writer    // of bin/generate; nil: discarded
	Log            *slog.Logger // nil: silent
}

// A Generation is what a detector passes to later phases.
type Generation struct {
	Group      platform.Group
	Plan       platform.Plan
	Analyzed   *platform.Analyzed
	Resolution *platform.Resolution // nil: run image SBOMs are disabled
	Judged     *base.Judgement
}

// Run generates and judges. Errors have code 91 if an extension fails, else 92.
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
	out.Judged, err = base.Judge(ctx, base.Question{
		Dockerfiles: files, Resolution: g.Detection.Resolution, Run: g.Detection.RunImage, Policy: g.Policy, Built: g.Built, Mapping: g.Mapping,
		ReadRun: g.RunInventory, ReadBuild: g.BuildInventory, Lookup: g.Lookup, Alternatives: g.Alternatives, FromCatalog: g.FromCatalog,
		Log: g.Log,
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fail.As(fail.Generate, "reading the run image", err)
	}
	if err := g.applicable(out.Judged); err != nil {
		return nil, fail.As(fail.Generate, "extending the run image", err)
	}
	if _, err := Prune(filepath.Dir(g.Generated), out.Judged.Verdicts); err != nil {
		return nil, fail.As(fail.Generate, "skipping Dockerfiles", err)
	}
	out.Analyzed = g.analyzed(out.Judged)
	if !g.off() {
		record := out.Judged.Record()
		out.Resolution = &record
		g.logVerdicts(out)
	}
	return out, nil
}

func (g *Generator) off() bool { return g.Policy.RunSBOM == platform.Off }

// group returns the detected group for group.toml.
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

// plan returns the build plan without the entries that extensions provide (platform.md, "detector").
func (g *Generator) plan() platform.Plan {
	var plan platform.Plan
	for _, e := range g.Detection.Plan {
		if !slices.ContainsFunc(e.Providers, func(m resolver.Module) bool { return m.Kind == resolver.Extension }) {
			plan.Entries = append(plan.Entries, e)
		}
	}
	return plan
}

// extensions returns the extensions of the group, in order.
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
	files, err := base.ReadGenerated(g.Generated, g.extensions(), false)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		f.Options = g.Detection.modules[f.Extension].Options
		for _, w := range f.Warnings {
			logger(g.Log).Warn(w)
		}
	}
	return files, nil
}

// applicable returns an error for Dockerfiles that this Platform API cannot apply.
func (g *Generator) applicable(judged *base.Judgement) error {
	if api.RunImageExtension.In(g.API) || !judged.ExtendRun {
		return nil
	}
	for _, v := range judged.Verdicts {
		if v.Dockerfile.Image == extensions.Run && v.Outcome == extensions.Pending {
			return fmt.Errorf("%s: Platform API %s can only switch the run image, and baseplan cannot tell whether this Dockerfile must be applied, because the run image has no SBOM; attach one (baseplan sbom attach), set CNB_RUN_SBOM=generate, or use Platform API %s",
				v.Dockerfile.Path, g.API, api.RunImageExtension.Since)
		}
		if v.Dockerfile.Image == extensions.Run && v.Outcome.Left() {
			return fmt.Errorf("%s: Platform API %s can only switch the run image, and this Dockerfile must be applied; use Platform API %s, or a run image that has what is asked for",
				v.Dockerfile.Path, g.API, api.RunImageExtension.Since)
		}
	}
	return nil
}

// analyzed returns analyzed.toml with the selected run image.
func (g *Generator) analyzed(judged *base.Judgement) *platform.Analyzed {
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
		if _, found := g.RunFile.Names(reference.Parse(judged.RunImage)); !found && !judged.Chosen() {
			logger(g.Log).Warn(fmt.Sprintf("the run image %s, which an extension selected, is not in run.toml", judged.RunImage))
		}
	}
	run.Extend = judged.ExtendRun
	a.RunImage = &run
	return &a
}

// logVerdicts logs what the run image meets, in at most one line for each extension.
func (g *Generator) logVerdicts(out *Generation) {
	log := logger(g.Log)
	if lines := summary(out); len(lines) > 0 {
		log.Info(fmt.Sprintf("Run image %s (inventory: %s)", out.Judged.RunImage, out.Judged.Final.Inventory()))
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
