package scan

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxRead limits the memory used for the files of [ReadFiles].
const maxRead = 32 << 20

// ReadFiles returns the content of files of an image, by their paths as given, as a process in the image sees
// them. The result lacks paths that are not regular files. It reads layers from the top, and only as many as decide about
// the files.
func ReadFiles(ctx context.Context, img v1.Image, cache Cache, names ...string) (map[string][]byte, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading image layers: %w", err)
	}
	in := &selection{files: map[string]bool{}, above: map[string]bool{}, filesOnly: true}
	for _, name := range names {
		in.addFile(clean(name))
	}
	for round := 1; ; round++ {
		t, err := Options{Cache: cache}.readFromTop(ctx, layers, in)
		if err != nil {
			return nil, err
		}
		found, more := map[string][]byte{}, false
		for _, name := range names {
			n, real := resolve(t, clean(name))
			switch {
			case n != nil && n.kind == regular:
				found[name] = n.content
			case n == nil && real != "" && !in.wants(real):
				in.addFile(real)
				more = true
			}
		}
		if !more || round == maxRounds {
			return found, nil
		}
	}
}

// readFromTop reads layers until these decide about all files.
func (o Options) readFromTop(ctx context.Context, layers []v1.Layer, in *selection) (*tree, error) {
	b := &budget{}
	b.left.Store(maxRead)
	var read [][]entry // the top layer last
	for i, layer := range slices.Backward(layers) {
		entries, err := o.readCached(ctx, layer, in, b)
		if err != nil {
			return nil, fmt.Errorf("reading layer %d of %d: %w", i+1, len(layers), err)
		}
		read = slices.Insert(read, 0, entries)
		if in.settled(slices.Concat(read...)) {
			break
		}
	}
	t := newTree()
	for _, entries := range read {
		t.apply(entries)
	}
	return t, nil
}

// settled reports whether no layer below these entries has a say about the wanted files.
func (in *selection) settled(entries []entry) bool {
	kinds := map[string][]kind{}
	for _, e := range entries {
		kinds[e.path] = append(kinds[e.path], e.kind)
	}
	for name := range in.files {
		if !decided(kinds, name) {
			return false
		}
	}
	return true
}

// decided reports whether entries, by path, are all that there is to know about a file: its directories are plain
// ones, and the file itself or one of them is there for good or gone.
func decided(kinds map[string][]kind, name string) bool {
	parts := strings.Split(name, "/")
	for i := range parts {
		at := path.Join(parts[:i+1]...)
		all := kinds[at]
		link := slices.Contains(all, symlink) || slices.Contains(all, hardlink)
		switch {
		case link:
			return false
		case slices.Contains(all, whiteout) || slices.Contains(all, regular) || slices.Contains(all, other):
			return true
		case !slices.Contains(all, dir) && !slices.Contains(all, opaque):
			return false
		}
	}
	return false
}
