//go:build linux

package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Root is the file system that Dockerfiles are applied to.
//
// These paths are never part of a layer: /proc, /sys, /dev, mounts, /layers, /workspace,
// /platform, /kaniko, /cnb, and in an isolated root the temporary /etc/resolv.conf and
// /etc/hosts. [Applier.App], [Applier.Generated], [Applier.Cache] and [Applier.Spool] are
// excluded too if they are below the root.
type Root struct {
	// Dir is "/" to extend this container in place. For an isolated root, it is an empty
	// directory, or one that does not exist yet. It becomes accessible to its owner only, and
	// the caller must remove it.
	Dir string

	// Layers open the uncompressed tars of the image in an isolated root, bottom layer first
	// (v1.Layer.Uncompressed is such a func). They are read only if an instruction must be
	// executed.
	Layers []func() (io.ReadCloser, error)

	Exclude []string // further absolute paths that are never part of a layer
}

// excluded are the paths that belong to the container or the platform, never to an image.
var excluded = []string{"/proc", "/sys", "/dev", "/layers", "/workspace", "/platform", "/kaniko", "/cnb"}

// isolated reports whether commands are confined to the root.
func (r *Root) isolated() bool { return filepath.Clean(r.Dir) != "/" }

// updateTree brings the tree up to date: it unpacks the image of an isolated root, and cached
// layers.
func (b *build) updateTree(ctx context.Context) error {
	if b.tree == nil {
		if err := b.openRoot(ctx); err != nil {
			return err
		}
	}
	for _, l := range b.pending {
		if err := b.unpackCached(ctx, l); err != nil {
			return fmt.Errorf("unpacking a cached layer: %w", err)
		}
		b.last = nil
	}
	b.pending = nil
	return nil
}

func (b *build) unpackCached(ctx context.Context, l *Layer) error {
	if b.guest != nil {
		err := b.tree.unpackCached(l)
		if err == nil {
			return nil
		}
		b.Log.Debug("the kernel of the sandbox does not unpack a cached layer", "error", err) // what it did is replaced
	}
	return b.unpack(ctx, l.Uncompressed)
}

func (b *build) unpack(ctx context.Context, open func() (io.ReadCloser, error)) error {
	r, err := open()
	if err != nil {
		return err
	}
	return errors.Join(b.tree.unpack(ctx, r), r.Close())
}

func (b *build) openRoot(ctx context.Context) error {
	dir := filepath.Clean(b.Root.Dir)
	if b.Root.isolated() {
		if os.Geteuid() != 0 {
			return fmt.Errorf("unpacking an image into %s as user %d: %w: root is required", dir, os.Geteuid(), ErrNotPermitted)
		}
		var err error
		if dir, err = makeRoot(dir); err != nil {
			return err
		}
	} else if os.Geteuid() != 0 {
		return fmt.Errorf("extending / as user %d: %w: root is required", os.Geteuid(), ErrNotPermitted)
	}
	t, err := openTree(dir)
	if err != nil {
		return err
	}
	t.noDevices, t.sandboxed = b.Root.isolated(), b.guest != nil
	t.dirs.sandboxed = t.sandboxed
	b.tree = t
	if err := b.unpackImage(ctx); err != nil {
		return fmt.Errorf("unpacking the image: %w", err)
	}
	b.skip, err = skipped(t.dir, b.exclude())
	return err
}

func (b *build) unpackImage(ctx context.Context) error {
	if b.guest != nil {
		err := b.guest.unpackLayers(b.tree, len(b.Root.Layers))
		if err == nil {
			return nil
		}
		b.Log.Debug("the kernel of the sandbox does not unpack the image", "error", err)
	}
	for _, open := range b.Root.Layers {
		if err := b.unpack(ctx, open); err != nil {
			return err
		}
	}
	return nil
}

// makeRoot creates the directory of an isolated root inside one that only its owner can enter,
// so that other users cannot run its setuid programs.
func makeRoot(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("unpacking an image into %s: the directory is not empty", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", err
	}
	root := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	return root, os.Chmod(root, 0o755)
}

// exclude returns the paths that are never part of a layer.
func (b *build) exclude() []string {
	paths := slices.Concat(excluded, b.Root.Exclude)
	for _, p := range []string{b.App, b.Generated, b.Cache, b.Spool} {
		if rel, ok := strings.CutPrefix(filepath.Clean(p), strings.TrimSuffix(b.tree.dir, "/")+"/"); p != "" && ok {
			paths = append(paths, "/"+rel)
		}
	}
	return paths
}
