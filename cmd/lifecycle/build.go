package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// build runs the builder.
func (c *command) build(ctx context.Context) error {
	if err := refuseRoot(); err != nil {
		return err
	}
	group, err := c.group()
	if err != nil {
		return err
	}
	plan, err := c.plan()
	if err != nil {
		return err
	}
	analyzed, err := c.analyzed()
	if err != nil {
		return err
	}
	c.warnUnapplied(group)
	return c.buildWith(ctx, group, *plan, c.host(target(analyzed)))
}

// warnUnapplied warns about Dockerfiles for the build image, which the extender applies before
// it builds. The builder has no input for their directory.
func (c *command) warnUnapplied(group platform.Group) {
	left, err := lifecycle.Left(filepath.Join(c.Layers, "generated"), group, extensions.Build)
	if err != nil {
		c.log.Debug(fmt.Sprintf("looking for Dockerfiles of the build image: %v", err))
	}
	for _, d := range left {
		c.log.Warn(fmt.Sprintf("%s was not applied to the build image: run extender -kind build in place of the builder", d.Path))
	}
}

// buildWith runs the buildpacks and writes metadata.toml.
func (c *command) buildWith(ctx context.Context, group platform.Group, plan platform.Plan, host buildpack.Host) error {
	b := c.builder(host)
	b.Group, b.Plan = group, plan
	metadata, err := b.Run(ctx)
	if err != nil {
		return err
	}
	return fail.As(fail.Build, "", c.writeMetadata(metadata))
}

func (c *command) builder(host buildpack.Host) lifecycle.Builder {
	return lifecycle.Builder{API: c.api, Store: c.store(), Host: host, Layers: c.Layers, Stdout: c.stdout, Stderr: c.stderr, Log: c.log}
}

func (c *command) metadataPath() string { return filepath.Join(c.Layers, "config", "metadata.toml") }

func (c *command) writeMetadata(m *platform.BuildMetadata) error {
	data, err := m.Encode(c.api)
	if err != nil {
		return err
	}
	return files.WriteWithin(c.Layers, c.metadataPath(), data)
}
