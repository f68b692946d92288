package layers

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// App describes the layers of the app directory: one for each slice, in their order,
// and one for the files in none of them, which is last and empty if there are none. A slice is path globs
// (buildpack.md, "launch.toml"): relative to the app directory or absolute in it, with
// the syntax of [path.Match]; a directory stands for all that is in it. A file goes to
// the first slice that matches it. A slice that matches none gives an empty layer. Globs
// that lead out of the app directory match nothing; outside is told of them, it may be nil.
//
// A glob is matched with the files' own names, not through symbolic links, so a link
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

// sliceGlobs makes the globs absolute. It refuses those that are malformed, and leaves out
// those that lead out of the app directory.
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

// assign gives for each entry the slice that it is in. Entries follow their parents, so
// what holds for a directory is known when its files come.
func assign(entries []entry, dir string, globs [][]string) []int {
	rest := len(globs)
	slice := make(map[string]int, len(entries)) // of directories as they are matched
	owner := make([]int, len(entries))
	for i, e := range entries {
		name := e.header.Name
		owner[i] = rest
		if !within(name, dir) {
			continue
		}
		if above, ok := slice[path.Dir(name)]; ok {
			owner[i] = above
		}
		// An earlier slice wins over the one that has the directory.
		for n := range globs[:owner[i]] {
			if matches(globs[n], name) {
				owner[i] = n
				break
			}
		}
		slice[name] = owner[i]
		if name == dir {
			owner[i] = rest // in every image, also where a slice takes all that is in it
		}
	}
	leaveEmptied(entries, owner)
	return owner
}

// nowhere is the slice of a directory that is in others only as a parent.
const nowhere = -1

// leaveEmptied leaves a directory out of its slice, or of the rest, if all that it holds is in earlier slices:
// these have it as a parent. A directory that was empty before stays.
func leaveEmptied(entries []entry, owner []int) {
	type part struct {
		dir   string
		slice int
	}
	children, left := map[string]int{}, map[part]int{}
	for i, e := range slices.Backward(entries) {
		name := e.header.Name
		children[path.Dir(name)]++
		if children[name] > 0 && left[part{name, owner[i]}] == 0 {
			owner[i] = nowhere
			continue
		}
		left[part{path.Dir(name), owner[i]}]++
	}
}

func matches(globs []string, name string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok { // malformed globs are refused before
			return true
		}
	}
	return false
}

// pick is the entries of a slice with all their parents.
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
