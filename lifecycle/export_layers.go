package lifecycle

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// Names of the lifecycle's own layers in logs.
const (
	launcherName  = "buildpacksio/lifecycle:launcher"
	configName    = "buildpacksio/lifecycle:config"
	processesName = "buildpacksio/lifecycle:process-types"
	sbomName      = "buildpacksio/lifecycle:launch.sbom"
	cacheSBOMName = "buildpacksio/lifecycle:cache.sbom"
	appName       = "app"
)

// A contribution is what a buildpack contributes to the app image and to the cache.
type contribution struct {
	platform.Module
	dir    buildpack.LayersDir
	layers []buildpack.Layer // all that it described, by name
	store  *platform.Store
	launch []buildpack.Layer
	pieces []piece // one for each launch layer
	cached []cachedLayer
}

// onDisk returns where a path of the app image is on this machine.
func (x *export) onDisk(name string) string { return filepath.Join("/", x.Root, name) }

// collect describes all layers without reading them.
func (x *export) collect() error {
	for _, m := range x.Group.Buildpacks {
		c, err := x.contribution(m)
		if err != nil {
			return err
		}
		x.buildpacks = append(x.buildpacks, c)
	}
	if err := x.collectBOM(); err != nil {
		return err
	}
	if err := x.collectSBOMs(); err != nil {
		return err
	}
	if err := x.collectApp(); err != nil {
		return err
	}
	return x.collectOwn()
}

// contribution reads the layers of a buildpack. A launch layer is a directory, or a layer of the
// previous image.
func (x *export) contribution(m platform.Module) (contribution, error) {
	c := contribution{Module: m}
	var err error
	if c.dir, err = buildpack.LayersOf(x.onDisk(x.Layers), m.ID); err != nil {
		return c, err
	}
	if c.layers, err = c.dir.Layers(x.unknown); err != nil {
		return c, err
	}
	if c.store, err = c.dir.Store(); err != nil {
		return c, err
	}
	for _, l := range c.layers {
		if !l.Launch {
			continue
		}
		p, err := x.launchLayer(m, l)
		if err != nil {
			return c, err
		}
		c.launch, c.pieces = append(c.launch, l), append(c.pieces, p)
	}
	x.collectCached(&c)
	return c, nil
}

func (x *export) unknown(path string, keys []string) {
	x.log.Debug(fmt.Sprintf("%s: unknown keys: %q", path, keys))
}

func (x *export) launchLayer(m platform.Module, l buildpack.Layer) (piece, error) {
	p := piece{
		name:     m.ID + ":" + l.Name,
		history:  fmt.Sprintf("Layer: '%s', Created by buildpack: %s", l.Name, m),
		previous: x.previousLayer(m.ID, l.Name),
	}
	var err error
	if l.Exists() {
		p.layer, err = x.source.Dir(x.layerPath(m.ID, l.Name))
		return p, err
	}
	if p.diffID, err = x.reuse(p.previous); err != nil {
		return p, fmt.Errorf("reusing layer '%s' (a launch layer without a directory): %w", p.name, err)
	}
	return p, nil
}

// layerPath returns a layer's path in the app image.
func (x *export) layerPath(id, layer string) string {
	return path.Join(x.Layers, platform.EscapeID(id), layer)
}

// previousLayer returns the diff ID of a layer in the previous image, or "".
func (x *export) previousLayer(id, layer string) string {
	if b := x.before().Buildpack(id); b != nil {
		return b.Layers[layer].SHA
	}
	return ""
}

// before returns the metadata of the previous image.
func (x *export) before() *platform.AppMetadata {
	if x.Analyzed == nil {
		return &platform.AppMetadata{}
	}
	return &x.Analyzed.Metadata
}

// reuse returns the diff ID of a layer to reuse, or an error if the previous image does not have it.
func (x *export) reuse(sha string) (v1.Hash, error) {
	if x.Previous == nil {
		if x.Analyzed != nil && x.Analyzed.PreviousImage != nil {
			return v1.Hash{}, fmt.Errorf("the previous image %s no longer exists; build again", x.Analyzed.PreviousImage.Reference)
		}
		return v1.Hash{}, errors.New("there is no previous image")
	}
	if sha == "" {
		return v1.Hash{}, fmt.Errorf("the previous image %s has no such layer", x.Previous.Name)
	}
	diffID, err := v1.NewHash(sha)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("reading label %s of %s: %w", platform.LifecycleMetadataLabel, x.Previous.Name, err)
	}
	if !slices.Contains(x.Previous.Config.RootFS.DiffIDs, diffID) {
		return v1.Hash{}, fmt.Errorf("the previous image %s has changed since it was analyzed: it has no layer %s; build again", x.Previous.Name, diffID)
	}
	return diffID, nil
}

// collectApp divides the app into slices.
func (x *export) collectApp() error {
	var globs [][]string
	for _, s := range x.Build.Slices {
		globs = append(globs, s.Paths)
	}
	all, err := x.source.App(x.App, globs, func(slice int, glob string) {
		x.log.Warn(fmt.Sprintf("slice %d: ignoring path %q: it is outside of the app directory %s", slice+1, glob, x.App))
	})
	if err != nil {
		return err
	}
	for n, l := range all {
		history := "Application Layer"
		if len(globs) > 0 { // the rest of the app is the last slice
			history = fmt.Sprintf("Application Slice: %d", n+1)
		}
		if l.Empty() && n < len(globs) {
			x.log.Warn(fmt.Sprintf("slice %d matches no file of the app: %q", n+1, globs[n]))
		}
		x.app = append(x.app, piece{name: appName, history: history, layer: l, previous: x.previousSlice(len(x.app))})
	}
	return nil
}

func (x *export) previousSlice(n int) string {
	if app := x.before().App; n < len(app) {
		return app[n].SHA
	}
	return ""
}

// collectOwn describes the lifecycle's own layers: launcher, configuration and process types.
func (x *export) collectOwn() error {
	before := x.before()
	launcher, err := layers.Launcher(x.Launcher)
	if err != nil {
		return err
	}
	x.launcher = piece{name: launcherName, history: "Buildpacks Application Launcher", layer: launcher, previous: before.Launcher.SHA}
	config, err := x.source.Dir(path.Join(x.Layers, "config"))
	if err != nil {
		return err
	}
	x.config = piece{name: configName, history: "Buildpacks Launcher Config", layer: config, previous: before.Config.SHA}
	types := x.processTypes()
	if len(types) == 0 {
		return nil
	}
	processes, err := layers.Processes(types)
	if err != nil {
		return err
	}
	x.processes = &piece{name: processesName, history: "Buildpacks Process Types", layer: processes, previous: before.ProcessTypes.SHA}
	return nil
}
