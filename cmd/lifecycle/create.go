package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

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
	if err := errors.Join(c.guard(), c.share()); err != nil {
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
	made, err := c.detection(ctx, found.Analyzed, found.RunImage, c.liaison(opener, found, runFile))
	if err != nil {
		return err
	}
	if err := c.writeDetection(made); err != nil {
		return fail.As(fail.DetectOther, "", err)
	}

	left := made.Judged.ExtendRun || made.Judged.ExtendBuild
	if made.Judged.Switched && !made.Judged.ExtendRun {
		if err := lifecycle.Broken(made.Resolution, made.Final); err != nil {
			return fail.As(fail.DetectOther, "", err)
		}
	}
	if left {
		if err := c.mayExtend(made); err != nil {
			return fail.As(fail.DetectOther, "", err)
		}
	}

	c.log.Info("===> RESTORING")
	kept, err := c.cache(opener, ctx)
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	if made.Analyzed, err = c.resolveRunImage(ctx, opener, made.Analyzed, runFile); err != nil {
		return errors.Join(err, closeCache(kept))
	}
	if err := c.restoreWith(ctx, made.Analyzed, made.Group, kept); err != nil {
		return err
	}
	if err := c.share(); err != nil {
		return fail.As(fail.Restore, "", err)
	}

	host := c.host(target(made.Analyzed))
	var extended *image.Image
	if left {
		c.log.Info("===> EXTENDING")
		spool, err := os.MkdirTemp("", "baseplan-extended-*")
		if err != nil {
			return fail.As(fail.Extend, "", err)
		}
		defer os.RemoveAll(spool)
		if extended, host, err = c.extendHere(ctx, opener, made, host, spool); err != nil {
			return fail.As(fail.Extend, "", err)
		}
		if err := own(spool, c.UID, c.GID); err != nil {
			return fail.As(fail.Extend, "", err)
		}
	}
	if err := c.drop(opener); err != nil {
		return fail.As(fail.Build, "", err)
	}

	c.log.Info("===> BUILDING")
	metadata, err := c.buildWith(ctx, made.Group, made.Plan, host)
	if err != nil {
		return err
	}

	c.log.Info("===> EXPORTING")
	return fail.As(fail.Export, "", c.exportWith(ctx, opener, &exporting{
		analyzed: made.Analyzed, group: made.Group, metadata: metadata, extended: extended, resolution: made.Resolution,
	}))
}

// resolveRunImage makes the reference of a run image that was switched to one for good, and
// completes its target.
func (c *command) resolveRunImage(ctx context.Context, opener *image.Opener, analyzed *platform.Analyzed, runFile *platform.RunFile) (*platform.Analyzed, error) {
	b := lifecycle.BaseRestorer{API: c.api, Images: opener, Ref: c.Ref, Analyzed: analyzed, RunFile: runFile, Log: c.log}
	bases, err := b.Run(ctx)
	if err != nil {
		return nil, err
	}
	return bases.Analyzed, fail.As(fail.Restore, "", write(c.Analyzed, bases.Analyzed))
}

// guard keeps buildpacks and extensions away from what this process may do and knows.
func (c *command) guard() error {
	if os.Geteuid() != 0 {
		c.sharesUser = true
		return hide()
	}
	return adopt()
}

// share gives the build image's user what buildpacks and caches need.
func (c *command) share() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, dir := range []string{c.Layers, c.CacheDir, c.LaunchCache, c.layoutTarget()} {
		if err := c.give(dir); err != nil {
			return err
		}
	}
	return nil
}

// liaison lets detection generate inventories and look at images that are switched to.
func (c *command) liaison(opener *image.Opener, found *lifecycle.Analysis, runFile *platform.RunFile) *liaison {
	var alternatives func(context.Context) ([]lifecycle.BaseImage, error)
	l := &liaison{prepare: func(d *lifecycle.Detector, g *lifecycle.Generator) {
		if os.Geteuid() == 0 { // bin/detect and bin/generate never run as root
			user := &buildpack.User{UID: c.UID, GID: c.GID}
			d.Host.User, g.Host.User = user, user
			g.Settle = func() error { return settle(c.UID) }
		}
		d.Experimental = "silent" // the creator never guarded extensions by it (COMPAT)
		g.Alternatives = alternatives
	}}
	policy := c.policy()
	inspector, err := c.inspector(opener, policy)
	if err != nil || inspector == nil {
		return l
	}
	if policy.RunSBOM != platform.Attached {
		l.inventory = func(ctx context.Context) (lifecycle.BaseImage, error) {
			base, err := c.inspected(ctx, opener, inspector, found.Analyzed.RunImage.Reference, found.Inventory)
			base.Reference = found.Analyzed.RunImage.Name()
			return base, err
		}
	}
	l.lookup = func(ctx context.Context, ref string) (lifecycle.BaseImage, error) {
		return c.inspected(ctx, opener, inspector, ref, nil)
	}
	alternatives = func(ctx context.Context) ([]lifecycle.BaseImage, error) {
		return c.otherRunImages(ctx, opener, inspector, found.Analyzed.RunImage, runFile)
	}
	return l
}

// otherRunImages are the images of run.toml but for the run image, as far as they can be read
// and are for the same target.
func (c *command) otherRunImages(ctx context.Context, opener *image.Opener, inspector *lifecycle.Inspector, run *platform.RunImage, runFile *platform.RunFile) ([]lifecycle.BaseImage, error) {
	var all []lifecycle.BaseImage
	var errs []error
	for _, names := range runFile.Images {
		if names.Image == "" || names.Has(run.Name()) || slices.ContainsFunc(all, func(b lifecycle.BaseImage) bool { return names.Has(b.Reference) }) {
			continue
		}
		image, same, err := c.sameTarget(ctx, opener, names.Image, run.Target)
		if err == nil && same {
			var base lifecycle.BaseImage
			if base, err = c.inspectedImage(ctx, image, names.Image, inspector, nil); err == nil {
				all = append(all, base)
			}
		}
		if image != nil {
			err = errors.Join(err, image.Close())
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// sameTarget opens an image and reports whether it is for a target.
func (c *command) sameTarget(ctx context.Context, opener *image.Opener, ref string, want *platform.Target) (*image.Image, bool, error) {
	img, err := opener.Open(ctx, c.Ref(ref))
	if err != nil {
		return nil, false, err
	}
	have, err := lifecycle.TargetOf(ctx, img)
	if err != nil || want == nil {
		return img, false, err
	}
	a, b := *have, *want
	a.ID, b.ID = "", ""
	return img, reflect.DeepEqual(a, b), nil
}

// inspected opens an image and learns what it holds: what is attached, else what is in it.
// With an inventory the search was made already.
func (c *command) inspected(ctx context.Context, opener *image.Opener, inspector *lifecycle.Inspector, ref string, searched *lifecycle.Inventory) (lifecycle.BaseImage, error) {
	img, err := opener.Open(ctx, c.Ref(ref))
	if err != nil {
		return lifecycle.BaseImage{}, err
	}
	defer img.Close()
	return c.inspectedImage(ctx, img, ref, inspector, searched)
}

func (c *command) inspectedImage(ctx context.Context, img *image.Image, ref string, inspector *lifecycle.Inspector, searched *lifecycle.Inventory) (lifecycle.BaseImage, error) {
	inventory, err := searched, error(nil)
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
