package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// create runs all phases in this process (platform.md, "creator"; DESIGN section 5).
func (c *command) create(ctx context.Context) error {
	if err := c.readSettings(); err != nil {
		return fail.As(fail.InvalidArgs, "", err)
	}
	runFile, err := c.runFile()
	if err != nil {
		return fail.As(fail.Analyze, "", err)
	}
	opener, err := c.images(namesOf(runFile)...)
	if err != nil {
		return fail.As(fail.Analyze, "", err)
	}
	if os.Geteuid() == 0 && (c.UID <= 0 || c.GID < 0) {
		return fail.As(fail.InvalidArgs, "", errors.New("buildpacks do not run as root: name the build image's user (CNB_USER_ID and CNB_GROUP_ID, or -uid and -gid)"))
	}
	if err := c.share(); err != nil {
		return fail.As(fail.Analyze, "", err)
	}

	c.log.Info("===> ANALYZING")
	found, err := c.analysis(ctx, opener, runFile)
	if err != nil {
		return err
	}
	if err := errors.Join(write(c.Analyzed, found.Analyzed), c.writeInventory(found.Inventory)); err != nil {
		return fail.As(fail.Analyze, "", err)
	}

	c.log.Info("===> DETECTING")
	made, err := c.detection(ctx, found.Analyzed, found.RunImage, c.liaison(opener, found))
	if err != nil {
		return err
	}
	if err := c.writeDetection(made); err != nil {
		return fail.As(fail.DetectOther, "", err)
	}

	c.log.Info("===> RESTORING")
	kept, err := c.cache(opener, ctx)
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	if err := c.restoreWith(ctx, opener, made.Analyzed, made.Group, kept); err != nil {
		return err
	}
	if err := c.share(); err != nil {
		return fail.As(fail.Restore, "", err)
	}
	if err := c.drop(opener); err != nil {
		return fail.As(fail.Build, "", err)
	}

	c.log.Info("===> BUILDING")
	metadata, err := c.buildWith(ctx, made.Group, made.Plan, c.host(target(made.Analyzed)))
	if err != nil {
		return err
	}

	c.log.Info("===> EXPORTING")
	return fail.As(fail.Export, "", c.exportWith(ctx, opener, &exporting{
		analyzed: made.Analyzed, group: made.Group, metadata: metadata, resolution: made.Resolution,
	}))
}

// share gives the build image's user what buildpacks and caches need.
func (c *command) share() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, dir := range []string{c.Layers, c.CacheDir, c.LaunchCache, c.layoutTarget()} {
		if err := own(dir, c.UID, c.GID); err != nil {
			return err
		}
	}
	return nil
}

// liaison lets detection generate inventories and look at images that are switched to.
func (c *command) liaison(opener *image.Opener, found *lifecycle.Analysis) *liaison {
	l := &liaison{prepare: func(d *lifecycle.Detector, g *lifecycle.Generator) {
		if os.Geteuid() == 0 { // bin/detect and bin/generate never run as root
			user := &buildpack.User{UID: c.UID, GID: c.GID}
			d.Host.User, g.Host.User = user, user
		}
		d.Experimental = "silent" // the creator never guarded extensions by it (COMPAT)
	}}
	policy := c.policy()
	inspector, err := c.inspector(opener, policy)
	if err != nil || inspector == nil {
		return l
	}
	if policy.RunSBOM != platform.Attached {
		l.inventory = func(ctx context.Context) (lifecycle.BaseImage, error) {
			return c.inspected(ctx, opener, inspector, found.Analyzed.RunImage.Reference, found.Inventory)
		}
	}
	l.lookup = func(ctx context.Context, ref string) (lifecycle.BaseImage, error) {
		return c.inspected(ctx, opener, inspector, ref, nil)
	}
	return l
}

// inspected opens an image and learns what it holds: what is attached, else what is in it.
// With an inventory the search was made already.
func (c *command) inspected(ctx context.Context, opener *image.Opener, inspector *lifecycle.Inspector, ref string, searched *lifecycle.Inventory) (lifecycle.BaseImage, error) {
	img, err := opener.Open(ctx, c.Ref(ref))
	if err != nil {
		return lifecycle.BaseImage{}, err
	}
	defer img.Close()
	inventory := searched
	if inventory == nil {
		if inventory, err = inspector.Attached(ctx, img, true); err != nil {
			return lifecycle.BaseImage{}, err
		}
	}
	if inventory.Document == nil && inspector.Policy != platform.Attached {
		c.log.Info(fmt.Sprintf("Reading the packages of %s, since no SBOM is attached", filepath.Base(ref)))
		if inventory, err = inspector.Generate(ctx, img, inventory); err != nil {
			return lifecycle.BaseImage{}, err
		}
	}
	base := inspector.Base(img, inventory)
	base.Reference = ref
	return base, nil
}
