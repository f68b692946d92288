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

// A cachedLayer is a layer for the cache. If it is also in the app image, it shares the [layers.Layer],
// which is hashed and compressed once.
type cachedLayer struct {
	buildpack.Layer
	layer *layers.Layer
}

// describe returns a layer's metadata for images and caches.
func describe(l buildpack.Layer, ref platform.LayerRef) platform.Layer {
	return platform.Layer{LayerRef: ref, Data: l.Metadata, Build: l.Build, Launch: l.Launch, Cache: l.Cache}
}

// collectCached describes a buildpack's layers for the cache. A layer that cannot be cached is skipped.
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

// launched returns the app image's layer of that name; nil if there is none or it has no directory.
func (c *contribution) launched(name string) *layers.Layer {
	for n, l := range c.launch {
		if l.Name == name {
			return c.pieces[n].layer
		}
	}
	return nil
}

// saveCache replaces the content of the cache. A failure does not affect the exported image.
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
		x.log.Warn(fmt.Sprintf("cannot update the cache, so the next build may take longer: %v", err))
	}
}

// fillCache adds the layers concurrently, and then commits.
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

// oldCache returns the diff IDs in the cache.
func (x *export) oldCache(ctx context.Context) map[v1.Hash]bool {
	old := map[v1.Hash]bool{}
	m, err := x.Cache.Metadata(ctx)
	if err != nil {
		x.log.Debug(fmt.Sprintf("cannot read the cache metadata: %v", err))
		return old
	}
	ids, _ := m.DiffIDs() // already validated
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

// cacheSBOM returns the layer with the SBOMs of cached layers, or nil.
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
