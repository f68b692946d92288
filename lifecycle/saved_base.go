package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// saveBase writes an image as it is, to an OCI layout of its own, which may be there already. Without layers, those
// are left out.
func saveBase(ctx context.Context, img v1.Image, dir string, withLayers bool) error {
	if err := (baseLayout{dir}).save(ctx, img, withLayers); err != nil {
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
	for _, l := range m.Layers {
		if !image.HasBlob(ctx, dir, l) {
			return false
		}
	}
	return true
}

// OpenSavedBase opens the base image with a digest that a restorer saved in a directory. Whatever the directory says,
// it is the image with that digest: manifest, configuration and, while they are read, layers are held against it.
func OpenSavedBase(ctx context.Context, dir, digest string) (*image.Image, error) {
	if _, err := v1.NewHash(digest); err != nil { // else it would be taken for a part of the directory's name
		return nil, fmt.Errorf("opening the base image in %s: %w", dir, err)
	}
	return (&image.Opener{}).Open(ctx, "oci:"+dir+"@"+digest)
}

// A baseLayout is an OCI layout that an image is saved in with the very bytes that it has elsewhere, so that its digest
// stays what it is.
type baseLayout struct{ dir string }

func (b baseLayout) save(ctx context.Context, img v1.Image, withLayers bool) error {
	desc, err := partial.Descriptor(img)
	if err != nil {
		return err
	}
	if err := b.clear(); err != nil {
		return err
	}
	if withLayers {
		if err := b.layers(ctx, img); err != nil {
			return err
		}
	}
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	for h, content := range map[v1.Hash]func() ([]byte, error){config: img.RawConfigFile, desc.Digest: img.RawManifest} {
		raw, err := content()
		if err != nil {
			return err
		}
		if err := b.blob(h, func(f *os.File) error { _, err := f.Write(raw); return err }); err != nil {
			return err
		}
	}
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{*desc}})
	if err != nil {
		return err
	}
	if err := platform.WriteFile(filepath.Join(b.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return platform.WriteFile(filepath.Join(b.dir, "index.json"), index) // last: what it names is there
}

// layers downloads the layers that are not there, side by side.
func (b baseLayout) layers(ctx context.Context, img v1.Image) error {
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, l := range manifest.Layers {
		if image.HasBlob(ctx, b.dir, l) {
			continue
		}
		group.Go(func() error {
			layer, err := img.LayerByDigest(l.Digest)
			if err != nil {
				return err
			}
			r, err := layer.Compressed()
			if err != nil {
				return err
			}
			defer r.Close()
			return b.blob(l.Digest, func(f *os.File) error {
				_, err := f.ReadFrom(until{ctx, r})
				return err
			})
		})
	}
	return group.Wait()
}

// clear removes a layout that holds anything but files and directories, and a link in place of it or of the two
// directories above: nothing is written through a link that somebody has put there.
func (b baseLayout) clear() error {
	for _, dir := range []string{filepath.Dir(filepath.Dir(b.dir)), filepath.Dir(b.dir), b.dir} {
		info, err := os.Lstat(dir)
		if err != nil || info.IsDir() {
			continue // what is missing is made
		}
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	odd := false
	err := filepath.WalkDir(b.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.dir, name)
		odd = odd || err != nil || d.IsDir() != b.directory(rel) || !d.IsDir() && !d.Type().IsRegular()
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || odd {
		return os.RemoveAll(b.dir)
	}
	return nil
}

// directory reports whether a path in a layout is that of a directory.
func (baseLayout) directory(rel string) bool {
	return rel == "." || rel == "blobs" || filepath.Dir(rel) == "blobs"
}

// blob writes a blob whole or not at all.
func (b baseLayout) blob(h v1.Hash, write func(*os.File) error) (err error) {
	blobs := filepath.Join(b.dir, "blobs", h.Algorithm)
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(blobs, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		if gone := os.Remove(f.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(blobs, h.Hex))
}
