package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// restore runs the restorer.
func (c *command) restore(ctx context.Context) error {
	group, err := c.group()
	if err = errors.Join(c.readSettings(), err); err != nil {
		return err
	}
	analyzed, err := c.analyzed()
	if err != nil {
		return err
	}
	runFile, err := c.runFile()
	if err != nil {
		return err
	}
	refs := namesOf(runFile)
	if analyzed.RunImage != nil {
		refs = append(refs, reference.Parse(analyzed.RunImage.Reference), reference.Parse(analyzed.RunImage.Image))
	}
	opener := c.images(refs...)
	if err := c.drop(opener, c.Layers, c.CacheDir, c.kanikoCache("base")); err != nil {
		return err
	}
	kept, err := c.cache(opener)
	if err != nil {
		return err
	}
	if analyzed, err = c.completeBases(ctx, opener, analyzed, group, runFile); err != nil {
		return errors.Join(err, closeCache(kept))
	}
	r := c.restorer(kept)
	r.Group, r.Analyzed = group, analyzed
	return errors.Join(r.Run(ctx), closeCache(kept))
}

// ownKaniko returns the directory of the extender's cache, if the platform has one.
func (c *command) ownKaniko() string {
	if c.KanikoDir == "" || !exists(c.KanikoDir) {
		return ""
	}
	return c.KanikoDir
}

// kanikoCache returns a directory of the extender's cache, or "" if the platform has none: "base" has the saved base
// images. Only this directory is given to the build image's user: the extender, which is root, takes layers from the
// rest.
func (c *command) kanikoCache(dir string) string {
	if c.ownKaniko() == "" {
		return ""
	}
	return filepath.Join(c.KanikoDir, "cache", dir)
}

func closeCache(kept cache.Cache) error {
	if kept == nil {
		return nil
	}
	return kept.Close()
}

// completeBases resolves what the detector left open about the base images, and records it.
func (c *command) completeBases(ctx context.Context, opener *image.Opener, analyzed *platform.Analyzed, group platform.Group, runFile *platform.RunFile) (*platform.Analyzed, error) {
	resolution := c.resolution()
	policy := c.policyAfter(resolution)
	reader, err := c.reader(opener, policy)
	if err != nil {
		return nil, err
	}
	searched, err := ignoreNotExist(platform.ReadFileIn(c.Layers, c.ownFile("run-image.toml"), platform.DecodeRunImageReport))
	if err != nil {
		c.log.Warn(err.Error())
	}
	b := lifecycle.BaseRestorer{
		API: c.api, Images: opener, Locator: c.Locate, Analyzed: analyzed, RunFile: runFile, BuildImage: c.BuildImage, Kaniko: c.ownKaniko(),
		Group: group, Generated: c.Generated, Resolution: resolution, Policy: policy, Built: c.now(), Reader: reader, Searched: searched, Log: c.log,
	}
	bases, err := b.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.write(c.Analyzed, bases.Analyzed); err != nil {
		return nil, err
	}
	if bases.RunImage != nil {
		if err := c.writeInventory(*bases.RunImage); err != nil {
			return nil, err
		}
	}
	if bases.Resolution != nil {
		c.meter.last().Resolved(bases.Resolution)
		err = c.write(c.ownFile("resolution.toml"), bases.Resolution)
	}
	return bases.Analyzed, err
}

// policyAfter returns the policy of a phase after detection: the builder's applies where it is stricter.
func (c *command) policyAfter(r *platform.Resolution) platform.Policy {
	if r == nil {
		return c.policy()
	}
	return c.policy().Stricter(r.Policy)
}

// restorer returns the restorer without what earlier phases left.
func (c *command) restorer(kept cache.Cache) lifecycle.Restorer {
	uid, gid := c.user()
	return lifecycle.Restorer{
		API: c.api, Cache: kept, Layers: c.Layers, ExecEnv: c.ExecEnv, UID: uid, GID: gid,
		SkipLayers: c.SkipLayers || c.SkipRestore, SkipStore: c.SkipRestore && !api.StoreOnSkip.In(c.api), SkipSBOM: c.SkipSBOM, Log: c.log,
	}
}
