package lifecycle

import (
	"context"
	"errors"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A Creator runs the phases of a build one after the other (platform.md, "creator"; docs/design.md, "Sandbox"). Unlike
// the detector on its own, its detection reads images where a verdict depends on them.
//
// Its fields are the phases with the inputs that the platform gives. What one phase hands to a later one is filled in:
// the run image, the group, the plan, analyzed.toml, the target of the hosts, and run.toml from Analyzer.RunFile.
type Creator struct {
	Analyzer  Analyzer
	Detector  Detector
	Generator Generator
	Restorer  Restorer
	Builder   Builder
	Exporter  Exporter

	// Provides writes what the run image provides to files for bin/detect and bin/generate, and returns their paths
	// (CNB_RUN_IMAGE_PROVIDES and CNB_RUN_IMAGE_SBOM; empty: none). Nil: neither variable is set.
	Provides func(run base.Image) (provides, sbom string, err error)

	// Extend applies the Dockerfiles that remain to be applied. MayExtend returns an error before any buildpack builds
	// if that is not possible. Without Extend it never is; without MayExtend it always is.
	MayExtend func(context.Context, *Generation) error
	Extend    func(context.Context, *Generation, buildpack.Host) (*Extension, error)

	// Begin is called before each phase, and End after it with the results so far, for example to write files and
	// to drop privileges; nil: no hook.
	Begin func(platform.Phase) error
	End   func(platform.Phase, *Creation) error
}

// A Creation is what the phases of a Creator have made so far; what a later phase makes is nil.
type Creation struct {
	Analysis   *Analysis
	Generation *Generation // from the restorer on with its analyzed.toml
	Build      *platform.BuildMetadata
	Report     *platform.Report
}

// An Extension is the outcome of applying Dockerfiles in a creator.
type Extension struct {
	RunImage *image.Image   // extended; nil: there was nothing to apply to the run image
	Host     buildpack.Host // for bin/build, with the environment of the extended build image
}

// Run builds. Errors have the code of the phase in which they occur.
func (c *Creator) Run(ctx context.Context) (*Creation, error) {
	x := &creating{Creator: *c}
	for _, step := range []struct {
		phase platform.Phase
		code  fail.Code
		run   func(context.Context) error
		then  func(context.Context) error // after End; may be nil
	}{
		{platform.Analyze, fail.Analyze, x.analyze, nil},
		{platform.Detect, fail.DetectOther, x.detect, x.check},
		{platform.Restore, fail.Restore, x.restore, nil},
		{platform.Extend, fail.Extend, x.extend, nil},
		{platform.Build, fail.Build, x.build, nil},
		{platform.Export, fail.Export, x.export, nil},
	} {
		if step.phase == platform.Extend && !x.extends() {
			continue
		}
		if x.Begin != nil {
			if err := x.Begin(step.phase); err != nil {
				return nil, fail.As(step.code, "", err)
			}
		}
		if err := step.run(ctx); err != nil {
			return nil, err
		}
		if x.End != nil {
			if err := x.End(step.phase, &x.out); err != nil {
				return nil, fail.As(step.code, "", err)
			}
		}
		if step.then != nil {
			if err := step.then(ctx); err != nil {
				return nil, fail.As(step.code, "", err)
			}
		}
	}
	return &x.out, nil
}

// creating is one run of a Creator.
type creating struct {
	Creator
	out      Creation
	extended Extension
}

func (x *creating) analyze(ctx context.Context) (err error) {
	x.out.Analysis, err = x.Analyzer.Run(ctx)
	return err
}

// target returns the target of the run image for bin/detect, bin/generate and bin/build.
func (x *creating) target(a *platform.Analyzed) *platform.Target {
	if !api.TargetData.In(x.Analyzer.API) || a.RunImage == nil {
		return nil
	}
	return a.RunImage.Target
}

func (x *creating) detect(ctx context.Context) error {
	analyzed, run := x.out.Analysis.Analyzed, x.out.Analysis.RunImage
	d, g := x.Detector, x.Generator
	d.RunImage, g.Analyzed, g.RunFile = run, analyzed, x.Analyzer.RunFile
	d.Host.Target, g.Host.Target = x.target(analyzed), x.target(analyzed)
	if x.Provides != nil {
		provides, sbom, err := x.Provides(run)
		if err != nil {
			return fail.As(fail.DetectOther, "", err)
		}
		d.Host.RunImageProvides, d.Host.RunImageSBOM = provides, sbom
		g.Host.RunImageProvides, g.Host.RunImageSBOM = provides, sbom
	}
	if x.Analyzer.Reader != nil {
		c := connection{reader: x.Analyzer.Reader, run: analyzed.RunImage, found: run, runFile: x.Analyzer.RunFile}
		c.connect(&d, &g)
	}
	found, err := d.Run(ctx)
	if err = errors.Join(err, x.settle()); err != nil {
		return err
	}
	g.Detection = found
	x.out.Generation, err = g.Run(ctx)
	return err
}

// settle ends what executables of buildpacks left running.
func (x *creating) settle() error {
	if x.Generator.Settle == nil {
		return nil
	}
	return x.Generator.Settle()
}

func (x *creating) extends() bool {
	judged := x.out.Generation.Judged
	return judged.ExtendRun || judged.ExtendBuild
}

// check returns an error before any buildpack builds if the run image that was switched to lacks what the build relies
// on, or if Dockerfiles cannot be applied.
func (x *creating) check(ctx context.Context) error {
	judged := x.out.Generation.Judged
	if err := judged.RecheckSwitch(); err != nil || !x.extends() {
		return err
	}
	if x.Generator.Policy.ExtendInCreator == "never" {
		return judged.Unapplied("CNB_EXTEND_IN_CREATOR is never")
	}
	if x.Extend == nil {
		return judged.Unapplied("this creator has no extender")
	}
	if x.MayExtend != nil {
		if err := x.MayExtend(ctx, x.out.Generation); err != nil {
			return judged.Unapplied(err.Error())
		}
	}
	return nil
}

// restore pins the reference of a run image after a switch, completes its target, and restores what earlier builds left.
func (x *creating) restore(ctx context.Context) error {
	if err := x.settle(); err != nil {
		return fail.As(fail.Restore, "", err)
	}
	a := &x.Analyzer
	b := BaseRestorer{API: a.API, Images: a.Images.Opener, Locator: a.Locator, Analyzed: x.out.Generation.Analyzed, RunFile: a.RunFile, Log: a.Log}
	bases, err := b.Run(ctx)
	if err != nil {
		return err
	}
	x.out.Generation.Analyzed = bases.Analyzed
	r := x.Restorer
	r.Group, r.Analyzed = x.out.Generation.Group, bases.Analyzed
	return r.Run(ctx)
}

// host returns the settings for bin/build without extensions.
func (x *creating) host() buildpack.Host {
	host := x.Builder.Host
	host.Target = x.target(x.out.Generation.Analyzed)
	return host
}

func (x *creating) extend(ctx context.Context) error {
	extended, err := x.Extend(ctx, x.out.Generation, x.host())
	if err != nil {
		return fail.As(fail.Extend, "", err)
	}
	x.extended = *extended
	return nil
}

func (x *creating) build(ctx context.Context) (err error) {
	b := x.Builder
	b.Group, b.Plan, b.Host = x.out.Generation.Group, x.out.Generation.Plan, x.host()
	if x.extends() {
		b.Host = x.extended.Host
	}
	x.out.Build, err = b.Run(ctx)
	return err
}

func (x *creating) export(ctx context.Context) (err error) {
	made, e := x.out.Generation, x.Exporter
	e.Analyzed, e.Group, e.Resolution = made.Analyzed, made.Group, made.Resolution
	e.Build, e.Extended, e.RunFile = x.out.Build, x.extended.RunImage, x.Analyzer.RunFile
	if run := x.Analyzer.RunImage; !run.IsZero() && (e.RunFile == nil || len(e.RunFile.Images) == 0) { // there may be the name alone
		e.RunFile = &platform.RunFile{Images: []platform.RunImageNames{{Image: run.String()}}}
	}
	x.out.Report, err = e.Run(ctx)
	return fail.As(fail.Export, "", err)
}
