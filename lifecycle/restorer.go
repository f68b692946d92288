package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A Restorer restores what earlier builds left for the buildpacks of the group: metadata, SBOMs and
// cached layers (platform.md, "restorer", "Layer Restoration"; buildpack.md, "Layer Types").
type Restorer struct {
	API      api.Version
	Group    platform.Group
	Analyzed *platform.Analyzed
	Cache    cache.Cache // nil: none
	Layers   string      // <layers> in the app image
	Root     string      // root directory of Layers on this machine; empty: /
	ExecEnv  string      // layers of another execution environment are not restored
	UID, GID int         // owner of the restored layers, if run as root

	SkipLayers bool // restore only store.toml
	SkipStore  bool // do not restore store.toml either
	SkipSBOM   bool

	Log *slog.Logger // nil: silent
}

// Run restores. A lost or damaged cache is not an error. Errors have code 42.
func (r *Restorer) Run(ctx context.Context) error {
	x := &restoring{Restorer: r, log: logger(r.Log)}
	if err := x.run(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fail.As(fail.Restore, "", err)
	}
	return nil
}

// restoring is one run of a Restorer.
type restoring struct {
	*Restorer
	log    *slog.Logger
	cached cache.Metadata
	data   []restoration
}

// A restoration is a layer to restore from the cache.
type restoration struct {
	dir   buildpack.LayersDir
	name  string
	layer cache.Layer
	inApp bool // the previous image has the same layer
}

func (r *restoring) run(ctx context.Context) error {
	skip := r.SkipLayers || r.otherExecEnv()
	if r.Cache != nil && !skip {
		var err error
		if r.cached, err = r.Cache.Metadata(ctx); err != nil {
			r.log.Warn(fmt.Sprintf("cannot restore layers from the cache: %v", err))
		}
	}
	for _, m := range r.Group.Buildpacks {
		if err := r.buildpack(m, skip); err != nil {
			return err
		}
	}
	if skip {
		return r.dropSBOMs()
	}
	if err := r.restoreData(ctx); err != nil {
		return err
	}
	return r.restoreSBOMs(ctx)
}

// otherExecEnv reports whether the previous image is for another execution environment
// (platform.md, "Layer Restoration").
func (r *restoring) otherExecEnv() bool {
	m := r.Analyzed.Metadata
	if !api.ExecEnv.In(r.API) || r.Analyzed.PreviousImage == nil || len(m.Buildpacks) == 0 {
		return false
	}
	before, now := cmp.Or(m.ExecEnv, "production"), cmp.Or(r.ExecEnv, "production")
	if before == now {
		return false
	}
	r.log.Info(fmt.Sprintf("Restoring no layers: the previous image is for the execution environment %s, not %s", before, now))
	return true
}

// buildpack restores store.toml and the layer metadata of a buildpack, and collects the
// layers to restore from the cache.
func (r *restoring) buildpack(m platform.Module, skip bool) error {
	dir, err := r.dir(m)
	if err != nil {
		return err
	}
	// The directory has to contain only what is restored.
	if err := dir.Remove(); err != nil {
		return fmt.Errorf("removing what an earlier build left: %w", err)
	}
	app := r.Analyzed.Metadata.Buildpack(m.ID)
	if app != nil && app.Store != nil && !r.SkipStore {
		if err := dir.WriteStore(*app.Store); err != nil {
			return err
		}
	}
	if skip {
		return nil
	}
	version, err := api.Parse(m.API)
	if err != nil {
		return fmt.Errorf("reading the group: %s: %w", m, err)
	}
	var launched, cached map[string]platform.Layer
	if app != nil {
		launched = app.Layers
	}
	for _, b := range r.cached.Buildpacks {
		if b.Key == m.ID {
			cached = b.Layers
		}
	}
	return r.layers(dir, m, version, launched, cached)
}

// layers restores the metadata of a buildpack's layers: from the previous image, or else from the cache.
func (r *restoring) layers(dir buildpack.LayersDir, m platform.Module, version api.Version, launched, cached map[string]platform.Layer) error {
	for _, name := range slices.Sorted(maps.Keys(launched)) {
		l := launched[name]
		if !l.Launch || l.Build && !l.Cache {
			continue
		}
		if l.Cache {
			kept, ok := cached[name]
			if !ok || !kept.Cache || kept.SHA != l.SHA {
				continue // useless without its content, unless the cache has it, below
			}
			r.data = append(r.data, restoration{dir, name, l, true})
		}
		r.log.Info(fmt.Sprintf("Restoring metadata for %q from app image", m.ID+":"+name))
		if err := dir.WriteMetadata(name, l.Data); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cached)) {
		l := cached[name]
		before, inApp := launched[name]
		switch {
		case !l.Cache || inApp && before.Launch && before.Cache && before.SHA == l.SHA:
			continue // never restored, or already restored above
		case l.Launch && inApp && !api.CacheAlone.In(version):
			r.log.Info(fmt.Sprintf("Not restoring %q from cache, because it differs from the layer in the app image", m.ID+":"+name))
			continue
		}
		r.log.Info(fmt.Sprintf("Restoring metadata for %q from cache", m.ID+":"+name))
		if err := dir.WriteMetadata(name, l.Data); err != nil {
			return err
		}
		r.data = append(r.data, restoration{dir, name, l, false})
	}
	return nil
}

