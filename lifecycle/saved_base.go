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

// isSaved reports whether an image was saved as a whole.
func isSaved(ctx context.Context, dir string) bool {
	img, err := (&image.Opener{}).Open(ctx, "oci:"+dir)
	if err != nil {
		return false
	}
	defer img.Close()
	m, err := img.Image.Manifest()
	if err != nil {
		return false
	}
	for _, l := range m.Layers {
		if !(baseLayout{dir}).has(l) {
			return false
		}
	}
	return true
}

// A baseLayout is an OCI layout that an image is saved in with the very bytes that it has elsewhere, so that its digest
// stays what it is.
type baseLayout struct{ dir string }

func (b baseLayout) save(ctx context.Context, img v1.Image, withLayers bool) error {
	desc, err := partial.Descriptor(img)
	if err != nil {
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
		if b.has(l) {
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

func (b baseLayout) has(l v1.Descriptor) bool {
	info, err := os.Stat(filepath.Join(b.dir, "blobs", l.Digest.Algorithm, l.Digest.Hex))
	return err == nil && info.Size() == l.Size
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
