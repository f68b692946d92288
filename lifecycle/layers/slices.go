package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// App returns the layers of the app directory: one for each slice, in order, and a last one
// for the files in no slice. Layers may be empty. A slice is a list of globs
// (buildpack.md, "launch.toml") with the syntax of [path.Match], relative to the app directory
// or absolute within it; a directory stands for its whole content. A file belongs to the first
// slice that matches it. Globs outside the app directory match nothing; App calls
// outside for them, if it is not nil.
//
// A glob is matched with the names of files, not through symbolic links, so a link
// never brings a file from elsewhere into an image.
func (s Source) App(dir string, paths [][]string, outside func(slice int, glob string)) ([]*Layer, error) {
	globs, err := sliceGlobs(dir, paths, outside)
	if err != nil {
		return nil, err
	}
	if len(globs) == 0 {
		layer, err := s.Dir(dir)
		return []*Layer{layer}, err
	}
	d := division{globs: globs}
	t, err := s.tree(dir, d.assign)
	if err != nil {
		return nil, err
	}
	d.dropEmptied()
	layers := make([]*Layer, len(paths)+1)
	for i := range layers {
		layers[i] = &Layer{content: part{t, d.pick(int32(i))}, spool: s.Spool}
	}
	return layers, nil
}

// sliceGlobs returns the globs as absolute ones, without those outside the app directory.
func sliceGlobs(dir string, slicePaths [][]string, outside func(int, string)) ([][]string, error) {
	globs := make([][]string, len(slicePaths))
	for i, paths := range slicePaths {
		for _, p := range paths {
			glob := path.Clean(p)
			if !path.IsAbs(p) {
				glob = path.Join(escapeGlob(dir), p)
			}
			if _, err := path.Match(glob, ""); err != nil {
				return nil, fmt.Errorf("reading slice %d: path %q: %w", i+1, p, err)
			}
			if !within(glob, dir) && !within(glob, escapeGlob(dir)) {
				if outside != nil {
					outside(i, p)
				}
				continue
			}
			globs[i] = append(globs[i], glob)
		}
	}
	return globs, nil
}

// A division has the slice of each entry of a tree, by index. Directories come before their content.
type division struct {
	globs  [][]string // by slice; the rest comes after them
	parent []int32    // index of the directory; -1: that of the app, whose index is 0
	owner  []int32    // slice
	inside []int32    // slice of a directory's content, unless it is in an earlier one
}

// parentOnly is the slice of a directory that other slices have only as a parent.
const parentOnly = -1

// assign sets the slice of the next entry.
func (d *division) assign(n node) {
	rest := int32(len(d.globs))
	owner := rest
	if n.parent >= 0 {
		owner = d.inside[n.parent]
	}
	// An earlier slice wins over that of the directory.
	for i := range d.globs[:owner] {
		if matches(d.globs[i], n.name) {
			owner = int32(i)
			break
		}
	}
	d.inside = append(d.inside, owner)
	if n.parent < 0 {
		owner = rest // so that every image has it, even if a slice takes all its content
	}
	d.parent, d.owner = append(d.parent, int32(n.parent)), append(d.owner, owner)
}

// dropEmptied removes a directory from its slice, or from the rest, if all its content is in earlier slices:
// these have it as a parent. An empty directory stays.
func (d *division) dropEmptied() {
	filled, remaining := newBits(len(d.owner)), newBits(len(d.owner))
	for i, owner := range slices.Backward(d.owner) {
		parent := int(d.parent[i])
		if filled.has(i) && !remaining.has(i) {
			d.owner[i] = parentOnly
		} else if parent >= 0 && d.owner[parent] == owner {
			remaining.add(parent)
		}
		if parent >= 0 {
			filled.add(parent)
		}
	}
}

// pick returns the entries of a slice with all their parents.
func (d *division) pick(slice int32) bits {
	wanted := newBits(len(d.owner))
	for i, owner := range slices.Backward(d.owner) {
		if owner == slice {
			wanted.add(i)
		}
		if parent := int(d.parent[i]); parent >= 0 && wanted.has(i) {
			wanted.add(parent)
		}
	}
	return wanted
}

func matches(globs []string, name string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok { // sliceGlobs rejects malformed globs
			return true
		}
	}
	return false
}

func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