// dir returns the directory of a buildpack's layers on this machine.
func (r *restoring) dir(m platform.Module) (buildpack.LayersDir, error) {
	return buildpack.LayersOf(r.onDisk(r.Layers), m.ID)
}

func (r *restoring) onDisk(path string) string { return filepath.Join(cmp.Or(r.Root, "/"), path) }

// restoreData unpacks cached layers concurrently. If a layer cannot be read it is removed, since its metadata would
// describe missing content.
func (r *restoring) restoreData(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, d := range r.data {
		r.log.Info(fmt.Sprintf("Restoring data for %q from cache", d.dir.ID+":"+d.name))
		group.Go(func() error {
			err := r.extract(groupCtx, d.layer.SHA, path.Join(r.Layers, platform.EscapeID(d.dir.ID), d.name))
			if err == nil || groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			if !isLost(err) {
				return errors.Join(err, d.dir.RemoveLayer(d.name))
			}
			r.log.Warn(fmt.Sprintf("cannot restore layer %q, so it has to be rebuilt: %v", d.dir.ID+":"+d.name, err))
			return d.dir.RemoveLayer(d.name)
		})
	}
	return group.Wait()
}

// isLost reports whether an error is caused by the cached layer, rather than by a full, broken or read-only disk.
func isLost(err error) bool {
	return !slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO}, func(disk error) bool { return errors.Is(err, disk) })
}

func (r *restoring) extract(ctx context.Context, sha, dir string) error {
	diffID, err := v1.NewHash(sha)
	if err != nil {
		return err
	}
	content, err := r.Cache.Open(ctx, diffID)
	if err != nil {
		return err
	}
	defer content.Close()
	return layers.Source{Root: r.Root, Base: r.Layers, UID: r.UID, GID: r.GID}.Extract(files.Until(ctx, content), dir)
}

// restoreSBOMs puts the SBOMs of restored layers next to them: those of launch layers from the
// directory that the analyzer restored, those of cached layers from the cache.
func (r *restoring) restoreSBOMs(ctx context.Context) error {
	if r.SkipSBOM || !api.SBOM.In(r.API) {
		return r.dropSBOMs()
	}
	if sha := r.cached.SBOM.SHA; sha != "" {
		if err := r.extract(ctx, sha, path.Join(r.Layers, "sbom", cacheSBOMs)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.log.Warn(fmt.Sprintf("cannot restore the SBOMs of cached layers: %v", err))
		}
	}
	for _, m := range r.Group.Buildpacks {
		dir, err := r.dir(m)
		if err != nil {
			return err
		}
		restored, err := dir.Layers(nil)
		if err != nil {
			return err
		}
		for _, l := range restored {
			folders := []string{launchSBOMs}
			for _, d := range r.data {
				switch {
				case d.dir != dir || d.name != l.Name:
				case d.inApp:
					folders = []string{cacheSBOMs, launchSBOMs}
				default:
					folders = []string{cacheSBOMs}
				}
			}
			for _, folder := range folders {
				if err := r.copySBOMs(path.Join("sbom", folder, platform.EscapeID(m.ID), l.Name), dir, l.Name); err != nil {
					return err
				}
			}
		}
	}
	return r.dropSBOMs()
}

// copySBOMs copies the SBOMs in a directory of <layers> to a layer. They are from an image or a cache that buildpacks
// could write to, so only regular files are copied.
func (r *restoring) copySBOMs(from string, to buildpack.LayersDir, layer string) error {
	fault := func(err error) {
		r.log.Warn(fmt.Sprintf("cannot restore an SBOM of layer %q: %v", to.ID+":"+layer, err))
	}
	dir, err := files.Within(r.onDisk(r.Layers), from, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		fault(err)
		return nil
	}
	defer dir.Close()
	for _, ext := range buildpack.SBOMExtensions {
		data, err := files.ReadIn(dir, "sbom."+ext)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			fault(err)
			continue
		}
		if err := to.WriteFile(layer+".sbom."+ext, data); err != nil {
			return err
		}
	}
	return nil
}

// dropSBOMs removes the SBOMs of the earlier build, so that this build does not include them.
func (r *restoring) dropSBOMs() error { return files.RemoveWithin(r.onDisk(r.Layers), "sbom") }
