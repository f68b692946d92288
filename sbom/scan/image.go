package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// maxRounds bounds how often an image is read: again only if a link led to where nobody looked.
const maxRounds = 4

// fromLayers reads the layers side by side and puts them upon each other.
func fromLayers(ctx context.Context, img v1.Image, opts Options) (files, *presence, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, nil, fmt.Errorf("reading layers of the image: %w", err)
	}
	return inRounds(func(in *interest) (*tree, error) { return opts.read(ctx, layers, in) })
}

// inRounds reads an image, again if links led to where nobody looked.
func inRounds(read func(*interest) (*tree, error)) (files, *presence, error) {
	in := newInterest()
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

// extend adds the places where links led to, and reports whether any is new.
func (in *interest) extend(lost *elsewhere) bool {
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

func (o Options) read(ctx context.Context, layers []v1.Layer, in *interest) (*tree, error) {
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

// readCached takes what the cache has of the layer, else reads it. A layer that is not what its
// diff ID says is not kept: its image could speak for a layer of another.
func (o Options) readCached(ctx context.Context, layer v1.Layer, in *interest, b *budget) ([]entry, error) {
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

// picked is changed whenever something else is picked out of a layer for the same interest.
const picked = "with the names of commands and libraries"

// key names what was picked out of a layer by the layer and by what was to be picked.
func (in *interest) key(diffID v1.Hash) string {
	sum := sha256.New()
	io.WriteString(sum, picked+"\n")
	for _, f := range slices.Sorted(maps.Keys(in.files)) {
		io.WriteString(sum, f+"\n")
	}
	for _, d := range slices.Sorted(maps.Keys(in.dirs)) {
		io.WriteString(sum, d+"/*"+strings.Join(in.dirs[d], ",")+"\n")
	}
	for _, d := range slices.Sorted(maps.Keys(in.names)) {
		io.WriteString(sum, d+"/\n")
	}
	return diffID.Algorithm + "-" + diffID.Hex + "-" + hex.EncodeToString(sum.Sum(nil)[:4])
}
