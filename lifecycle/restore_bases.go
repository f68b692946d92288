package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A BaseRestorer is the second part of the restorer: it completes what the detector left open about the
// base images, and saves those to be extended (platform.md, "restorer"; docs/design.md, "Resolution").
// It accesses a registry only if something is open.
type BaseRestorer struct {
	API     api.Version
	Images  *image.Opener     // required
	Locator reference.Locator // of the run image

	Analyzed   *platform.Analyzed
	RunFile    *platform.RunFile   // mirrors of the run image; nil: none
	BuildImage reference.Reference // in a registry; zero: the build image is not extended
	Kaniko     string              // <kaniko-dir>, where images to extend are saved; empty: none

	// Group, Generated (the directory) and Resolution are from the detector. Policy is this phase's own.
	Group      platform.Group
	Generated  string
	Resolution *platform.Resolution // nil: run image SBOMs are disabled, or another lifecycle's detector
	Policy     platform.Policy
	Built      time.Time                // build time, if the detector did not record it
	Reader     *base.Reader             // nil: run image SBOMs are disabled
	Searched   *platform.RunImageReport // run-image.toml, what the analyzer found; nil: none

	Log *slog.Logger // nil: silent
}

// Bases is the result of a BaseRestorer.
type Bases struct {
	Analyzed   *platform.Analyzed
	Resolution *platform.Resolution // nil: none
	RunImage   *base.Image          // if it was read; nil: nothing new is known
}

// Run completes the base images. Verdicts can only turn the extension of the run image off, and never undo a
// switch. Errors have code 42.
func (r *BaseRestorer) Run(ctx context.Context) (*Bases, error) {
	x := &bases{BaseRestorer: r, log: logger(r.Log), out: Bases{Analyzed: &platform.Analyzed{}, Resolution: r.Resolution}}
	if r.Analyzed != nil {
		*x.out.Analyzed = *r.Analyzed
	}
	defer x.close()
	if err := x.complete(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fail.As(fail.Restore, "completing the base images", err)
	}
	return &x.out, nil
}

// bases is one run of a BaseRestorer.
type bases struct {
	*BaseRestorer
	log *slog.Logger
	out Bases

	run *image.Image // the run image in the platform's storage; nil: not needed yet
}

func (x *bases) complete(ctx context.Context) error {
	if x.out.Analyzed.RunImage != nil {
		run := *x.out.Analyzed.RunImage
		x.out.Analyzed.RunImage = &run
		if err := x.judge(ctx); err != nil {
			return err
		}
		if err := x.pinRunImage(ctx); err != nil {
			return err
		}
	}
	return x.saveBuildImage(ctx)
}

// judge re-evaluates pending verdicts with registry access (docs/design.md, "Resolution").
func (x *bases) judge(ctx context.Context) error {
	if x.Resolution == nil || x.Reader == nil {
		return nil
	}
	policy := x.Policy.Stricter(x.Resolution.Policy)
	judged := base.FromRecord(x.Resolution)
	if policy.RunSBOM == platform.Off || !judged.Open() {
		return nil
	}
	final, err := x.read(ctx, judged, policy)
	broken := judged.Switched && judged.Promised()
	if err != nil && ctx.Err() == nil && !broken && policy.RunSBOM != platform.Attached {
		x.log.Warn(fmt.Sprintf("cannot read the packages of the run image %s, so no further Dockerfile is skipped: %v", x.out.Analyzed.RunImage.Name(), err))
		return nil
	}
	if err != nil {
		return err
	}
	left, err := x.dockerfiles()
	if err != nil {
		return err
	}
	now, err := judged.Continue(ctx, left, final, policy)
	if err != nil {
		return err
	}
	return x.skipDockerfiles(judged, now)
}

