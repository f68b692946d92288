package scan

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// fromTree asks for every wanted path.
func fromTree(ctx context.Context, tree Files) (files, error) {
	found, b := files{}, &budget{}
	b.left.Store(maxContent)
	for _, name := range wantedFiles {
		if database := logOf(name); database != "" && found[database] == nil {
			continue
		}
		if err := fromArchive(ctx, tree, name, nil, found, b); err != nil {
			return nil, err
		}
	}
	for name, endings := range wantedDirs {
		keep := func(base string) bool { return hasEnding(base, endings) }
		if err := fromArchive(ctx, tree, name, keep, found, b); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// fromArchive reads the archive of a file, or with keep those files of a folder.
func fromArchive(ctx context.Context, tree Files, name string, keep func(base string) bool, found files, b *budget) (err error) {
	stream, err := tree.Archive(ctx, "/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for archive := tar.NewReader(&ctxReader{ctx, stream}); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the archive of /%s: %w", name, err)
		}
		at, base := name, path.Base(path.Clean(h.Name))
		if keep != nil {
			at = path.Join(name, base)
		}
		switch {
		case keep != nil && (!keep(base) || path.Dir(path.Dir(path.Clean(h.Name))) != "."):
		case h.Typeflag == tar.TypeReg:
			if found[at], err = readContent(archive, h.Size, b); err != nil {
				return fmt.Errorf("reading /%s: %w", at, err)
			}
		case h.Typeflag == tar.TypeLink && keep != nil:
			if content, ok := found[path.Join(name, path.Base(h.Linkname))]; ok {
				found[at] = content
			}
		}
	}
}

// fromDir follows links itself, as if the directory were the root; os.Root sees to it that none
// that appears meanwhile leads out of it.
func fromDir(ctx context.Context, name string) (files, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("opening root file system: %w", err)
	}
	defer root.Close()
	d := &directory{ctx: ctx, root: root}
	d.left.left.Store(maxContent)
	found, _, err := collect(d)
	if err != nil {
		return nil, fmt.Errorf("reading root file system %s: %w", name, err)
	}
	return found, nil
}

// directory implements [fileSystem].
type directory struct {
	ctx  context.Context // of the one call that it lives for
	root *os.Root
	left budget
}

func (d *directory) lookup(name string) *node {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil
	}
	switch info.Mode().Type() {
	case 0:
		return &node{kind: regular}
	case fs.ModeDir:
		return &node{kind: dir}
	case fs.ModeSymlink:
		target, err := d.root.Readlink(name)
		if err != nil {
			return nil
		}
		return &node{kind: symlink, target: target}
	}
	return &node{kind: other}
}

func (d *directory) list(name string) ([]string, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *directory) read(name string) ([]byte, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file any more", name)
	}
	return readContent(&ctxReader{d.ctx, f}, info.Size(), &d.left)
}
