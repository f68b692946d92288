package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// detect runs the detector.
func (c *command) detect(ctx context.Context) error {
	if err := refuseRoot(fail.DetectOther); err != nil {
		return err
	}
	analyzed, err := c.analyzed()
	if err != nil {
		return fail.As(fail.DetectOther, "", err)
	}
	run, err := c.analyzerInventory(analyzed)
	if err != nil {
		return fail.As(fail.DetectOther, "", err)
	}
	made, err := c.detection(ctx, analyzed, run, nil)
	if err != nil {
		return err
	}
	return fail.As(fail.DetectOther, "", c.writeDetection(made))
}

// detection detects and generates. Only prepare, if it is not nil, enables access to images.
func (c *command) detection(ctx context.Context, analyzed *platform.Analyzed, run base.Image, prepare func(*lifecycle.Detector, *lifecycle.Generator) error) (*lifecycle.Generation, error) {
	order, system, runFile, err := c.orders()
	if err != nil {
		return nil, fail.As(fail.DetectOther, "", err)
	}
	if err := c.writeProvides(run); err != nil {
		return nil, fail.As(fail.DetectOther, "", err)
	}
	host := c.host(target(analyzed))
	host.RunImageProvides, host.RunImageSBOM = c.inventoryPaths(run)
	policy := c.policy()
	if policy.Keys, err = pemOf(policy.Keys); err != nil {
		return nil, fail.As(fail.DetectOther, "", err)
	}
	if policy.TrustedRoot, err = trustedRoot(policy.TrustedRoot); err != nil {
		return nil, fail.As(fail.DetectOther, "", err)
	}
	d := lifecycle.Detector{
		API: c.api, Store: c.store(), Host: host, Order: *order, System: system, Experimental: c.Experimental,
		Policy: policy, RunImage: run, Log: c.log, Replay: c.replay,
	}
	g := lifecycle.Generator{
		API: c.api, Host: host, Analyzed: analyzed, RunFile: runFile, Generated: c.Generated,
		Policy: policy, Mapping: c.settings.Mapping, Built: c.now(),
		BuildInventory: c.ownInventory,
		Stdout:         c.stdout, Stderr: c.stderr, Log: c.log,
	}
	if prepare != nil {
		if err := prepare(&d, &g); err != nil {
			return nil, fail.As(fail.DetectOther, "", err)
		}
	}
	found, err := d.Run(ctx)
	if g.Settle != nil {
		err = errors.Join(err, g.Settle())
	}
	if err != nil {
		return nil, err
	}
	g.Detection = found
	return g.Run(ctx)
}

// orders reads the order to detect.
func (c *command) orders() (*resolver.OrderFile, *platform.System, *platform.RunFile, error) {
	var order *resolver.OrderFile
	var err error
	paths := c.Orders()
	for _, path := range paths {
		if order, err = platform.ReadFile(path, resolver.DecodeOrder); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading the order of buildpacks: %w (tried %q)", err, paths)
	}
	var system *platform.System
	if c.System != "" {
		if system, err = ignoreNotExist(platform.ReadFile(c.System, platform.DecodeSystem)); err != nil {
			return nil, nil, nil, err
		}
	}
	run, err := c.runFile()
	return order, system, run, err
}

func (c *command) writeDetection(g *lifecycle.Generation) error {
	if err := errors.Join(c.write(c.Group, &g.Group), c.write(c.Plan, &g.Plan)); err != nil {
		return err
	}
	if c.Analyzed != "" {
		if err := c.write(c.Analyzed, g.Analyzed); err != nil {
			return err
		}
	}
	if g.Resolution == nil {
		return nil
	}
	return c.write(c.ownFile("resolution.toml"), g.Resolution)
}

