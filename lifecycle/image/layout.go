package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// refName is the annotation for the name of an image in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

func (o *Opener) openLayout(_ context.Context, ref reference.Reference, all bool) ([]*Image, error) {
	if ref.Path == "" {
		return nil, errNoDirectory
	}
	// With an os.Root, links in the layout cannot lead out of it.
	root, err := os.OpenRoot(filepath.Clean(ref.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading OCI layout: %w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading OCI layout: %w", err)
	}
	images, err := o.fromLayout(layout{files.FS{Root: root, Large: true}}, ref.Digest, ref.Tag, all)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading OCI layout %s: %w", ref.Path, err), root.Close())
	}
	return sharing(images, root.Close), nil
}

var errNoDirectory = errors.New("reading OCI layout: the reference has no directory")

// withColon returns the reference of a layout whose directory has a colon in its name, which
// looks like a tag.
func withColon(ref reference.Reference) reference.Reference {
	if ref.Tag == "" {
		return ref
	}
	if info, err := os.Stat(ref.Record()); err == nil && info.IsDir() {
		ref.Path, ref.Tag = ref.Record(), ""
	}
	return ref
}

// writableLayout returns the reference of a layout to write to.
func writableLayout(ref reference.Reference) (reference.Reference, error) {
	switch {
	case ref.Path == "":
		return ref, errNoDirectory
	case ref.Digest != "":
		return ref, errors.New("writing OCI layout: the content determines the digest; use a tag")
	}
	return withColon(ref), nil
}

// A layout is an OCI image layout in a directory or a tar file (image-layout.md of
// the OCI image specification).
type layout struct{ fs.FS }

// maxBlob limits the size of index.json, manifests and configurations, which are read into
// memory.
const maxBlob = 64 << 20

// readSmall reads a file of at most maxBlob bytes.
func (l layout) readSmall(name string) ([]byte, error) {
	f, err := l.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxBlob+1))
	if err == nil && len(raw) > maxBlob {
		err = fmt.Errorf("%s: it is longer than %d bytes", name, maxBlob)
	}
	return raw, err
}

