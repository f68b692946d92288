package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// A presence tells which of the watched files exist.
type presence struct {
	links
	watched func(file string) bool // whether lookup would find a file at the path
	found   map[string]string      // resolved directories, by directory
}

func newPresence(l links, watched func(string) bool) *presence {
	return &presence{l, watched, map[string]string{}}
}

// A fileState says whether a file exists.
type fileState byte

const (
	unknown fileState = iota
	present
	absent
)

// state reports whether there is a regular file, or a link to one, at the path. A
// link to a path that is not watched counts as a link to a file.
func (p *presence) state(file string) fileState {
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
	case real == "" || at == "": // link cycle
		return absent
	case n == nil && p.watched(at):
		return absent
	case n == nil && linked:
		return present
	case n == nil || n.kind == hidden:
		return unknown
	case n.kind == regular:
		return present
	}
	return absent
}

// check moves the commands and libraries that do not exist from Files to Absent.
func (p *presence) check(pkg *sbom.Package) {
	pkg.Known |= sbom.Presence
	gone := pkg.Absent
	pkg.Files = slices.DeleteFunc(pkg.Files, func(file string) bool {
		if sbom.FileName(file) == "" {
			return false
		}
		answer := p.state(file)
		switch answer {
		case absent:
			gone = append(gone, file)
		case unknown:
			pkg.Known &^= sbom.Files | sbom.Presence
		}
		return answer != present
	})
	pkg.Absent = nil
	if len(gone) > 0 {
		pkg.Absent = sortedPaths(gone)
	}
}

// linkedDirs returns the targets of command and library directories that are links
// to directories that are not watched.
func (t *tree) linkedDirs(in *selection) []string {
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
		children, _ := t.list(dir) // a tree returns no error
		for _, base := range children {
			if sbom.IsMultiarchDir(dir + "/" + base) {
				follow(dir + "/" + base)
			}
		}
	}
	return linked
}

// divert renames the package's files as dpkg-divert(1) did. The diversions database
// has three lines per entry: the file, its new name, and the package whose own file
// keeps the name (":" for none).
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
