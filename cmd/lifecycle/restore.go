package main

import (
	"context"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// restore runs the restorer.
func (c *command) restore(ctx context.Context) error {
	group, err := c.group()
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	analyzed, err := c.analyzed()
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	var refs []string
	if analyzed.RunImage != nil {
		refs = append(refs, analyzed.RunImage.Reference)
	}
	opener, err := c.images(refs...)
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	if err := c.drop(opener, c.Layers, c.CacheDir); err != nil {
		return fail.As(fail.Restore, "", err)
	}
	kept, err := c.cache(opener, ctx)
	if err != nil {
		return fail.As(fail.Restore, "", err)
	}
	return c.restoreWith(ctx, opener, analyzed, group, kept)
}

// restoreWith restores what earlier builds left, and closes the cache.
func (c *command) restoreWith(ctx context.Context, _ *image.Opener, analyzed *platform.Analyzed, group platform.Group, kept cache.Cache) error {
	if kept != nil {
		defer kept.Close()
	}
	r := lifecycle.Restorer{
		API: c.api, Group: group, Analyzed: analyzed, Cache: kept, Layers: c.Layers, ExecEnv: c.ExecEnv,
		SkipLayers: c.SkipLayers || c.SkipRestore, SkipSBOM: c.SkipSBOM, Log: c.log,
	}
	return r.Run(ctx)
}
