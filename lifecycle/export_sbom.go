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

// The folders of <layers>/sbom. What is in launch becomes a layer of the app image, what is in cache one of
// the cache, and build stays for the platform.
const (
	launchSBOMs = "launch"
	buildSBOMs  = "build"
	cacheSBOMs  = "cache"
)

// lifecycleModule stands for the lifecycle where a buildpack's ID is.
const lifecycleModule = "buildpacksio_lifecycle"

// collectSBOMs puts the SBOM files in order (platform.md, "exporter"), and describes the layer of
// those of the app. What a phase before left there, of the previous image, goes.
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

// removeSBOMs removes a folder of <layers>/sbom. What stands in place of that itself goes, too: a buildpack may
// have put a link there.
func (x *export) removeSBOMs(folder string) error {
	base := x.onDisk(x.Layers)
	err := files.RemoveWithin(base, filepath.Join("sbom", folder))
	if errors.Is(err, files.ErrNotDirectory) {
		err = files.RemoveWithin(base, "sbom")
	}
	return err
}

// buildpackSBOMs copies a buildpack's SBOMs: its own for launch and build, and those of its layers. An SBOM of no
// layer, as of one that was restored and given up, is left out.
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
			x.log.Debug(fmt.Sprintf("%s is of no layer", f.Path))
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
			if err != nil { // it was a regular file, but what is left running may have replaced it
				x.log.Warn(fmt.Sprintf("the SBOM %s is left out: %v", f.Path, err))
				continue
			}
			if err := x.copySBOM(from, f.Ext, append([]string{folder, id}, below...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// layer finds a layer by name; nil if there is none.
func (c *contribution) layer(name string) *buildpack.Layer {
	for i := range c.layers {
		if c.layers[i].Name == name {
			return &c.layers[i]
		}
	}
	return nil
}

// lifecycleSBOMs copies the SBOMs of launcher and lifecycle, as far as there are any.
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

// copySBOM copies a file, which it closes, to sbom.<ext> of a directory of SBOMs.
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

// writeSBOM writes a file of a directory of SBOMs. Modes do not depend on the process's mask,
// since they are in the layer.
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
