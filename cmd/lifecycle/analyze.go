package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// analyze runs the analyzer.
func (c *command) analyze(ctx context.Context) error {
	runFile, err := c.runFile()
	if err = errors.Join(c.readSettings(), err); err != nil {
		return err
	}
	opener := c.images(namesOf(runFile)...)
	if err := c.drop(opener, append(c.layoutTargets(), c.Layers, c.LaunchCache)...); err != nil {
		return err
	}
	a, err := c.analyzer(opener, runFile)
	if err != nil {
		return err
	}
	found, err := a.Run(ctx)
	if err != nil {
		return err
	}
	return c.writeAnalysis(found)
}

func (c *command) writeAnalysis(found *lifecycle.Analysis) error {
	if found.Analyzed.RunImage != nil {
		c.meter.last().Inventory = found.RunImage.Inventory()
	}
	return errors.Join(c.write(c.Analyzed, found.Analyzed), c.writeInventory(found.RunImage))
}

// namesOf returns all names of run images; their registries may be accessed.
func namesOf(r *platform.RunFile) []reference.Reference {
	var names []reference.Reference
	for _, image := range r.Images {
		names = append(names, image.All()...)
	}
	return names
}

func (c *command) analyzer(opener *image.Opener, runFile *platform.RunFile) (lifecycle.Analyzer, error) {
	reader, err := c.reader(opener, c.policy())
	uid, gid := c.user()
	return lifecycle.Analyzer{
		API: c.api, Images: &image.Writer{Opener: opener}, Locator: c.Locate, Names: c.Images,
		Previous: c.PreviousImage, RunImage: c.RunImage, RunFile: runFile, CacheImage: c.CacheImage,
		Layers: c.Layers, UID: uid, GID: gid, SkipSBOM: c.SkipLayers || c.SkipSBOM || c.SkipRestore, LaunchCache: c.launchCache(),
		Reader: reader, Log: c.log,
	}, err
}

// inventoryCache is the subdirectory of a cache directory for generated inventories.
const inventoryCache = "run-image"

// reader returns a reader of base images, or nil if run image SBOMs are disabled.
func (c *command) reader(opener *image.Opener, policy platform.Policy) (*base.Reader, error) {
	if policy.RunSBOM == platform.Off {
		return nil, nil
	}
	trust, err := c.trust(policy)
	if err == nil {
		trust.Verify, err = c.verifier(policy)
	}
	if err != nil {
		return nil, err
	}
	r := &base.Reader{
		Images: opener, Locator: c.Locate, Policy: policy.RunSBOM, Mapping: c.settings.Mapping, Scan: scanImage, Log: c.log,
		Finder: &attach.Finder{Platform: c.RunSBOMPath, Trust: trust, Registry: opener.Registry},
	}
	if c.CacheDir != "" && !c.sharesUser {
		r.Cache = filepath.Join(c.CacheDir, inventoryCache)
	}
	return r, nil
}

// scanImage reads the packages of an image from its file system.
func scanImage(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	if img.Files != nil {
		return scan.Tree(ctx, img.Files)
	}
	return scan.Image(ctx, img.Image, scan.Options{})
}

// writeInventory writes the run image's inventory for the detector and removes the one of an
// earlier build.
func (c *command) writeInventory(run base.Image) error {
	var errs []error
	for _, f := range []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft} {
		errs = append(errs, remove(c.sbomPath(f)))
	}
	errs = append(errs, remove(c.ownFile("run-image.toml")))
	if run.Report == nil {
		return errors.Join(errs...)
	}
	errs = append(errs, c.write(c.ownFile("run-image.toml"), run.Report))
	if run.Data != nil {
		errs = append(errs, files.WriteWithin(c.Layers, c.sbomPath(run.Report.SBOM.Format), run.Data))
	}
	return errors.Join(errs...)
}
