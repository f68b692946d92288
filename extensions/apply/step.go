//go:build linux

package apply

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
)

// A step is an instruction that can change files.
type step struct {
	layer *Layer
	key   []string // everything that the result depends on, besides earlier steps
	run   bool     // a RUN
	do    func(context.Context) error

	mounts []mount
}

// step adds a step's layer, from the cache or by executing the step and recording its changes.
func (b *build) step(ctx context.Context, s step) error {
	b.key = b.key.next(s.key...)
	b.volatile = b.volatile || slices.ContainsFunc(s.key, func(k string) bool { return strings.Contains(k, b.BuildID) })
	log := b.Log.With("extension", s.layer.Extension.ID)
	if b.store != nil && !b.missed && !b.volatile {
		if e, ok := b.store.load(b.key); ok {
			log.Info("using the cached layer of: " + s.layer.Instruction)
			b.useCached(s.layer, e)
			return nil
		}
	}
	b.missed = true
	b.executed++
	log.Info("executing " + s.layer.Instruction)
	if err := b.updateTree(ctx); err != nil {
		return err
	}
	if len(s.mounts) > 0 {
		include, err := b.excludeMounts(s.mounts)
		if err != nil {
			return err
		}
		defer include()
	}
	if err := b.snapshot(); err != nil {
		return err
	}
	if err := b.withMounts(ctx, s.mounts, s.do); err != nil {
		return err
	}
	return b.record(s)
}

// snapshot brings the last snapshot up to date.
func (b *build) snapshot() (err error) {
	if b.last == nil {
		b.last, err = b.tree.scan(b.skip)
	}
	if err != nil {
		return err
	}
	return b.last.settleClock()
}

// useCached adds the layer of a cache entry.
func (b *build) useCached(l *Layer, e entry) {
	if e.DiffID == (v1.Hash{}) {
		return
	}
	l.Cached, l.diffID, l.file = true, e.DiffID, e.file
	b.layers, b.pending = append(b.layers, l), append(b.pending, l)
}

// record writes an instruction's changes as a layer and caches it.
func (b *build) record(s step) error {
	now, err := b.tree.scan(b.skip)
	if err != nil {
		return err
	}
	var ignore map[string]bool
	if s.run && b.Root.isolated() {
		ignore = networkFiles
	}
	changes := now.since(b.last, ignore)
	unchangedDir := func(*file) bool { return false }
	if !s.run {
		unchangedDir = unchangedDirs(b.last, now)
	}
	b.last = now
	if len(changes) > 0 {
		err = b.write(s.layer, changes, unchangedDir)
	}
	if err != nil {
		return fmt.Errorf("writing the layer: %w", err)
	}
	stored := b.store != nil && !b.volatile && b.store.save(b.key, s.layer)
	if b.guest != nil && !stored && len(changes) > 0 {
		return b.guest.keep(s.layer)
	}
	return nil
}

func (b *build) write(l *Layer, changes []change, unchangedDir func(*file) bool) (err error) {
	dir := b.Spool
	if b.store != nil && !b.volatile {
		dir = b.store.spool(dir)
	}
	l.file, l.diffID, _, err = spool(dir, "layer-*.tar", func(w io.Writer) error {
		return b.tree.writeLayer(w, changes, unchangedDir)
	})
	if err == nil {
		b.layers = append(b.layers, l)
	}
	return err
}

// unchangedDirs returns a func that reports whether a directory is unchanged itself and listed
// only as a parent. Such a directory's times differ between containers.
func unchangedDirs(before, now snapshot) func(*file) bool {
	same := map[string]bool{}
	for i, j := 0, 0; i < len(now) && j < len(before); {
		switch order := comparePaths(now[i].path, before[j].path); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			if now[i].isDir() && now[i].same(&before[j]) {
				same[now[i].path] = true
			}
			i, j = i+1, j+1
		}
	}
	return func(f *file) bool { return same[f.path] }
}
