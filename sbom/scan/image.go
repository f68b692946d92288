package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// maxRounds limits how often an image is read. It is read again if a link leads to
// a path that was not collected.
const maxRounds = 4

// fromLayers reads the layers in parallel and applies them in order.
func fromLayers(ctx context.Context, img v1.Image, opts Options) (files, *presence, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, nil, fmt.Errorf("reading image layers: %w", err)
	}
	return inRounds(func(in *selection) (*tree, error) { return opts.read(ctx, layers, in) })
}

// inRounds reads an image until every link leads to a collected path, at most
// maxRounds times.
func inRounds(read func(*selection) (*tree, error)) (files, *presence, error) {
	in := newSelection()
	for round := 1; ; round++ {
		t, err := read(in)
		if err != nil {
			return nil, nil, err
		}
		found, lost, err := collect(t)
		if err != nil {
			return nil, nil, err
		}
		lost.names = t.linkedDirs(in)
		if round == maxRounds || !in.extend(lost) {
			return found, newPresence(t, in.watches), nil
		}
	}
}

// extend adds the paths that links lead to, and reports whether any is new.
func (in *selection) extend(lost *linkTargets) bool {
	extended := false
	for _, name := range lost.files {
		if !in.wants(name) {
			in.addFile(name)
			extended = true
		}
	}
	for dir, endings := range lost.dirs {
		if _, known := in.dirs[dir]; !known {
			in.addDir(dir, endings)
			extended = true
		}
	}
	for _, dir := range lost.names {
		if !in.names[dir] {
			in.addNames(dir)
			extended = true
		}
	}
	return extended
}

func (o Options) read(ctx context.Context, layers []v1.Layer, in *selection) (*tree, error) {
	entries := make([][]entry, len(layers))
	b := &budget{}
	b.left.Store(maxContent)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.parallel())
	for i, layer := range layers {
		g.Go(func() (err error) {
			if entries[i], err = o.readCached(ctx, layer, in, b); err != nil {
				return fmt.Errorf("reading layer %d of %d: %w", i+1, len(layers), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	t := newTree()
	for _, e := range entries {
		t.apply(e)
	}
	return t, nil
}

func (o Options) parallel() int {
	if o.Parallel <= 0 {
		return 4
	}
	return o.Parallel
}

// readCached returns the layer's entries from the cache, or reads the layer. It
// does not cache a layer whose content differs from its DiffID, because the entry
// would be used for other images.
func (o Options) readCached(ctx context.Context, layer v1.Layer, in *selection, b *budget) ([]entry, error) {
	if o.Cache == nil {
		return readLayer(ctx, layer, in, b, nil)
	}
	diffID, err := layer.DiffID()
	if err != nil {
		return nil, err
	}
	key := in.key(diffID)
	if entries, ok := decodeEntries(o.Cache.Get(key), in, b); ok {
		return entries, nil
	}
	sum := sha256.New()
	entries, err := readLayer(ctx, layer, in, b, sum)
	if err != nil {
		return nil, err
	}
	if matches(diffID, sum) {
		o.Cache.Put(key, encodeEntries(entries))
	}
	return entries, nil
}

func matches(h v1.Hash, sum hash.Hash) bool {
	return h.Algorithm == "sha256" && h.Hex == hex.EncodeToString(sum.Sum(nil))
}

// selectionVersion is changed whenever the same selection keeps something else of a
// layer.
const selectionVersion = "with the names of commands and libraries"

// key returns the cache key of a layer for this selection.
func (in *selection) key(diffID v1.Hash) string {
	sum := sha256.New()
	fmt.Fprintln(sum, selectionVersion)
	for _, f := range slices.Sorted(maps.Keys(in.files)) {
		fmt.Fprintln(sum, f)
	}
	for _, d := range slices.Sorted(maps.Keys(in.dirs)) {
		fmt.Fprintln(sum, d+"/*"+strings.Join(in.dirs[d], ","))
	}
	for _, d := range slices.Sorted(maps.Keys(in.names)) {
		fmt.Fprintln(sum, d+"/")
	}
	return diffID.Algorithm + "-" + diffID.Hex + "-" + hex.EncodeToString(sum.Sum(nil)[:4])
}
