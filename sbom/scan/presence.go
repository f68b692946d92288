package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// A presence tells which of the watched files are there.
type presence struct {
	links
	watched func(file string) bool // whether lookup would find what is there
	found   map[string]string      // directories without links, by directory
}

func newPresence(l links, watched func(string) bool) *presence {
	return &presence{l, watched, map[string]string{}}
}

// An answer is what is known of a file.
type answer byte

const (
	unknown answer = iota
	there
	absent
)

// look tells whether there is a regular file, or a link to one, at the path. A link that leads to
// where nothing is watched is taken to lead to one.
func (p *presence) look(file string) answer {
	dir, base := path.Split(clean(file))
	dir = path.Clean(dir)
	real, ok := p.found[dir]
	if !ok {
		_, real = resolve(p, dir)
		p.found[dir] = real
	}
	at := path.Join(real, base)
	n := p.lookup(at)
	linked := n != nil && n.kind == symlink
	if linked {
		n, at = resolve(p, at)
	}
	switch {
	case real == "" || at == "": // links to themselves
		return absent
	case n == nil && p.watched(at):
		return absent
	case n == nil && linked:
		return there
	case n == nil || n.kind == hidden:
		return unknown
	case n.kind == regular:
		return there
	}
	return absent
}

// check takes commands and libraries that are not there out of what the package owns.
func (p *presence) check(pkg *sbom.Package) {
	pkg.Known |= sbom.Presence
	gone := pkg.Absent
	pkg.Files = slices.DeleteFunc(pkg.Files, func(file string) bool {
		if sbom.FileName(file) == "" {
			return false
		}
		answer := p.look(file)
		switch answer {
		case absent:
			gone = append(gone, file)
		case unknown:
			pkg.Known &^= sbom.Files | sbom.Presence
		}
		return answer != there
	})
	pkg.Absent = nil
	if len(gone) > 0 {
		pkg.Absent = sortedPaths(gone)
	}
}

// linkedDirs are the directories, of those that hold commands and libraries, that are links to where
// nothing is watched: the directories that they are links to.
func (t *tree) linkedDirs(in *interest) []string {
	var linked []string
	follow := func(dir string) {
		_, real := resolve(t, dir)
		if real != dir && real != "" && !in.holdsNames(real) {
			linked = append(linked, real)
		}
	}
	for _, dir := range slices.Concat(sbom.CommandDirs, sbom.LibraryDirs) {
		follow(dir)
	}
	for _, dir := range sbom.LibraryDirs {
		children, _ := t.list(dir) // of a tree there is no error
		for _, base := range children {
			if sbom.IsMultiarchDir(dir + "/" + base) {
				follow(dir + "/" + base)
			}
		}
	}
	return linked
}

// divert gives the package its files as dpkg-divert(1) has renamed them: the
// database of diversions has three lines each, the file, its other name, and the
// package whose own file keeps the name (":" for none).
func divert(p *sbom.Package, name string, diversions []byte) {
	lines := strings.Split(strings.TrimSpace(string(diversions)), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		i, found := slices.BinarySearch(p.Files, lines[0])
		if !found || lines[2] == name {
			continue
		}
		if sbom.FileName(lines[0]) != "" {
			p.Absent = append(p.Absent, lines[0])
		}
		p.Files[i] = lines[1]
		slices.Sort(p.Files)
	}
	p.Files = slices.Compact(p.Files)
}
