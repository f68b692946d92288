package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// create runs all phases in this process (platform.md, "creator"; docs/design.md, "Sandbox").
func (c *command) create(ctx context.Context) error {
	x := creation{command: c, late: map[platform.Phase]error{}}
	defer x.close()
	creator, err := x.prepare()
	if err != nil {
		return err
	}
	_, err = creator.Run(ctx)
	return err
}

// A creation is one run of the creator.
type creation struct {
	*command
	opener  *image.Opener
	kept    cache.Cache              // nil: none
	sandbox *apply.Sandbox           // to extend the run image in; nil: an isolated root
	spool   string                   // temporary directory of the extended run image, until it is exported
	late    map[platform.Phase]error // why an input cannot be read, by the phase that reports it
}

func (x *creation) close() {
	if x.kept != nil {
		_ = x.kept.Close() // it says so itself
	}
	if x.spool != "" {
		os.RemoveAll(x.spool)
	}
}

// prepare reads the inputs and isolates this process from its children.
func (x *creation) prepare() (*lifecycle.Creator, error) {
	if err := x.readSettings(); err != nil {
		return nil, fail.As(fail.InvalidArgs, "", err)
	}
	runFile, err := x.runFile()
	if err != nil {
		return nil, fail.As(fail.Analyze, "", err)
	}
	x.opener = x.images(append(namesOf(runFile), reference.Parse(x.policy().Catalog))...)
	if os.Geteuid() == 0 && (x.UID <= 0 || x.GID < 0) {
		return nil, fail.As(fail.InvalidArgs, "", errors.New("buildpacks must not run as root; set the build image's user with CNB_USER_ID and CNB_GROUP_ID, or -uid and -gid"))
	}
	if err := errors.Join(x.guard(), x.share()); err != nil {
		return nil, fail.As(fail.Analyze, "", err)
	}
	host := x.host(nil)
	c := &lifecycle.Creator{Builder: x.builder(host), Provides: x.writeProvides, Begin: x.begin, End: x.end}
	c.Analyzer, x.late[platform.Analyze] = x.analyzer(x.opener, runFile)
	c.Detector, c.Generator, x.late[platform.Detect] = x.detector()
	x.kept, x.late[platform.Restore] = x.cache(x.opener)
	c.Restorer = x.restorer(x.kept)
	c.Exporter, x.late[platform.Export] = x.exporter(x.opener)
	c.Exporter.Cache = x.kept
	c.Detector.Experimental = "silent" // the creator does not guard extensions by it (docs/compatibility.md, "Platforms")
	c.MayExtend, c.Extend = x.mayExtend, x.extend
	if os.Geteuid() == 0 { // bin/detect and bin/generate never run as root
		host.User = &buildpack.User{UID: x.UID, GID: x.GID}
		c.Generator.Settle = func() error { return killLeftovers(x.UID) }
	}
	c.Detector.Host, c.Generator.Host = host, host
	return c, nil
}

// headings are the phases in the output.
var headings = map[platform.Phase]string{
	platform.Analyze: "ANALYZING", platform.Detect: "DETECTING", platform.Restore: "RESTORING",
	platform.Extend: "EXTENDING", platform.Build: "BUILDING", platform.Export: "EXPORTING",
}

func (x *creation) begin(phase platform.Phase) error {
	x.log.Info("===> " + headings[phase])
	x.meter.begin(phase)
	if err := x.late[phase]; err != nil || phase != platform.Build {
		return err
	}
	return x.drop(x.opener)
}

// end writes the files of a phase.
func (x *creation) end(phase platform.Phase, made *lifecycle.Creation) error {
	switch phase {
	case platform.Analyze:
		return x.writeAnalysis(made.Analysis)
	case platform.Detect:
		return x.writeDetection(made.Generation)
	case platform.Restore:
		return errors.Join(x.write(x.Analyzed, made.Generation.Analyzed), x.share())
	case platform.Build:
		return x.writeMetadata(made.Build)
	case platform.Export:
		return x.write(x.Report, made.Report)
	}
	return nil
}

// mayExtend decides how the remaining Dockerfiles are applied in this container. The error says why they cannot be.
func (x *creation) mayExtend(ctx context.Context, made *lifecycle.Generation) (err error) {
	switch {
	case made.Judged.ExtendBuild && os.Geteuid() != 0:
		return fmt.Errorf("the creator runs as user %d, and extending the build image requires root", os.Geteuid())
	case made.Judged.ExtendBuild && x.noNetwork():
		return errNetwork
	case made.Judged.ExtendRun:
		x.sandbox, err = x.runSandbox(ctx, apply.CanIsolate(ctx, x.noNetwork()))
	}
	return err
}

// extend applies the remaining Dockerfiles in this container.
func (x *creation) extend(ctx context.Context, made *lifecycle.Generation, host buildpack.Host) (out *lifecycle.Extension, err error) {
	dir := ""
	if x.sandbox != nil { // of /tmp, such containers often have little
		dir = x.Layers
	}
	if x.spool, err = os.MkdirTemp(dir, ".extending-*"); err != nil {
		return nil, err
	}
	s := lifecycle.SelfExtender{
		Extender: x.extender(), Images: x.opener, Locator: x.Locate, Scan: scanImage,
		User: fmt.Sprintf("%d:%d", x.UID, x.GID), Exclude: x.notInImage(), Spool: x.spool,
	}
	s.Extender.Sandbox = x.sandbox
	if out, err = s.Extend(ctx, made, host); err != nil || os.Geteuid() != 0 {
		return out, err
	}
	return out, chownTree(x.spool, x.UID, x.GID)
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
