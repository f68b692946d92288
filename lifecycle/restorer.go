package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A Restorer brings back what earlier builds left for the buildpacks of the group: metadata,
// SBOMs and cached layers (platform.md, "restorer", "Layer Restoration"; buildpack.md,
// "Layer Types").
type Restorer struct {
	API      api.Version
	Group    platform.Group
	Analyzed *platform.Analyzed
	Cache    cache.Cache // nil: there is none
	Layers   string      // <layers>
	ExecEnv  string      // layers of a build for another one are not restored

	SkipLayers bool // restore nothing but store.toml
	SkipSBOM   bool

	Log *slog.Logger // nil: silent
}

// Run restores. A cache that is lost or damaged is no error. The error has code 42.
func (r *Restorer) Run(ctx context.Context) error {
	x := &restoring{Restorer: r, log: logger(r.Log)}
	if err := x.run(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fail.As(fail.Restore, "restoring layers", err)
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

// A restoration is a layer whose content is to be restored from the cache.
type restoration struct {
	dir   buildpack.LayersDir
	name  string
	layer cache.Layer
}

func (r *restoring) run(ctx context.Context) error {
	skip := r.SkipLayers || r.otherExecEnv()
	if r.Cache != nil && !skip {
		var err error
		if r.cached, err = r.Cache.Metadata(ctx); err != nil {
			r.log.Warn(fmt.Sprintf("nothing is restored from the cache: %v", err))
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

// otherExecEnv reports whether the previous image was for another execution environment
// (platform.md, "Layer Restoration").
func (r *restoring) otherExecEnv() bool {
	if !api.ExecEnv.In(r.API) || r.Analyzed.PreviousImage == nil {
		return false
	}
	before, now := r.Analyzed.Metadata.ExecEnv, r.ExecEnv
	return orProduction(before) != orProduction(now)
}

func orProduction(execEnv string) string {
	if execEnv == "" {
		return "production"
	}
	return execEnv
}

// buildpack restores store.toml and the metadata of one buildpack's layers, and notes which
// contents are to be restored.
func (r *restoring) buildpack(m platform.Module, skip bool) error {
	dir, err := buildpack.LayersOf(r.Layers, m.ID)
	if err != nil {
		return err
	}
	app := r.Analyzed.Metadata.Buildpack(m.ID)
	if app != nil && app.Store != nil {
		if err := dir.WriteStore(*app.Store); err != nil {
			return err
		}
	}
	if err := clean(dir); err != nil || skip {
		return err
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

// clean removes layers that an earlier build left on disk: what is there has to be what is
// restored.
func clean(dir buildpack.LayersDir) error {
	old, err := dir.Layers(nil)
	if err != nil {
		if _, isPath := errors.AsType[*fs.PathError](err); isPath {
			return err
		}
		return os.RemoveAll(dir.Path) // what it says cannot be read
	}
	for _, l := range old {
		if err := dir.RemoveLayer(l.Name); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) layers(dir buildpack.LayersDir, m platform.Module, version api.Version, launched, cached map[string]platform.Layer) error {
	for _, name := range slices.Sorted(maps.Keys(launched)) {
		l := launched[name]
		if !l.Launch || l.Build || l.Cache {
			continue // from the cache, or not at all
		}
		r.log.Info(fmt.Sprintf("Restoring metadata for %q from app image", m.ID+":"+name))
		if err := dir.WriteMetadata(name, l.Data); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cached)) {
		l := cached[name]
		if !l.Cache {
			continue
		}
		before, inApp := launched[name]
		if l.Launch && !api.CacheAlone.In(version) && (!inApp || before.SHA != l.SHA) {
			r.log.Info(fmt.Sprintf("Not restoring %q from cache, because it is not what is in the app image", m.ID+":"+name))
			continue
		}
		r.log.Info(fmt.Sprintf("Restoring metadata for %q from cache", m.ID+":"+name))
		if err := dir.WriteMetadata(name, l.Data); err != nil {
			return err
		}
		r.data = append(r.data, restoration{dir, name, l})
	}
	return nil
}

// restoreData unpacks cached layers, side by side. One that cannot be read is left out whole.
func (r *restoring) restoreData(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, d := range r.data {
		group.Go(func() error {
			r.log.Info(fmt.Sprintf("Restoring data for %q from cache", d.dir.ID+":"+d.name))
			err := r.extract(ctx, d.layer.SHA, filepath.Join(d.dir.Path, d.name))
			if err == nil || ctx.Err() != nil {
				return ctx.Err()
			}
			if !isLost(err) {
				return errors.Join(err, d.dir.RemoveLayer(d.name))
			}
			r.log.Warn(fmt.Sprintf("layer %q is not restored and has to be made anew: %v", d.dir.ID+":"+d.name, err))
			return d.dir.RemoveLayer(d.name)
		})
	}
	return group.Wait()
}

// isLost reports whether an error is the cache's: a full disk is not.
func isLost(err error) bool {
	_, isPath := errors.AsType[*fs.PathError](err)
	return errors.Is(err, cache.ErrCorrupt) || errors.Is(err, cache.ErrNotFound) || !isPath
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
	return layers.Source{}.Extract(content, dir)
}

// restoreSBOMs puts the SBOMs of restored layers beside them: those of launch layers were
// brought by the analyzer, those of cached layers are in the cache.
func (r *restoring) restoreSBOMs(ctx context.Context) error {
	if r.SkipSBOM || !api.SBOM.In(r.API) {
		return r.dropSBOMs()
	}
	if sha := r.cached.SBOM.SHA; sha != "" {
		if err := r.extract(ctx, sha, filepath.Join(r.Layers, "sbom", cacheSBOMs)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.log.Warn(fmt.Sprintf("the SBOMs of cached layers are not restored: %v", err))
		}
	}
	for _, m := range r.Group.Buildpacks {
		dir, err := buildpack.LayersOf(r.Layers, m.ID)
		if err != nil {
			return err
		}
		restored, err := dir.Layers(nil)
		if err != nil {
			return err
		}
		for _, l := range restored {
			folder := launchSBOMs
			if slices.ContainsFunc(r.data, func(d restoration) bool { return d.dir == dir && d.name == l.Name }) {
				folder = cacheSBOMs
			}
			if err := r.copySBOMs(filepath.Join(r.Layers, "sbom", folder, platform.EscapeID(m.ID), l.Name), l); err != nil {
				return err
			}
		}
	}
	return r.dropSBOMs()
}

func (r *restoring) copySBOMs(from string, l buildpack.Layer) error {
	for _, ext := range buildpack.SBOMExtensions {
		data, err := os.ReadFile(filepath.Join(from, "sbom."+ext))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := platform.WriteFile(l.Path+".sbom."+ext, data); err != nil {
			return err
		}
	}
	return nil
}

// dropSBOMs removes the SBOMs of the earlier build, so that none of them gets into this one.
func (r *restoring) dropSBOMs() error { return os.RemoveAll(filepath.Join(r.Layers, "sbom")) }
