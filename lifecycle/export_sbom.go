package lifecycle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// The directories of <layers>/sbom. launch becomes a layer of the app image, cache a layer of the cache, and build
// is left for the platform.
const (
	launchSBOMs = "launch"
	buildSBOMs  = "build"
	cacheSBOMs  = "cache"
)

// lifecycleModule takes the place of a buildpack ID for the lifecycle's own SBOMs.
const lifecycleModule = "buildpacksio_lifecycle"

// collectSBOMs collects the SBOM files (platform.md, "exporter") and describes the layer with those of
// the app. It removes SBOMs of the previous image that an earlier phase left there.
func (x *export) collectSBOMs() error {
	if !api.SBOM.In(x.API) {
		return nil
	}
	for _, folder := range []string{launchSBOMs, buildSBOMs, cacheSBOMs} {
		if err := x.removeSBOMs(folder); err != nil {
			return fmt.Errorf("collecting SBOMs: %w", err)
		}
	}
	if x.SkipSBOM {
		return nil
	}
	for i := range x.buildpacks {
		if err := x.buildpackSBOMs(&x.buildpacks[i]); err != nil {
			return err
		}
	}
	if api.LegacySBOM.In(x.API) {
		if err := x.legacySBOMs(); err != nil {
			return err
		}
	}
	if api.LifecycleSBOM.In(x.API) {
		if err := x.lifecycleSBOMs(); err != nil {
			return err
		}
	}
	layer, err := x.source.Dir(path.Join(x.Layers, "sbom", launchSBOMs))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	x.sbom = &piece{name: sbomName, history: "Software Bill-of-Materials", layer: layer}
	if before := x.before().SBOM; before != nil {
		x.sbom.previous = before.SHA
	}
	return nil
}

// removeSBOMs removes a directory of <layers>/sbom, or what a buildpack put in its place, such as a link.
func (x *export) removeSBOMs(folder string) error {
	base := x.onDisk(x.Layers)
	err := files.RemoveWithin(base, filepath.Join("sbom", folder))
	if errors.Is(err, files.ErrNotDirectory) {
		err = files.RemoveWithin(base, "sbom")
	}
	return err
}

// buildpackSBOMs copies a buildpack's SBOMs: for launch, for build, and of its layers. An SBOM without its
// layer is skipped, such as one of a layer that was restored and then dropped.
func (x *export) buildpackSBOMs(c *contribution) error {
	files, err := c.dir.SBOMs()
	if err != nil {
		return err
	}
	id := platform.EscapeID(c.ID)
	for _, f := range files {
		var folders, below []string
		switch l := c.layer(f.Name); {
		case f.Name == "launch":
			folders = []string{launchSBOMs}
		case f.Name == "build":
			folders = []string{buildSBOMs}
		case l == nil:
			x.log.Debug(fmt.Sprintf("%s belongs to no layer", f.Path))
		default:
			below = []string{f.Name}
			folders = []string{buildSBOMs}
			if l.Launch {
				folders = []string{launchSBOMs}
			}
			if l.Cache && x.Cache != nil {
				folders = append(folders, cacheSBOMs)
			}
		}
		for _, folder := range folders {
			from, err := c.dir.Open(filepath.Base(f.Path))
			if err != nil { // a process that is still running may have replaced the file
				x.log.Warn(fmt.Sprintf("skipping the SBOM %s: %v", f.Path, err))
				continue
			}
			if err := x.copySBOM(from, f.Ext, append([]string{folder, id}, below...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// layer returns a layer by name, or nil.
func (c *contribution) layer(name string) *buildpack.Layer {
	for i := range c.layers {
		if c.layers[i].Name == name {
			return &c.layers[i]
		}
	}
	return nil
}

// lifecycleSBOMs copies the SBOMs of the launcher and the lifecycle, if they exist.
func (x *export) lifecycleSBOMs() error {
	if x.LauncherSBOM == "" {
		return nil
	}
	for _, ext := range buildpack.SBOMExtensions {
		for _, of := range []struct {
			name string
			to   []string
		}{
			{"launcher", []string{launchSBOMs, lifecycleModule, "launcher"}},
			{"lifecycle", []string{buildSBOMs, lifecycleModule}},
		} {
			from, err := files.Open(filepath.Join(x.LauncherSBOM, of.name+".sbom."+ext))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("copying SBOM: %w", err)
			}
			if err := x.copySBOM(from, ext, of.to...); err != nil {
				return err
			}
		}
	}
	return nil
}

// copySBOM copies a file to sbom.<ext> in a directory of SBOMs, and closes it.
func (x *export) copySBOM(from *os.File, ext string, to ...string) error {
	defer from.Close()
	data, err := io.ReadAll(from)
	if err == nil {
		err = x.writeSBOM(data, "sbom."+ext, to...)
	}
	if err != nil {
		return fmt.Errorf("copying SBOM %s: %w", from.Name(), err)
	}
	return nil
}

// writeSBOM writes a file in a directory of SBOMs. Modes do not depend on the umask, since they are
// part of the layer.
func (x *export) writeSBOM(data []byte, name string, to ...string) error {
	base := x.onDisk(x.Layers)
	rel := "sbom"
	for _, elem := range append([]string{"."}, to...) {
		rel = filepath.Join(rel, elem)
		dir, err := files.Within(base, rel, true)
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Chmod(".", 0o755), dir.Close()); err != nil {
			return err
		}
	}
	return files.WriteWithin(base, filepath.Join(base, rel, name), data)
}
