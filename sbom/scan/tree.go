package scan

import (
	"path"
	"slices"
	"strings"
)

// A node is a file, link or directory of a [tree].
type node struct {
	kind     kind
	target   string
	content  []byte
	children map[string]*node // of a directory
}

// A tree is the wanted part of an image's file system: layers applied in order, as
// a container runtime does.
type tree struct{ root *node }

func newTree() *tree { return &tree{&node{kind: dir, children: map[string]*node{}}} }

// apply adds a layer. Whiteouts remove entries of the layers below only, wherever
// in the layer they are (OCI image specification, layer.md).
func (t *tree) apply(layer []entry) {
	for _, e := range layer {
		switch e.kind {
		case whiteout:
			if parent := t.folder(path.Dir(e.path), false); parent != nil {
				delete(parent.children, path.Base(e.path))
			}
		case opaque:
			if folder := t.folder(e.path, false); folder != nil {
				clear(folder.children)
			}
		}
	}
	for _, e := range layer {
		if e.kind != whiteout && e.kind != opaque {
			t.put(e)
		}
	}
}

func (t *tree) put(e entry) {
	if e.path == "." {
		return
	}
	parent := t.folder(path.Dir(e.path), true)
	if parent == nil {
		return
	}
	base := path.Base(e.path)
	if old := parent.children[base]; e.kind == dir && old != nil && old.kind == dir {
		return
	}
	n := &node{kind: e.kind, target: e.target, content: e.content}
	switch e.kind {
	case dir:
		n.children = map[string]*node{}
	case hardlink:
		// The target may not be wanted; then treat it like a symbolic link.
		n.kind, n.target = symlink, "/"+e.target
		if same, _ := resolve(t, e.target); same != nil && same.kind == regular {
			n = same
		}
	}
	parent.children[base] = n
}

// folder returns the directory at a path, following symbolic links. If create
// is set, it creates a missing one.
func (t *tree) folder(name string, create bool) *node {
	n, real := resolve(t, name)
	if n != nil && n.kind == dir {
		return n
	}
	if n != nil || !create || real == "" {
		return nil
	}
	n = t.root
	for part := range strings.SplitSeq(real, "/") {
		next := n.children[part]
		if next == nil || next.kind != dir {
			next = &node{kind: dir, children: map[string]*node{}}
			n.children[part] = next
		}
		n = next
	}
	return n
}

// lookup implements [links].
func (t *tree) lookup(name string) *node {
	n := t.root
	for part := range strings.SplitSeq(name, "/") {
		if name == "." {
			return n
		}
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// list implements [fileSystem].
func (t *tree) list(name string) ([]string, error) {
	n := t.lookup(name)
	if n == nil {
		return nil, nil
	}
	names := make([]string, 0, len(n.children))
	for c := range n.children {
		names = append(names, c)
	}
	slices.Sort(names)
	return names, nil
}

// read implements [fileSystem].
func (t *tree) read(name string) ([]byte, error) { return t.lookup(name).content, nil }

// links looks up the node at a path without links in its parents; nil if there is
// none.
type links interface{ lookup(name string) *node }

// maxLinks is the number of links that Linux follows.
const maxLinks = 40

// resolve follows symbolic links; none leads above the root. It returns the node,
// nil if there is none, and the path without links, "" if there are too many.
func resolve(l links, name string) (*node, string) {
	done, todo := ".", strings.Split(name, "/")
	for followed := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			done = path.Dir(done)
			continue
		}
		at := path.Join(done, part)
		n := l.lookup(at)
		if n == nil || n.kind != symlink {
			done = at
			continue
		}
		if followed++; followed > maxLinks {
			return nil, ""
		}
		if strings.HasPrefix(n.target, "/") {
			done = "."
		}
		todo = append(strings.Split(n.target, "/"), todo...)
	}
	return l.lookup(done), done
}

// A fileSystem is a source of wanted files.
type fileSystem interface {
	links
	list(dir string) ([]string, error)
	read(file string) ([]byte, error)
}

// linkTargets are paths that links lead to and that may not have been collected.
type linkTargets struct {
	files []string
	dirs  map[string][]string // like wantedDirs
	names []string            // directories with commands or libraries
}

// collect reads the wanted files.
func collect(fs fileSystem) (found files, lost *linkTargets, err error) {
	found, lost = files{}, &linkTargets{dirs: map[string][]string{}}
	for _, name := range wantedFiles {
		if err := collectFile(fs, name, found, lost); err != nil {
			return nil, nil, err
		}
	}
	for name, endings := range wantedDirs {
		n, real := resolve(fs, name)
		if real != name && real != "" {
			lost.dirs[real] = endings
		}
		if n == nil || n.kind != dir {
			continue
		}
		bases, err := fs.list(real)
		if err != nil {
			return nil, nil, err
		}
		for _, base := range bases {
			if !hasEnding(base, endings) {
				continue
			}
			if err := collectFile(fs, name+"/"+base, found, lost); err != nil {
				return nil, nil, err
			}
		}
	}
	return found, lost, nil
}

func collectFile(fs fileSystem, name string, found files, lost *linkTargets) error {
	n, real := resolve(fs, name)
	switch {
	case n == nil && real != name && real != "":
		lost.files = append(lost.files, real)
	case n != nil && n.kind == regular:
		content, err := fs.read(real)
		if err != nil {
			return err
		}
		found[name] = content
	}
	return nil
}
