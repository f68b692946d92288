package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// export runs the exporter.
func (c *command) export(ctx context.Context) error {
	analyzed, err := c.analyzed()
	if err != nil {
		return err
	}
	if analyzed.RunImage == nil {
		return fmt.Errorf("%s has no run image; run the analyzer and detector first", c.Analyzed)
	}
	group, err := c.group()
	if err != nil {
		return err
	}
	metadata, err := platform.ReadFileIn(c.Layers, c.metadataPath(), platform.DecodeBuildMetadata)
	if err != nil {
		return err
	}
	opener := c.images(reference.Parse(analyzed.RunImage.Reference))
	extended, err := c.extendedImage(ctx, opener, analyzed, group) // before drop changes its owner, which is checked
	if err != nil {
		return err
	}
	if extended != nil {
		defer extended.Close()
	}
	if err := c.drop(opener, append(c.layoutTargets(), c.Layers, c.CacheDir, c.LaunchCache)...); err != nil {
		return err
	}
	e, err := c.exporter(opener)
	if err != nil {
		return err
	}
	if e.RunFile, err = c.runFile(); err != nil {
		return err
	}
	if e.Cache, err = c.cache(opener); err != nil {
		return err
	}
	defer func() { _ = closeCache(e.Cache) }()
	e.Analyzed, e.Group, e.Build, e.Extended, e.Resolution = analyzed, group, metadata, extended, c.resolution()
	report, err := e.Run(ctx)
	if err != nil {
		return err
	}
	return c.write(c.Report, report)
}

// exporter returns the exporter without cache and what earlier phases left.
func (c *command) exporter(opener *image.Opener) (lifecycle.Exporter, error) {
	project, err := ignoreNotExist(platform.ReadFileIn(c.Layers, c.ProjectMetadata, platform.DecodeProjectMetadata))
	uid, gid := c.user()
	return lifecycle.Exporter{
		API: c.api, Writer: &image.Writer{Opener: opener, LaunchCache: c.launchCache()},
		Names: c.Images, Locator: c.Locate, Project: project,
		App: c.App, Layers: c.Layers, UID: uid, GID: gid,
		Launcher: c.Launcher, LauncherSBOM: c.LauncherSBOM, SkipSBOM: c.SkipSBOM, LauncherLabel: launcherLabel(),
		ProcessType: c.ProcessType, ExecEnv: c.ExecEnv, Created: c.Epoch, Parallel: c.Parallel, Log: c.log,
	}, err
}

func launcherLabel() platform.LauncherLabel {
	return platform.LauncherLabel{
		Version: build.Version,
		Source:  platform.LauncherSource{Git: platform.GitSource{Repository: "github.com/baseplan/baseplan", Commit: build.Commit}},
	}
}

// launchCache returns the directory of the launch cache, or "".
func (c *command) launchCache() string {
	if c.LaunchCache == "" || !exists(c.LaunchCache) {
		return ""
	}
	return c.LaunchCache
}

// layoutTargets returns the OCI layouts to be written. Others below the layout directory, such
// as the run image, may be read-only.
func (c *command) layoutTargets() []string {
	if !c.Layout {
		return nil
	}
	var dirs []string
	for _, image := range c.Images {
		dirs = append(dirs, c.Locate(image).Path)
	}
	return dirs
}

// cache returns the given cache, if any: an image takes precedence over a directory.
func (c *command) cache(opener *image.Opener) (cache.Cache, error) {
	if !c.CacheImage.IsZero() {
		ref, err := opener.Registry.Reference(c.CacheImage)
		if err != nil {
			return nil, err
		}
		return &cache.Image{Ref: ref, Registry: opener.Registry}, nil
	}
	if c.CacheDir == "" {
		return nil, nil
	}
	if err := ensureDir(c.CacheDir); err != nil {
		c.log.Warn(fmt.Sprintf("continuing without a cache: %v", err))
		return nil, nil
	}
	return &cache.Volume{Dir: c.CacheDir}, nil
}

// extendedImage opens the extended run image, or returns nil if no Dockerfile remained to be
// applied; otherwise a missing image is an error (docs/design.md, "Verdicts"). An existing
// image counts even if this phase does not find the Dockerfiles: the extender may have had
// another directory.
func (c *command) extendedImage(ctx context.Context, opener *image.Opener, analyzed *platform.Analyzed, group platform.Group) (*image.Image, error) {
	if !analyzed.RunImage.Extend || c.Extended == "" {
		return nil, nil
	}
	left, err := lifecycle.Left(c.Generated, group, extensions.Run)
	if err != nil {
		return nil, err
	}
	digest := reference.Recorded(analyzed.RunImage.Reference).Digest
	if len(left) == 0 && (digest == "" || isEmpty(filepath.Join(c.Extended, "run", digest))) {
		return nil, nil
	}
	if _, err := v1.NewHash(digest); err != nil {
		return nil, fmt.Errorf("run image %s needs to be extended, but %s has no digest for it; run the restorer first", analyzed.RunImage.Name(), c.Analyzed)
	}
	dir := filepath.Join(c.Extended, "run", digest)
	if isEmpty(dir) {
		return nil, fmt.Errorf("run image %s needs to be extended by %s, but %s has no extended image; run extender -kind run first",
			analyzed.RunImage.Name(), left[0].Path, dir)
	}
	img, err := opener.Open(ctx, reference.Reference{Kind: reference.Layout, Path: dir})
	if err != nil {
		return nil, err
	}
	if err := c.checkExtended(dir, digest, img); err != nil {
		return nil, errors.Join(err, img.Close())
	}
	return img, nil
}
