package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A cachedLayer is a layer for the cache. One that is also in the app image is the same [layers.Layer],
// so that it is hashed and compressed once.
type cachedLayer struct {
	buildpack.Layer
	layer *layers.Layer
}

// describe is a layer as the metadata of images and caches have it.
func describe(l buildpack.Layer, ref platform.LayerRef) platform.Layer {
	return platform.Layer{LayerRef: ref, Data: l.Metadata, Build: l.Build, Launch: l.Launch, Cache: l.Cache}
}

// collectCached describes a buildpack's layers for the cache. One that cannot be kept is left out.
func (x *export) collectCached(c *contribution) {
	if x.Cache == nil {
		return
	}
	for _, l := range c.layers {
		if !l.Cache {
			continue
		}
		layer := c.launched(l.Name)
		if layer == nil {
			var err error
			if layer, err = x.source.Dir(x.layerPath(c.ID, l.Name)); err != nil {
				x.log.Warn(fmt.Sprintf("layer '%s:%s' is not cached: %v", c.ID, l.Name, err))
				continue
			}
		}
		c.cached = append(c.cached, cachedLayer{l, layer})
	}
}

// launched is the layer of that name in the app image; nil if there is none, or no directory of it.
func (c *contribution) launched(name string) *layers.Layer {
	for n, l := range c.launch {
		if l.Name == name {
			return c.pieces[n].layer
		}
	}
	return nil
}

// saveCache replaces what the cache has. The app image is all right whatever becomes of that.
func (x *export) saveCache(ctx context.Context) {
	if x.Cache == nil {
		return
	}
	err := x.fillCache(ctx)
	if err == nil {
		return
	}
	err = errors.Join(err, x.Cache.Close())
	if ctx.Err() == nil {
		x.log.Warn(fmt.Sprintf("the cache is not up to date, so the next build may take longer: %v", err))
	}
}

// fillCache adds the layers side by side, and commits when all are there.
func (x *export) fillCache(ctx context.Context) error {
	old := x.oldCache(ctx)
	m := cache.Metadata{Buildpacks: []cache.Buildpack{}}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	add := func(l *layers.Layer) { group.Go(func() error { return x.Cache.Add(groupCtx, l) }) }
	for _, c := range x.buildpacks {
		for _, l := range c.cached {
			add(l.layer)
		}
	}
	sbom, err := x.cacheSBOM()
	if err != nil {
		return errors.Join(err, group.Wait())
	}
	if sbom != nil {
		add(sbom)
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, c := range x.buildpacks {
		b := cache.Buildpack{Key: c.ID, Version: c.Version, Layers: map[string]cache.Layer{}}
		for _, l := range c.cached {
			ref, err := x.cacheRef(old, c.ID+":"+l.Name, l.layer)
			if err != nil {
				return err
			}
			b.Layers[l.Name] = describe(l.Layer, ref)
		}
		m.Buildpacks = append(m.Buildpacks, b)
	}
	if sbom != nil {
		if m.SBOM, err = x.cacheRef(old, cacheSBOMName, sbom); err != nil {
			return err
		}
	}
	return x.Cache.Commit(ctx, m)
}

// oldCache is the diff IDs that the cache has.
func (x *export) oldCache(ctx context.Context) map[v1.Hash]bool {
	old := map[v1.Hash]bool{}
	m, err := x.Cache.Metadata(ctx)
	if err != nil {
		x.log.Debug(fmt.Sprintf("what the cache had cannot be told: %v", err))
		return old
	}
	ids, _ := m.DiffIDs() // what was read is well-formed
	for _, id := range ids {
		old[id] = true
	}
	return old
}

func (x *export) cacheRef(old map[v1.Hash]bool, name string, l *layers.Layer) (cache.LayerRef, error) {
	diffID, err := l.DiffID()
	if err != nil {
		return cache.LayerRef{}, err
	}
	what := "Adding"
	if old[diffID] {
		what = "Reusing"
	}
	x.log.Info(fmt.Sprintf("%s cache layer '%s'", what, name))
	return cache.LayerRef{SHA: diffID.String()}, nil
}

// cacheSBOM is the layer with the SBOMs of cached layers; nil if there are none.
func (x *export) cacheSBOM() (*layers.Layer, error) {
	if !api.SBOM.In(x.API) {
		return nil, nil
	}
	layer, err := x.source.Dir(path.Join(x.Layers, "sbom", cacheSBOMs))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return layer, err
}
