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
	entries, err := s.tree(dir)
	if err != nil {
		return nil, err
	}
	owner := assign(entries, dir, globs)
	layers := make([]*Layer, len(paths)+1)
	for i := range layers {
		layers[i] = &Layer{entries: pick(entries, owner, i), spool: s.Spool}
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

// assign returns the slice of each entry. Entries follow their parents, so the slice of a
// directory is known before that of its content.
func assign(entries []entry, dir string, globs [][]string) []int {
	rest := len(globs)
	slice := make(map[string]int, len(entries)) // by directory
	owner := make([]int, len(entries))
	for i, e := range entries {
		name := e.header.Name
		owner[i] = rest
		if !within(name, dir) {
			continue
		}
		if parent, ok := slice[path.Dir(name)]; ok {
			owner[i] = parent
		}
		// An earlier slice wins over that of the directory.
		for n := range globs[:owner[i]] {
			if matches(globs[n], name) {
				owner[i] = n
				break
			}
		}
		slice[name] = owner[i]
		if name == dir {
			owner[i] = rest // so that every image has it, even if a slice takes all its content
		}
	}
	dropEmptied(entries, owner)
	return owner
}

// parentOnly is the slice of a directory that other slices have only as a parent.
const parentOnly = -1

// dropEmptied removes a directory from its slice, or from the rest, if all its content is in earlier slices:
// these have it as a parent. An empty directory stays.
func dropEmptied(entries []entry, owner []int) {
	type part struct {
		dir   string
		slice int
	}
	children, remaining := map[string]int{}, map[part]int{}
	for i, e := range slices.Backward(entries) {
		name := e.header.Name
		children[path.Dir(name)]++
		if children[name] > 0 && remaining[part{name, owner[i]}] == 0 {
			owner[i] = parentOnly
			continue
		}
		remaining[part{path.Dir(name), owner[i]}]++
	}
}

func matches(globs []string, name string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok { // sliceGlobs rejects malformed globs
			return true
		}
	}
	return false
}

// pick returns the entries of a slice with all their parents.
func pick(entries []entry, owner []int, slice int) []entry {
	wanted := map[string]bool{}
	for i, e := range entries {
		if owner[i] != slice {
			continue
		}
		for name := e.header.Name; name != "/" && !wanted[name]; name = path.Dir(name) {
			wanted[name] = true
		}
	}
	var picked []entry
	for _, e := range entries {
		if wanted[e.header.Name] {
			picked = append(picked, e)
		}
	}
	return picked
}

func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
