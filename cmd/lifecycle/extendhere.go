package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// mayExtend returns why the creator cannot apply Dockerfiles itself, or nil.
func (c *command) mayExtend(made *lifecycle.Generation) error {
	switch {
	case c.policy().ExtendInCreator == "never":
		return made.Judged.Unapplied("CNB_EXTEND_IN_CREATOR is never")
	case os.Geteuid() != 0:
		return made.Judged.Unapplied(fmt.Sprintf("the creator runs as user %d, and extending requires root", os.Geteuid()))
	}
	return nil
}

// extendHere applies the remaining Dockerfiles in this container: to the build image in place,
// to the run image in an isolated root (docs/design.md, "Sandbox"). It returns the extended
// run image, or nil if it was not extended, and the environment for buildpacks.
func (c *command) extendHere(ctx context.Context, opener *image.Opener, made *lifecycle.Generation, host buildpack.Host, spool string) (*image.Image, buildpack.Host, error) {
	if made.Judged.ExtendBuild {
		e := c.extender(made.Group, extensions.Build, reference.Parse("build-image"), &image.Image{Config: c.ownConfig()})
		e.Digest, e.Cache = "", "" // the base image of this container is unknown
		e.Spool = filepath.Join(spool, "build")
		var err error
		if host, err = c.applyInPlace(ctx, e, host); err != nil {
			return nil, host, err
		}
	}
	if !made.Judged.ExtendRun {
		return nil, host, nil
	}
	extended, err := c.extendIsolated(ctx, opener, made, spool)
	return extended, host, err
}

// ownConfig returns the parts of the build image's configuration that this container has. Its
// environment cannot be distinguished from variables that the platform added, so credentials
// and the like are omitted.
func (c *command) ownConfig() *v1.ConfigFile {
	return &v1.ConfigFile{OS: "linux", Config: v1.Config{User: fmt.Sprintf("%d:%d", c.UID, c.GID), Env: apply.Inherited(os.Environ())}}
}

// extendIsolated unpacks the run image into a separate directory and extends it there.
func (c *command) extendIsolated(ctx context.Context, opener *image.Opener, made *lifecycle.Generation, spool string) (*image.Image, error) {
	recorded := reference.Parse(made.Analyzed.RunImage.Reference)
	run, err := opener.Open(ctx, c.Locate(recorded))
	if err != nil {
		return nil, err
	}
	defer run.Close()
	whole, err := opener.Whole(ctx, run, spool)
	if err != nil {
		return nil, err
	}
	name := reference.Parse(made.Analyzed.RunImage.Name())
	e := c.extender(made.Group, extensions.Run, name, whole)
	e.Digest, e.Spool = run.Digest.String(), filepath.Join(spool, "run")
	e.Root = apply.Root{Dir: filepath.Join(spool, "root")}
	defer os.RemoveAll(e.Root.Dir)
	if e.Root.Layers, err = contents(whole.Image); err != nil {
		return nil, err
	}
	if err := ensureDir(e.Spool); err != nil {
		return nil, err
	}
	extended, err := e.Run(ctx)
	if err != nil {
		return nil, err
	}
	img, err := extended.Onto(whole.Image)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	out := &image.Image{Name: reference.Recorded(name.String()), Image: img, Config: config}
	return out, c.recheck(made.Judged, name, func() (*sbom.Document, error) { return scanImage(ctx, out) })
}

// contents returns functions that open the layers of an image, the lowest first.
func contents(img v1.Image) ([]func() (io.ReadCloser, error), error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var all []func() (io.ReadCloser, error)
	for _, l := range layers {
		all = append(all, l.Uncompressed)
	}
	return all, nil
}