// read reads the run image. It does not repeat a search of the analyzer that found nothing.
func (x *bases) read(ctx context.Context, judged *base.Judgement, policy platform.Policy) (base.Image, error) {
	img, err := x.runImage(ctx)
	if err != nil {
		return base.Image{}, err
	}
	reader := *x.Reader
	reader.Policy, reader.Mapping = policy.RunSBOM, judged.Mapping
	found := base.Image{Reference: reference.Parse(x.out.Analyzed.RunImage.Name())}
	switch s := x.Searched; {
	case judged.Switched:
		reader = *reader.Other()
	case s != nil && s.SBOM == nil && s.Digest == img.Digest.String() && x.counts(s.Declaration):
		found.Report = s
	}
	if found, err = reader.Complete(ctx, img, found); err != nil {
		return base.Image{}, err
	}
	x.out.RunImage = &found
	return found, nil
}

// counts reports whether a declaration found by the analyzer, if any, also counts here: the analyzer may not have
// known the keys of the builder's policy.
func (x *bases) counts(d *platform.Declared) bool {
	return d == nil || x.Reader.Finder.Trust.Check(d.Signature) == nil
}

// dockerfiles returns the Dockerfiles of the run image that are not skipped yet.
func (x *bases) dockerfiles() ([]*extensions.Dockerfile, error) {
	all, err := base.ReadGenerated(x.Generated, x.Group.ExtensionModules(), false)
	if err != nil {
		return nil, fmt.Errorf("reading the generated Dockerfiles: %w", err)
	}
	return slices.DeleteFunc(all, func(d *extensions.Dockerfile) bool { return d.Image != extensions.Run }), nil
}

// skipDockerfiles skips Dockerfiles that need not be applied. It can only turn the extension of the run image off.
func (x *bases) skipDockerfiles(before, now *base.Judgement) error {
	run := x.out.Analyzed.RunImage
	run.Extend = run.Extend && now.ExtendRun
	now.ExtendRun = run.Extend
	var again []extensions.Verdict
	for i, v := range now.Verdicts {
		if v.Dockerfile != before.Verdicts[i].Dockerfile {
			again = append(again, v)
			x.log.Info(fmt.Sprintf("  %s: %s", v.Dockerfile.Extension.ID, describeVerdict(v)))
		}
	}
	if _, err := Prune(filepath.Dir(x.Generated), again); err != nil {
		return err
	}
	record := now.Record()
	x.out.Resolution = &record
	if run.Extend {
		return nil // the extender rechecks the extended image
	}
	return before.Recheck(now.Final)
}

func (x *bases) close() {
	if x.run != nil {
		if err := x.run.Close(); err != nil {
			x.log.Warn(err.Error())
		}
	}
}

// runImage opens the run image once: the analyzed one, or the one that an extension switched to, or one of its
// mirrors.
func (x *bases) runImage(ctx context.Context) (*image.Image, error) {
	if x.run != nil {
		return x.run, nil
	}
	run := cmp.Or(x.out.Analyzed.RunImage.Reference, x.out.Analyzed.RunImage.Image)
	if run == "" {
		return nil, errors.New("opening the run image: analyzed.toml has no run image: run the analyzer first")
	}
	names, known := x.RunFile.Names(reference.Parse(run))
	recorded := reference.Recorded(run)
	if recorded.Digest != "" || !known {
		names = platform.RunImageNames{Image: run}
	}
	var reasons []error
	_, err := names.Choose(recorded.Host(), func(candidate reference.Reference) bool {
		img, err := x.open(ctx, candidate)
		x.run, reasons = img, append(reasons, err)
		return err == nil
	})
	if err != nil {
		return nil, errors.Join(reasons...)
	}
	return x.run, nil
}

// open opens a run image, or if the daemon does not have it, the one in its registry: the platform pulls what
// analyzed.toml refers to. The error reports both.
func (x *bases) open(ctx context.Context, name reference.Reference) (*image.Image, error) {
	at := x.Locator.Locate(name)
	img, err := x.Images.Open(ctx, at)
	if !errors.Is(err, image.ErrNotFound) || at.Kind != reference.Daemon || reference.Recorded(name.String()).Kind == reference.Daemon {
		return img, err
	}
	img, registryErr := x.Images.Open(ctx, name)
	if registryErr != nil {
		return nil, errors.Join(err, registryErr)
	}
	return img, nil
}

