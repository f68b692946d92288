package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/trust"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/scan"
)

// detect runs the detector.
func (c *command) detect(ctx context.Context) error {
	if err := refuseRoot(); err != nil {
		return err
	}
	analyzed, err := c.fromAnalyzer()
	if err != nil {
		return err
	}
	run, err := c.analyzerInventory(analyzed)
	if err != nil {
		return err
	}
	d, g, err := c.detector()
	if err != nil {
		return err
	}
	host := c.host(target(analyzed))
	if host.RunImageProvides, host.RunImageSBOM, err = c.writeProvides(run); err != nil {
		return err
	}
	d.Host, d.RunImage, g.Host, g.Analyzed = host, run, host, analyzed
	if g.Detection, err = d.Run(ctx); err != nil {
		return err
	}
	made, err := g.Run(ctx)
	if err != nil {
		return err
	}
	return c.writeDetection(made)
}

// fromAnalyzer returns what the analyzer left. Before Platform API 0.10, analyzed.toml is no input of the detector. If baseplan's
// analyzer wrote it, it is read anyway, so that the run image is a provider as in the creator.
func (c *command) fromAnalyzer() (*platform.Analyzed, error) {
	path := c.Analyzed
	if _, err := os.Lstat(c.ownFile("run-image.toml")); path == "" && err == nil {
		path = filepath.Join(c.Layers, "analyzed.toml")
	}
	return c.analyzedAt(path)
}

// detector returns the detector and the generator without what the analyzer left.
func (c *command) detector() (d lifecycle.Detector, g lifecycle.Generator, err error) {
	order, system, runFile, err := c.orders()
	if err != nil {
		return d, g, err
	}
	policy := c.policy()
	if policy.Keys, err = trust.PEM(policy.Keys, keySetting); err != nil {
		return d, g, err
	}
	if policy.TrustedRoot, err = trust.Root(policy.TrustedRoot, rootSetting); err != nil {
		return d, g, err
	}
	d = lifecycle.Detector{
		API: c.api, Store: c.store(), Order: *order, System: system, Experimental: c.Experimental,
		Policy: policy, Log: c.log, Replay: c.replay,
	}
	g = lifecycle.Generator{
		API: c.api, RunFile: runFile, Generated: c.Generated,
		Policy: policy, Mapping: c.settings.Mapping, Built: c.now(),
		BuildInventory: c.ownInventory,
		Stdout:         c.stdout, Stderr: c.stderr, Log: c.log,
	}
	return d, g, nil
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
	c.meter.last().Resolved(g.Resolution)
	return c.write(c.ownFile("resolution.toml"), g.Resolution)
}

// analyzerInventory returns the run image as the analyzer left it.
func (c *command) analyzerInventory(analyzed *platform.Analyzed) (base.Image, error) {
	if err := c.readSettings(); err != nil {
		return base.Image{}, err
	}
	a := base.Analyzed{RunImage: analyzed.RunImage, SBOM: c.readSBOM, Policy: c.policy(), Mapping: c.settings.Mapping, Log: c.log}
	if a.RunImage == nil || a.Policy.RunSBOM == platform.Off {
		return a.Image(), nil
	}
	a.Report, a.Err = ignoreNotExist(platform.ReadFileIn(c.Layers, c.ownFile("run-image.toml"), platform.DecodeRunImageReport))
	var err error
	if a.Report != nil && a.Report.SBOM != nil {
		a.Trust, err = c.trust(a.Policy)
	}
	return a.Image(), err
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

// writeProvides writes what the run image provides for extensions, and returns the paths of the files about it. Without
// an inventory, it removes the file of an earlier build.
func (c *command) writeProvides(run base.Image) (providesPath, sbomPath string, err error) {
	providesPath = c.ownFile("run-image.provides.toml")
	if run.Set == nil {
		return "", "", errors.Join(remove(providesPath), remove(c.ownFile("resolution.toml")))
	}
	for _, f := range []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft} {
		if path := c.sbomPath(f); exists(path) {
			sbomPath = path
			break
		}
	}
	return providesPath, sbomPath, c.write(providesPath, platform.RunImageProvidesOf(run.Set, run.Reference.String()))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
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
	return base.Image{Carrier: attach.Generated, Set: base.ProvidesOf(doc, c.settings.Mapping, nil, "the build image", c.log)}, nil
}

// ensureDir creates a directory of the platform if it does not exist.
func ensureDir(path string) error {
	if path == "" {
		return nil
	}
	return os.MkdirAll(filepath.Clean(path), 0o755)
}
