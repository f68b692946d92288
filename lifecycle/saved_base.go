package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/reference"
)

// saveBase writes an image unchanged to its own OCI layout, which may exist already. Without withLayers, it omits the
// layers.
func saveBase(ctx context.Context, img v1.Image, dir string, withLayers bool) error {
	err := clearLayout(dir)
	if err == nil {
		err = image.Layout{Dir: dir, Layers: func(v1.Hash) bool { return withLayers }}.Write(ctx, img)
	}
	if err != nil {
		return fmt.Errorf("saving an image in %s: %w", dir, err)
	}
	return nil
}

// isSaved reports whether the image with a digest was saved as a whole. Buildpacks of an earlier build could write
// there, so every byte is read. An empty folder is as good as none.
func isSaved(ctx context.Context, dir, digest string) bool {
	img, err := OpenSavedBase(ctx, dir, digest)
	if err != nil {
		return false
	}
	defer img.Close()
	m, err := img.Image.Manifest()
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(m.Layers, func(l v1.Descriptor) bool { return !image.HasBlob(ctx, dir, l) })
}

// OpenSavedBase opens the base image with the given digest that a restorer saved in a directory. The directory is not
// trusted: manifest, configuration and layers are verified against the digest.
func OpenSavedBase(ctx context.Context, dir, digest string) (*image.Image, error) {
	if _, err := v1.NewHash(digest); err != nil { // else it would be taken for a part of the directory's name
		return nil, fmt.Errorf("opening the base image in %s: %w", dir, err)
	}
	return (&image.Opener{}).Open(ctx, reference.Reference{Kind: reference.Layout, Path: dir, Digest: digest})
}

// clearLayout removes a layout that holds anything but files and directories, and a link in place of it or of the two
// directories above: nothing is written through a link that somebody has put there.
func clearLayout(saved string) error {
	for _, dir := range []string{filepath.Dir(filepath.Dir(saved)), filepath.Dir(saved), saved} {
		info, err := os.Lstat(dir)
		if err != nil || info.IsDir() {
			continue // what is missing is made
		}
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	odd := false
	err := filepath.WalkDir(saved, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(saved, name)
		odd = odd || err != nil || d.IsDir() != isLayoutDir(rel) || !d.IsDir() && !d.Type().IsRegular()
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || odd {
		return os.RemoveAll(saved)
	}
	return nil
}

// isLayoutDir reports whether a path in a layout is that of a directory.
func isLayoutDir(rel string) bool {
	return rel == "." || rel == "blobs" || filepath.Dir(rel) == "blobs"
}