// pinRunImage pins the run image to a digest, completes its target, and saves it if it is to be extended.
// An image missing in the daemon that is not to be extended is left to the exporter.
func (x *bases) pinRunImage(ctx context.Context) error {
	run := x.out.Analyzed.RunImage
	if !api.RunImageExtension.In(x.API) {
		return nil // not specified before
	}
	if reference.Recorded(run.Reference).Digest == "" || run.Target == nil {
		img, err := x.runImage(ctx)
		if errors.Is(err, image.ErrNotFound) && x.Locator.Locate(reference.Parse(run.Name())).Kind == reference.Daemon && !run.Extend {
			x.log.Warn(fmt.Sprintf("the run image is missing and has to be pulled before the app image is exported: %v", err))
			return nil
		}
		if err != nil {
			return err
		}
		run.Reference = img.Reference().Record()
		if run.Target == nil {
			if run.Target, err = TargetOf(ctx, img); err != nil {
				return err
			}
		}
	}
	if !run.Extend || x.Kaniko == "" {
		return nil
	}
	return x.saveRunImage(ctx)
}

// saveRunImage saves the run image for the extender. A daemon's image is read from its registry, since platforms
// pull the recorded reference to run the extender on it.
func (x *bases) saveRunImage(ctx context.Context) error {
	run := x.out.Analyzed.RunImage
	recorded := reference.Recorded(run.Reference)
	if recorded.Kind != reference.Daemon && recorded.Digest != "" && isSaved(ctx, x.baseDir(recorded), recorded.Digest) {
		return nil
	}
	img, err := x.runImage(ctx)
	if err != nil {
		return err
	}
	if img.Image == nil {
		from, err := x.fromRegistry(ctx, img)
		if err != nil {
			return fmt.Errorf("finding the run image to extend in a registry: %w", err)
		}
		defer from.Close()
		img = from
	}
	if recorded.Kind == reference.Daemon || recorded.Digest != img.Digest.String() {
		recorded = img.Reference() // not the digest of an index: the extender needs the image's own
		run.Reference = recorded.Record()
	}
	x.log.Info(fmt.Sprintf("Saving the run image %s for its extension", run.Name()))
	return saveBase(ctx, img.Image, x.baseDir(recorded), true)
}

// fromRegistry opens a daemon's image in the registry it was pulled from, or else by its name.
func (x *bases) fromRegistry(ctx context.Context, img *image.Image) (*image.Image, error) {
	from, err := x.Images.Origin(ctx, img)
	if err == nil {
		return from, nil
	}
	named := x.out.Analyzed.RunImage.Image
	if named == "" {
		return nil, err
	}
	from, nameErr := x.Images.Open(ctx, reference.Parse(named))
	if nameErr != nil {
		return nil, errors.Join(err, nameErr)
	}
	return from, nil
}

// saveBuildImage records the build image, and saves its metadata: the extender runs in it.
func (x *bases) saveBuildImage(ctx context.Context) error {
	if x.BuildImage.IsZero() || !api.Extensions.In(x.API) {
		return nil
	}
	img, err := x.Images.Open(ctx, x.BuildImage)
	if err != nil {
		return err
	}
	defer img.Close()
	record := platform.ImageReference{}
	if x.out.Analyzed.BuildImage != nil {
		record = *x.out.Analyzed.BuildImage
	}
	record.Reference = img.Reference().Record()
	x.out.Analyzed.BuildImage = &record
	if x.Kaniko == "" {
		return errors.New("saving the build image to extend: no directory given (-kaniko-dir)")
	}
	return saveBase(ctx, img.Image, x.baseDir(img.Reference()), false)
}

// baseDir returns where a base image is saved (docs/compatibility.md).
func (x *bases) baseDir(of reference.Reference) string {
	return filepath.Join(x.Kaniko, "cache", "base", of.Digest)
}
