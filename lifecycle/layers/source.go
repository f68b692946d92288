package layers

import (
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// A Source makes layers of directories.
type Source struct {
	// Root is the directory on this machine that stands for the image's root; empty means /.
	// The paths of layers are relative to it.
	Root string
	// Base is <layers>, an absolute path in Root. Parent directories in Base get the owner UID and GID; all other
	// parents keep theirs, since they belong to the image and not to the build user. No symbolic link is followed
	// between Base and the directory of a layer. If Base is empty, all parents keep their owner, and
	// [Source.Extract] follows no link below Root.
	Base string

	UID, GID int    // owner of the files in layers, and of files extracted by root
	Spool    string // directory for temporary files; empty means os.TempDir
}

// Dir returns the layer of an absolute directory with its content and its parents.
// The error wraps fs.ErrNotExist if the directory does not exist.
func (s Source) Dir(dir string) (*Layer, error) {
	t, err := s.tree(dir, nil)
	if err != nil {
		return nil, err
	}
	return &Layer{content: part{tree: t}, spool: s.Spool}, nil
}

// checkLinks returns an error if the path from s.Base to a directory in it contains a symbolic link.
func (s Source) checkLinks(dir string) error {
	if s.Base == "" {
		return nil
	}
	base := s.onDisk(s.Base)
	rel, ok := files.Below(base, s.onDisk(dir))
	if !ok {
		return nil
	}
	parent, err := files.Within(base, filepath.Dir(rel), false)
	if err != nil {
		return err
	}
	return parent.Close()
}

// above returns the parents of a directory.
func (s Source) above(dir string) (list, error) {
	var parents list
	for p := path.Dir(dir); p != "/"; p = path.Dir(p) {
		info, err := os.Stat(s.onDisk(p))
		if err != nil {
			return nil, err
		}
		h, err := s.header(p, info)
		if err != nil {
			return nil, err
		}
		if uid, gid, ok := files.Owner(info); ok && (s.Base == "" || !within(p, s.Base)) {
			h.Uid, h.Gid = uid, gid
		}
		parents = append(parents, entry{header: h})
	}
	slices.Reverse(parents)
	return parents, nil
}

func (s Source) onDisk(name string) string {
	if s.Root == "" || s.Root == "/" {
		return name
	}
	return filepath.Join("/", s.Root, name)
}
