package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

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
	entries, err := s.tree(dir)
	if err != nil {
		return nil, err
	}
	return &Layer{entries: entries, spool: s.Spool}, nil
}

// tree returns the entries of the parents of dir, of dir, and of its content.
func (s Source) tree(dir string) ([]entry, error) {
	if err := checkPath(dir); err != nil {
		return nil, fmt.Errorf("archiving %q: %w", dir, err)
	}
	if err := s.checkLinks(dir); err != nil {
		return nil, fmt.Errorf("archiving %s: %w", dir, err)
	}
	entries, err := s.parents(dir)
	if err != nil {
		return nil, fmt.Errorf("archiving %s: %w", dir, err)
	}
	root := s.onDisk(dir)
	info, err := os.Lstat(root)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("archiving %s: %w", dir, err)
	}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSocket != 0 {
			return nil // a tar cannot hold sockets
		}
		e, err := s.entry(path.Join(dir, strings.TrimPrefix(file, root)), file, info)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("archiving %s: %w", dir, err)
	}
	return entries, nil
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

func (s Source) parents(dir string) ([]entry, error) {
	var parents []entry
	for p := path.Dir(dir); p != "/"; p = path.Dir(p) {
		info, err := os.Stat(s.onDisk(p))
		if err != nil {
			return nil, err
		}
		e, err := s.entry(p, s.onDisk(p), info)
		if err != nil {
			return nil, err
		}
		if uid, gid, ok := files.Owner(info); ok && (s.Base == "" || !within(p, s.Base)) {
			e.header.Uid, e.header.Gid = uid, gid
		}
		parents = append(parents, e)
	}
	slices.Reverse(parents)
	return parents, nil
}

func (s Source) onDisk(name string) string { return filepath.Join("/", s.Root, name) }

func (s Source) entry(name, file string, info fs.FileInfo) (entry, error) {
	e := entry{header: tar.Header{Name: name, Mode: modeBits(info.Mode()), Uid: s.UID, Gid: s.GID, ModTime: Epoch}}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		e.header.Typeflag, e.header.Size = tar.TypeReg, info.Size()
		e.file, e.info = file, info
	case mode.IsDir():
		e.header.Typeflag = tar.TypeDir
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return entry{}, err
		}
		e.header.Typeflag, e.header.Linkname = tar.TypeSymlink, target
	case mode&fs.ModeNamedPipe != 0:
		e.header.Typeflag = tar.TypeFifo
	default:
		return entry{}, fmt.Errorf("%s is a device (%s), which a layer cannot have: remove it", name, mode)
	}
	return e, nil
}

// modeBits returns the mode in the format of a tar header.
func modeBits(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= syscall.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		bits |= syscall.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		bits |= syscall.S_ISVTX
	}
	return bits
}

// checkPath refuses paths that may name another directory in an image.
func checkPath(name string) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" || strings.ContainsRune(name, 0) {
		return errors.New("the path must be absolute, without . or .. or a slash at the end, and must not be /")
	}
	return nil
}