// fromLayout opens the image with that digest, else with that name, else the only one or the
// one for the platform. Of an index, it may open all.
func (o *Opener) fromLayout(l layout, digest, tag string, all bool) ([]*Image, error) {
	raw, err := l.readSmall("index.json")
	if errors.Is(err, fs.ErrNotExist) { // an empty layout, possibly just being checked for write access
		return nil, fmt.Errorf("%w: there is no index.json", ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parsing index.json: %w", err)
	}
	img := Image{has: l.has}
	if platforms := registry.Images(index.Manifests); all && digest == "" && tag == "" && ofOneImage(platforms) {
		return l.platforms(img, platforms)
	}
	desc, err := o.choose(index.Manifests, digest, tag)
	if err != nil {
		return nil, err
	}
	if desc.MediaType.IsIndex() {
		img.Parent = &layoutIndex{l, desc}
		return o.fromIndex(img, all)
	}
	if img.Image, err = l.image(desc); err != nil {
		return nil, err
	}
	return []*Image{&img}, img.complete()
}

// ofOneImage reports whether index.json lists the platforms of one image: several, with one name at most.
func ofOneImage(all []v1.Descriptor) bool {
	return len(all) > 1 && !slices.ContainsFunc(all, func(d v1.Descriptor) bool {
		return d.Platform == nil || d.Annotations[refName] != all[0].Annotations[refName]
	})
}

// platforms opens images that index.json lists.
func (l layout) platforms(img Image, all []v1.Descriptor) ([]*Image, error) {
	var images []*Image
	for _, desc := range all {
		one := img
		var err error
		if one.Image, err = l.image(desc); err != nil {
			return nil, err
		}
		one.Platform = desc.Platform
		if err := one.complete(); err != nil {
			return nil, err
		}
		images = append(images, &one)
	}
	return images, nil
}

// choose returns the manifest or index in index.json to open. A digest may also be one that
// index.json does not list, such as a manifest inside an index.
func (o *Opener) choose(all []v1.Descriptor, digest, tag string) (v1.Descriptor, error) {
	switch {
	case digest != "":
		hash, err := v1.NewHash(digest)
		if err != nil {
			return v1.Descriptor{}, err
		}
		for _, d := range all {
			if d.Digest == hash {
				return d, nil
			}
		}
		return v1.Descriptor{Digest: hash, MediaType: types.OCIManifestSchema1}, nil
	case tag != "":
		for _, d := range all {
			if d.Annotations[refName] == tag {
				return d, nil
			}
		}
		return v1.Descriptor{}, fmt.Errorf("%w: index.json has no image named %q", ErrNotFound, tag)
	case len(all) == 1:
		return all[0], nil
	}
	desc, err := pick(registry.Images(all), o.platform())
	if err != nil {
		return desc, fmt.Errorf("%w; say which one of %d it is with oci:DIR@DIGEST", err, len(all))
	}
	return desc, nil
}

// image returns the image whose manifest the descriptor refers to.
func (l layout) image(desc v1.Descriptor) (v1.Image, error) {
	raw, err := l.read(desc.Digest)
	if err != nil {
		return nil, err
	}
	var kind struct {
		MediaType types.MediaType `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return nil, fmt.Errorf("parsing manifest %s: %w", desc.Digest, err)
	}
	if kind.MediaType.IsIndex() {
		return nil, fmt.Errorf("reading manifest %s: it is an index", desc.Digest)
	}
	if kind.MediaType != "" {
		desc.MediaType = kind.MediaType
	}
	return partial.CompressedToImage(&layoutImage{layout: l, manifest: raw, mediaType: desc.MediaType})
}

// read returns a small blob, verified against its digest.
func (l layout) read(h v1.Hash) ([]byte, error) {
	raw, err := l.readSmall(blob(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	got, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if got != h {
		return nil, fmt.Errorf("reading blob %s: %w: its content has digest %s", h, errCorrupt, got)
	}
	return raw, nil
}

// has reports whether the layout has a blob; a sparse layout lacks those of layers stored
// elsewhere. A blob that cannot be read counts as present: reading it fails, whereas treating
// it as absent would omit a layer.
func (l layout) has(h v1.Hash) bool {
	info, err := fs.Stat(l, blob(h))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return info.Mode().IsRegular()
}

func blob(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

// layoutImage implements [partial.CompressedImageCore].
type layoutImage struct {
	layout
	manifest  []byte
	mediaType types.MediaType
}

func (i *layoutImage) RawManifest() ([]byte, error)        { return i.manifest, nil }
func (i *layoutImage) MediaType() (types.MediaType, error) { return i.mediaType, nil }
func (i *layoutImage) Manifest() (*v1.Manifest, error)     { return partial.Manifest(i) }
func (i *layoutImage) ConfigLayer() (v1.Layer, error)      { return partial.ConfigLayer(i) }

func (i *layoutImage) RawConfigFile() ([]byte, error) {
	m, err := i.Manifest()
	if err != nil {
		return nil, err
	}
	return i.read(m.Config.Digest)
}

func (i *layoutImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	desc, err := partial.BlobDescriptor(i, h)
	if err != nil {
		return nil, err
	}
	return &layoutLayer{i.layout, *desc}, nil
}

// layoutLayer implements [partial.CompressedLayer].
type layoutLayer struct {
	layout
	desc v1.Descriptor
}

func (l *layoutLayer) Digest() (v1.Hash, error)            { return l.desc.Digest, nil }
func (l *layoutLayer) Size() (int64, error)                { return l.desc.Size, nil }
func (l *layoutLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }
func (l *layoutLayer) Descriptor() (*v1.Descriptor, error) { return &l.desc, nil }

// Compressed returns the blob. Reading it verifies its size and digest.
func (l *layoutLayer) Compressed() (io.ReadCloser, error) {
	f, err := l.Open(blob(l.desc.Digest))
	if err != nil {
		return nil, err
	}
	return verify(f, l.desc.Digest, l.desc.Size)
}

// layoutIndex implements [v1.ImageIndex].
type layoutIndex struct {
	layout
	desc v1.Descriptor
}

func (i *layoutIndex) MediaType() (types.MediaType, error) { return i.desc.MediaType, nil }
func (i *layoutIndex) Digest() (v1.Hash, error)            { return i.desc.Digest, nil }
func (i *layoutIndex) Size() (int64, error)                { return i.desc.Size, nil }
func (i *layoutIndex) RawManifest() ([]byte, error)        { return i.read(i.desc.Digest) }
func (i *layoutIndex) Image(h v1.Hash) (v1.Image, error) {
	desc, err := i.child(h)
	if err != nil {
		return nil, err
	}
	return i.image(desc)
}

func (i *layoutIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	desc, err := i.child(h)
	if err != nil {
		return nil, err
	}
	return &layoutIndex{i.layout, desc}, nil
}

func (i *layoutIndex) IndexManifest() (*v1.IndexManifest, error) {
	raw, err := i.RawManifest()
	if err != nil {
		return nil, err
	}
	return v1.ParseIndexManifest(bytes.NewReader(raw))
}

func (i *layoutIndex) child(h v1.Hash) (v1.Descriptor, error) {
	m, err := i.IndexManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, d := range m.Manifests {
		if d.Digest == h {
			return d, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("%w: the index has no manifest %s", ErrNotFound, h)
}
