package scan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// fromTree reads the archive of the root directory as the image's only layer. A
// daemon also serves single paths, but mounts the image for each, which takes
// longer for hundreds of paths.
func fromTree(ctx context.Context, image Files) (files, *presence, error) {
	return inRounds(func(in *selection) (t *tree, err error) {
		stream, err := image.Archive(ctx, "/")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stream.Close()) }()
		b := &budget{}
		b.left.Store(maxContent)
		entries, err := readTar(&ctxReader{ctx, stream}, in, b)
		if err != nil {
			return nil, fmt.Errorf("reading archive of /: %w", err)
		}
		t = newTree()
		t.apply(entries)
		return t, nil
	})
}

// openDirectory opens a root file system. Links are followed as if the directory
// were the root; os.Root guarantees that none leads out of it, even if links change
// meanwhile.
func openDirectory(ctx context.Context, name string) (*directory, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("opening root file system: %w", err)
	}
	d := &directory{ctx: ctx, root: root}
	d.left.left.Store(maxContent)
	return d, nil
}

// directory implements [fileSystem].
type directory struct {
	ctx  context.Context // of the call that created it
	root *os.Root
	left budget
}

func (d *directory) lookup(name string) *node {
	info, err := d.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return nil
	case err != nil:
		return &node{kind: hidden}
	}
	switch info.Mode().Type() {
	case 0:
		return &node{kind: regular}
	case fs.ModeDir:
		return &node{kind: dir}
	case fs.ModeSymlink:
		target, err := d.root.Readlink(name)
		if err != nil {
			return &node{kind: hidden}
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
		return nil, fmt.Errorf("%s is no longer a regular file", name)
	}
	return readContent(&ctxReader{d.ctx, f}, info.Size(), &d.left)
}