// analyzerInventory returns the run image's inventory left by the analyzer. It ignores one that is
// unreadable or of another image.
func (c *command) analyzerInventory(analyzed *platform.Analyzed) (base.Image, error) {
	if err := c.readSettings(); err != nil {
		return base.Image{}, err
	}
	var run base.Image
	if analyzed.RunImage == nil {
		run.Why = "the analyzer recorded no run image"
		return run, nil
	}
	run.Reference = reference.Parse(analyzed.RunImage.Name())
	if c.policy().RunSBOM == platform.Off {
		return run, nil
	}
	report, err := ignoreNotExist(platform.ReadFileIn(c.Layers, c.ownFile("run-image.toml"), platform.DecodeRunImageReport))
	switch {
	case err != nil:
		c.log.Warn(fmt.Sprintf("ignoring run-image.toml: %v", err))
		run.Why = "run-image.toml cannot be read"
		return run, nil
	case report == nil && reference.Recorded(analyzed.RunImage.Reference).Digest == "":
		run.Why = lifecycle.NotInDaemon
		return run, nil
	case report == nil:
		run.Why = "the analyzer wrote no run-image.toml, because it is another lifecycle's or run image SBOMs are disabled there"
		return run, nil
	case report.Digest == "" || reference.Recorded(analyzed.RunImage.Reference).Digest != report.Digest:
		run.Why = "the analyzer's run-image.toml describes another image"
		return run, nil
	}
	run.Digest, run.Config = report.Digest, report.Config
	if report.SBOM == nil {
		run.Why = "the analyzer neither found an attached SBOM nor generated one"
		return run, nil
	}
	return c.checkInventory(run, report)
}

// checkInventory adds the analyzer's inventory to the run image if it is trusted here.
func (c *command) checkInventory(run base.Image, report *platform.RunImageReport) (base.Image, error) {
	trust, err := c.trust(c.policy())
	if err != nil {
		return run, err
	}
	// The builder's policy, which the analyzer may not have known, applies to the analyzer's
	// inventory (docs/design.md, "Policy").
	trust.Unbound = trust.Unbound || c.policy().Unbound == nil
	if err := report.SBOM.Check(trust); err != nil {
		c.log.Warn(fmt.Sprintf("ignoring the run image's SBOM (%s): %v", report.SBOM.Carrier, err))
		run.Why = fmt.Sprintf("its SBOM is not trusted: %v", err)
		return run, nil
	}
	if d := report.Declaration; d != nil {
		if err := trust.Check(d.Signature); err != nil {
			c.log.Warn(fmt.Sprintf("ignoring the run image's declaration (%s): %v", d.Reference, err))
			report.Declaration = nil
		}
	}
	doc, err := c.readSBOM(report.SBOM.Format)
	if err != nil {
		c.log.Warn(fmt.Sprintf("ignoring the run image's SBOM: %v", err))
		run.Why = "the analyzer's copy of its SBOM cannot be read"
		return run, nil
	}
	run.Carrier = report.SBOM.Carrier
	run.Set = c.provides(doc, report.Declaration, run.Reference.String())
	return run, nil
}

func (c *command) sbomPath(f sbom.Format) string { return c.ownFile("run-image.sbom." + f.Ext()) }

func (c *command) readSBOM(f sbom.Format) (*sbom.Document, error) {
	path := c.sbomPath(f)
	file, err := files.OpenWithin(c.Layers, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return format.Decode(file, path)
}

// provides returns what an inventory provides, with the operator's mapping and the publisher's declaration.
func (c *command) provides(doc *sbom.Document, declared *platform.Declared, name string) *provides.Set {
	return base.ProvidesOf(doc, c.settings.Mapping, declared, name, c.log)
}

// writeProvides writes what the run image provides for extensions, or removes the file of an
// earlier build.
func (c *command) writeProvides(run base.Image) error {
	path := c.ownFile("run-image.provides.toml")
	if run.Set == nil {
		return errors.Join(remove(path), remove(c.ownFile("resolution.toml")))
	}
	return c.write(path, platform.RunImageProvidesOf(run.Set, run.Reference.String()))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// inventoryPaths returns the paths of the files about the run image for extensions, or ""
// without an inventory.
func (c *command) inventoryPaths(run base.Image) (providesPath, sbomPath string) {
	if run.Set == nil {
		return "", ""
	}
	providesPath = c.ownFile("run-image.provides.toml")
	for _, f := range []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft} {
		if path := c.sbomPath(f); exists(path) {
			return providesPath, path
		}
	}
	return providesPath, ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ownInventory returns the inventory of the build image, in which this process runs.
func (c *command) ownInventory(ctx context.Context) (base.Image, error) {
	start := time.Now()
	doc, err := scan.Dir(ctx, "/")
	if err != nil {
		return base.Image{}, err
	}
	c.log.Debug(fmt.Sprintf("Read the packages of the build image in %s", time.Since(start).Round(time.Millisecond)))
	return base.Image{Carrier: attach.Generated, Set: c.provides(doc, nil, "the build image")}, nil
}

// ensureDir creates a directory of the platform if it does not exist.
func ensureDir(path string) error {
	if path == "" {
		return nil
	}
	return os.MkdirAll(filepath.Clean(path), 0o755)
}
