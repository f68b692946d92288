package main

import (
	"context"
	"errors"
	"os"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// create runs all phases in this process (platform.md, "creator"; docs/design.md, "Sandbox").
func (c *command) create(ctx context.Context) error {
	x := creation{command: c}
	if err := x.prepare(); err != nil {
		return err
	}
	defer x.close()
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"ANALYZING", x.analyzing}, {"DETECTING", x.detecting}, {"RESTORING", x.restoring},
		{"EXTENDING", x.extending}, {"BUILDING", x.building}, {"EXPORTING", x.exporting},
	} {
		if phase.name == "EXTENDING" && !x.extends() {
			continue
		}
		c.log.Info("===> " + phase.name)
		if err := phase.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A creation is the state that the phases of the creator pass on in memory.
type creation struct {
	*command
	runFile  *platform.RunFile
	opener   *image.Opener
	found    *lifecycle.Analysis
	made     *lifecycle.Generation
	host     buildpack.Host // for bin/build; replaced if the build image is extended
	extended *image.Image   // the run image, if it was extended
	spool    string         // temporary directory of the extended run image, until it is exported
	metadata *platform.BuildMetadata
}

// extends reports whether Dockerfiles remain to be applied.
func (x *creation) extends() bool { return x.made.Judged.ExtendRun || x.made.Judged.ExtendBuild }

func (x *creation) close() {
	if x.spool != "" {
		os.RemoveAll(x.spool)
	}
}

// prepare reads the inputs and isolates this process from its children.
func (x *creation) prepare() (err error) {
	if err := x.readSettings(); err != nil {
		return fail.As(fail.InvalidArgs, "", err)
	}
	if x.runFile, err = x.command.runFile(); err != nil {
		return fail.As(fail.Analyze, "", err)
	}
	if x.opener, err = x.images(namesOf(x.runFile)...); err != nil {
		return fail.As(fail.Analyze, "", err)
	}
	if os.Geteuid() == 0 && (x.UID <= 0 || x.GID < 0) {
		return fail.As(fail.InvalidArgs, "", errors.New("buildpacks must not run as root; set the build image's user with CNB_USER_ID and CNB_GROUP_ID, or -uid and -gid"))
	}
	return fail.As(fail.Analyze, "", errors.Join(x.guard(), x.share()))
}

func (x *creation) analyzing(ctx context.Context) (err error) {
	if x.found, err = x.analysis(ctx, x.opener, x.runFile); err != nil {
		return err
	}
	return fail.As(fail.Analyze, "", errors.Join(x.write(x.Analyzed, x.found.Analyzed), x.writeInventory(x.found.RunImage)))
}

// detecting runs the detector. It returns an error before any buildpack builds if a promise of
// the replaced run image is broken or Dockerfiles cannot be applied here.
func (x *creation) detecting(ctx context.Context) (err error) {
	if x.made, err = x.detection(ctx, x.found.Analyzed, x.found.RunImage, x.connected); err != nil {
		return err
	}
	err = x.writeDetection(x.made)
	if err == nil {
		err = x.made.Judged.RecheckSwitch()
	}
	if err == nil && x.extends() {
		err = x.mayExtend(x.made)
	}
	return fail.As(fail.DetectOther, "", err)
}

// restoring runs the restorer. As root, it first ends processes that bin/detect left behind,
// which could interfere with its writes.
func (x *creation) restoring(ctx context.Context) error {
	if os.Geteuid() == 0 {
		if err := killLeftovers(x.UID); err != nil {
			return fail.As(fail.Restore, "", err)
		}
	}
	kept, err := x.cache(x.opener, ctx)
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	if x.made.Analyzed, err = x.resolveRunImage(ctx, x.opener, x.made.Analyzed, x.runFile); err != nil {
		return errors.Join(err, closeCache(kept))
	}
	if err := x.restoreWith(ctx, x.made.Analyzed, x.made.Group, kept); err != nil {
		return err
	}
	x.host = x.command.host(target(x.made.Analyzed))
	return fail.As(fail.Restore, "", x.share())
}

func (x *creation) extending(ctx context.Context) (err error) {
	if x.spool, err = os.MkdirTemp("", "baseplan-extended-*"); err != nil {
		return fail.As(fail.Extend, "", err)
	}
	if x.extended, x.host, err = x.extendHere(ctx, x.opener, x.made, x.host, x.spool); err != nil {
		return fail.As(fail.Extend, "", err)
	}
	return fail.As(fail.Extend, "", chownTree(x.spool, x.UID, x.GID))
}

// building drops root privileges and runs the builder.
func (x *creation) building(ctx context.Context) (err error) {
	if err := x.drop(x.opener); err != nil {
		return fail.As(fail.Build, "", err)
	}
	x.metadata, err = x.buildWith(ctx, x.made.Group, x.made.Plan, x.host)
	return err
}

func (x *creation) exporting(ctx context.Context) error {
	return fail.As(fail.Export, "", x.exportWith(ctx, x.opener, &exporting{
		analyzed: x.made.Analyzed, group: x.made.Group, metadata: x.metadata, extended: x.extended, resolution: x.made.Resolution,
	}))
}

// resolveRunImage pins the reference of a run image after a switch and completes its target.
func (c *command) resolveRunImage(ctx context.Context, opener *image.Opener, analyzed *platform.Analyzed, runFile *platform.RunFile) (*platform.Analyzed, error) {
	b := lifecycle.BaseRestorer{API: c.api, Images: opener, Locator: c.Locate, Analyzed: analyzed, RunFile: runFile, Log: c.log}
	bases, err := b.Run(ctx)
	if err != nil {
		return nil, err
	}
	return bases.Analyzed, fail.As(fail.Restore, "", c.write(c.Analyzed, bases.Analyzed))
}

// guard isolates buildpacks and extensions from this process's privileges and secrets.
func (c *command) guard() error {
	if os.Geteuid() != 0 {
		c.sharesUser = true
		return denyInspection()
	}
	return becomeSubreaper()
}

// share gives the directories that buildpacks and caches need to the build image's user.
func (c *command) share() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, dir := range append(c.layoutTargets(), c.Layers, c.CacheDir, c.LaunchCache) {
		if err := c.chown(dir); err != nil {
			return err
		}
	}
	return c.chownUnreadable()
}

// connected prepares detection in the creator, which can read images and may run as root.
func (x *creation) connected(d *lifecycle.Detector, g *lifecycle.Generator) error {
	if os.Geteuid() == 0 { // bin/detect and bin/generate never run as root
		user := &buildpack.User{UID: x.UID, GID: x.GID}
		d.Host.User, g.Host.User = user, user
		g.Settle = func() error { return killLeftovers(x.UID) }
	}
	d.Experimental = "silent" // the creator does not guard extensions by it (docs/compatibility.md, "Platforms")
	reader, err := x.reader(x.opener, x.policy())
	if err == nil && reader != nil {
		c := lifecycle.Connection{Reader: reader, RunImage: x.found.Analyzed.RunImage, Found: x.found.RunImage, RunFile: x.runFile}
		c.Connect(d, g)
	}
	return err
}
