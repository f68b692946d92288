package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// extend runs the extender.
func (c *command) extend(ctx context.Context) error {
	group, err := c.group()
	if err = errors.Join(c.readSettings(), err); err != nil {
		return err
	}
	analyzed, err := c.analyzed()
	if err != nil {
		return err
	}
	if c.Kind == string(extensions.Run) {
		return c.extendRun(ctx, group, analyzed)
	}
	return c.extendBuild(ctx, group, analyzed)
}

// extendRun extends the run image in the image's own container. Without Dockerfiles it does
// nothing.
func (c *command) extendRun(ctx context.Context, group platform.Group, analyzed *platform.Analyzed) error {
	left, err := lifecycle.Left(c.Generated, group, extensions.Run)
	if err != nil {
		return err
	}
	if analyzed.RunImage == nil || !analyzed.RunImage.Extend || len(left) == 0 {
		c.log.Info("No Dockerfiles to apply to the run image")
		return nil
	}
	name := analyzed.RunImage.Reference
	saved, err := c.savedBase(ctx, name)
	if err != nil {
		return err
	}
	defer saved.Close()
	e := c.extenderOf(group, extensions.Run, name, saved)
	if e.Sandbox, err = c.runSandbox(ctx, c.mayExtendInPlace()); err != nil {
		return err
	}
	e.Root = apply.Root{Dir: "/", Exclude: []string{c.Layers, c.App}}
	if e.Sandbox != nil {
		e.Base = saved.Image
	}
	if err := c.makeSpool(e); err != nil {
		return err
	}
	defer os.RemoveAll(e.Spool)
	extended, err := e.Run(ctx)
	if err != nil {
		return err
	}
	img, err := extended.Onto(saved.Image)
	if err != nil {
		return err
	}
	if r := c.resolution(); r != nil {
		read := func() (*sbom.Document, error) { return scan.Dir(ctx, "/") } // this container is now the extended image
		if e.Sandbox != nil {
			read = func() (*sbom.Document, error) { return scan.Image(ctx, img, scan.Options{}) }
		}
		if err := base.FromRecord(r).RecheckExtended(reference.Parse(r.Result.RunImage), read, c.log); err != nil {
			return err
		}
	}
	dir, err := c.extendedDir()
	if err != nil {
		return err
	}
	digest := reference.Recorded(name).Digest
	if err := saveExtended(ctx, filepath.Join(dir, digest), img, extended.Layers); err != nil {
		return err
	}
	return c.recordExtended(digest, img)
}

// mayExtendInPlace reports why the extender cannot extend this container, or nil.
func (c *command) mayExtendInPlace() error {
	switch {
	case os.Geteuid() != 0:
		return fmt.Errorf("the extender runs as user %d, and extending this container requires root", os.Geteuid())
	case c.noNetwork():
		return errNetwork
	}
	return nil
}

// extendBuild extends the build image, in whose container it runs, and then builds as the
// build image's user.
func (c *command) extendBuild(ctx context.Context, group platform.Group, analyzed *platform.Analyzed) error {
	host := c.host(target(analyzed))
	left, err := lifecycle.Left(c.Generated, group, extensions.Build)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		c.log.Info("No Dockerfiles to apply to the build image")
	} else {
		if c.noNetwork() {
			return errNetwork
		}
		if analyzed.BuildImage == nil {
			return fmt.Errorf("%s has no build image; run the restorer with -build-image", c.Analyzed)
		}
		saved, err := c.savedBase(ctx, analyzed.BuildImage.Reference)
		if err != nil {
			return err
		}
		defer saved.Close()
		e := c.extenderOf(group, extensions.Build, analyzed.BuildImage.Reference, saved)
		if host, err = c.applyInPlace(ctx, e, host); err != nil {
			return err
		}
	}
	plan, err := c.plan()
	if err != nil {
		return fail.As(fail.Build, "", err)
	}
	if err := c.drop(nil, c.Layers); err != nil { // the platform may have created it as root for this phase
		return err
	}
	if err := fail.As(fail.Build, "", refuseRoot()); err != nil {
		return err
	}
	return c.buildWith(ctx, group, *plan, host)
}

// applyInPlace extends this container and returns the host with the extended image's
// environment.
func (c *command) applyInPlace(ctx context.Context, e *lifecycle.Extender, host buildpack.Host) (buildpack.Host, error) {
	e.Root = apply.Root{Dir: "/", Exclude: c.notInImage()}
	if err := c.makeSpool(e); err != nil {
		return host, err
	}
	defer os.RemoveAll(e.Spool)
	extended, err := e.Run(ctx)
	if err == nil && extended != nil {
		host.Environ = append(append([]string{}, host.Environ...), extended.Config.Env...)
	}
	return host, err
}

// notInImage returns the directories of this container that are not part of the build image.
func (c *command) notInImage() []string { return []string{c.Layers, c.App, c.Platform, c.Buildpacks} }

// extender returns the extender for either image, without the image.
func (c *command) extender() lifecycle.Extender {
	return lifecycle.Extender{
		Generated: c.Generated, App: c.App, Cache: c.kanikoCache(""), CacheTTL: c.KanikoCacheTTL, Environ: os.Environ(),
		Stdout: c.stdout, Stderr: c.stderr, Log: c.log, NoNetwork: c.noNetwork(),
	}
}

// extenderOf returns the extender for an image that the restorer saved.
func (c *command) extenderOf(group platform.Group, kind extensions.ImageKind, name string, saved *image.Image) *lifecycle.Extender {
	e := c.extender()
	e.Kind, e.Group, e.Image, e.Digest, e.Config = kind, group, reference.Parse(name), reference.Recorded(name).Digest, *saved.Config
	return &e
}

// makeSpool creates a new directory for layers if none is given. The name is random, since
// buildpacks can write to <layers>.
func (c *command) makeSpool(e *lifecycle.Extender) (err error) {
	if e.Spool != "" {
		return ensureDir(e.Spool)
	}
	if err := ensureDir(c.Layers); err != nil {
		return err
	}
	e.Spool, err = os.MkdirTemp(c.Layers, ".extending-"+string(e.Kind)+"-")
	return err
}

// savedBase opens the base image that the restorer saved. It does not trust the directory,
// since this is root and the build image's user can write there.
func (c *command) savedBase(ctx context.Context, name string) (*image.Image, error) {
	digest := reference.Recorded(name).Digest
	dir := filepath.Join(c.KanikoDir, "cache", "base", digest)
	if digest == "" || isEmpty(dir) {
		return nil, fmt.Errorf("the base image %s is not saved in %s; run the restorer first", name, dir)
	}
	base, err := lifecycle.OpenSavedBase(ctx, dir, digest)
	if err != nil {
		return nil, fmt.Errorf("%s is not the base image %s as the restorer saved it; remove it and run the restorer again: %w", dir, name, err)
	}
	return base, nil
}

// isEmpty reports whether a directory is missing or empty.
func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0
}

// saveExtended writes the extended image atomically as an OCI layout with blobs for the new
// layers only. The exporter may run as another user.
func saveExtended(ctx context.Context, dir string, img v1.Image, added []*apply.Layer) error {
	isNew := map[v1.Hash]bool{}
	for _, l := range added {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		isNew[digest] = true
	}
	return image.Layout{Dir: dir, Indent: true, Layers: func(h v1.Hash) bool { return isNew[h] }}.Replace(ctx, img)
}
