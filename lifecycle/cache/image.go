package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/sbom/registry"
)

// An Image is a cache in a registry: an image with the cached layers, and [Metadata] in
// its label [MetadataName]. Layers that the registry has are not uploaded again. The tag
// moves to the new image only after all layers are uploaded.
type Image struct {
	Ref      name.Reference // the cache image; see [registry.Client.Reference]
	Registry registry.Client

	mu       sync.Mutex // guards the fields below
	previous *previous  // nil: not read yet
	added    map[v1.Hash]v1.Layer
}

var _ Cache = (*Image)(nil)

// previous is the last committed image.
type previous struct {
	label  string
	layers map[v1.Hash]v1.Descriptor // by diff ID
}

func (i *Image) options(ctx context.Context) []remote.Option {
	return i.Registry.Options(ctx, i.Ref.Context())
}

// read reads the image once. If it does not exist, it returns an empty one.
func (i *Image) read(ctx context.Context) (*previous, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.previous != nil {
		return i.previous, nil
	}
	img, err := remote.Image(i.Ref, i.options(ctx)...)
	if registry.Status(err) == http.StatusNotFound {
		i.previous = &previous{}
		return i.previous, nil
	}
	var p *previous
	if err == nil {
		p, err = describe(img)
	}
	if err != nil {
		return nil, fmt.Errorf("reading cache image %s: %w", i.Ref, classified(i.Registry.Refused(i.Ref.Context(), err)))
	}
	i.previous = p
	return p, nil
}

func describe(img v1.Image) (*previous, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	ids := config.RootFS.DiffIDs
	if len(ids) != len(manifest.Layers) {
		return nil, fmt.Errorf("the manifest has %d layers, but the configuration %d", len(manifest.Layers), len(ids))
	}
	p := &previous{label: config.Config.Labels[MetadataName], layers: map[v1.Hash]v1.Descriptor{}}
	for n, id := range ids {
		p.layers[id] = manifest.Layers[n]
	}
	return p, nil
}

// classified adds [ErrCorrupt] to an error, unless it is from the connection, the registry or a
// cancellation.
func classified(err error) error {
	var network net.Error
	_, request := errors.AsType[*url.Error](err)
	if registry.Status(err) != 0 || request || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// Metadata returns the last committed metadata; the zero value if there is no image, or it is
// no cache.
func (i *Image) Metadata(ctx context.Context) (Metadata, error) {
	p, err := i.read(ctx)
	if err != nil || p.label == "" {
		return Metadata{}, err
	}
	return decodeMetadata([]byte(p.label), fmt.Sprintf("label %s of cache image %s", MetadataName, i.Ref))
}

// Open downloads a layer.
func (i *Image) Open(ctx context.Context, diffID v1.Hash) (io.ReadCloser, error) {
	p, err := i.read(ctx)
	if err != nil {
		return nil, err
	}
	desc, ok := p.layers[diffID]
	if !ok {
		return nil, fmt.Errorf("reading layer %s of cache image %s: %w", diffID, i.Ref, ErrNotFound)
	}
	layer, err := i.layer(ctx, desc)
	if err != nil {
		return nil, fmt.Errorf("reading layer %s of cache image %s: %w", diffID, i.Ref, err)
	}
	r, err := layer.Uncompressed()
	if err != nil {
		return nil, fmt.Errorf("reading layer %s of cache image %s: %w", diffID, i.Ref, classified(err))
	}
	return verified(download{r}, diffID, nil), nil
}

func (i *Image) layer(ctx context.Context, desc v1.Descriptor) (v1.Layer, error) {
	return remote.Layer(i.Ref.Context().Digest(desc.Digest.String()), i.options(ctx)...)
}

// A download distinguishes a damaged layer from a broken connection.
type download struct{ io.ReadCloser }

func (d download) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = classified(err)
	}
	return n, err
}

// Add adds a layer to the next image. Its content is read by Commit, and only if the
// registry does not have it already.
func (i *Image) Add(ctx context.Context, layer v1.Layer) error {
	diffID, err := layer.DiffID()
	if err != nil {
		return fmt.Errorf("adding layer to cache image %s: %w", i.Ref, err)
	}
	if p, err := i.read(ctx); err == nil { // a corrupt cache is replaced
		if old, ok := i.reusable(ctx, p, diffID); ok {
			layer = old
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.added == nil {
		i.added = map[v1.Hash]v1.Layer{}
	}
	i.added[diffID] = layer
	return nil
}

// reusable returns a layer of the previous image, if the registry still has it.
func (i *Image) reusable(ctx context.Context, p *previous, diffID v1.Hash) (v1.Layer, bool) {
	desc, ok := p.layers[diffID]
	if !ok {
		return nil, false
	}
	layer, err := i.layer(ctx, desc)
	if err != nil {
		return nil, false
	}
	if exists, err := partial.Exists(layer); err != nil || !exists {
		return nil, false
	}
	return known{layer, diffID, desc}, true
}

// A known layer is described without downloading it.
type known struct {
	v1.Layer
	diffID v1.Hash
	desc   v1.Descriptor
}

func (k known) DiffID() (v1.Hash, error)            { return k.diffID, nil }
func (k known) Digest() (v1.Hash, error)            { return k.desc.Digest, nil }
func (k known) Size() (int64, error)                { return k.desc.Size, nil }
func (k known) MediaType() (types.MediaType, error) { return k.desc.MediaType, nil }
func (k known) Descriptor() (*v1.Descriptor, error) { return &k.desc, nil }

// Commit uploads the layers, then the image.
func (i *Image) Commit(ctx context.Context, m Metadata) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	img, err := i.build(m)
	if err == nil {
		err = remote.Write(i.Ref, img, i.options(ctx)...)
	}
	if err != nil {
		return fmt.Errorf("writing cache image %s: %w", i.Ref, i.Registry.Refused(i.Ref.Context(), err))
	}
	i.added, i.previous = nil, nil
	return nil
}

// build builds the image, which does not depend on the order of the layers.
func (i *Image) build(m Metadata) (v1.Image, error) {
	ids, err := m.DiffIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if i.added[id] == nil {
			return nil, fmt.Errorf("layer %s of the metadata was not added", id)
		}
	}
	label, err := m.Encode()
	if err != nil {
		return nil, err
	}
	layers, err := i.sorted()
	if err != nil {
		return nil, err
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH,
		Created: v1.Time{Time: time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)},
		RootFS:  v1.RootFS{Type: "layers"},
		Config:  v1.Config{Labels: map[string]string{MetadataName: string(label)}},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, layers...)
}

// sorted returns the added layers in order, or one empty layer if there are none, since registries
// refuse an image without layers.
func (i *Image) sorted() ([]v1.Layer, error) {
	if len(i.added) == 0 {
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(make([]byte, 1024))), nil // the end of a tar archive
		})
		return []v1.Layer{l}, err
	}
	byHex := func(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) }
	var layers []v1.Layer
	for _, id := range slices.SortedFunc(maps.Keys(i.added), byHex) {
		layers = append(layers, i.added[id])
	}
	return layers, nil
}

// Close discards the added layers.
func (i *Image) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.added = nil
	return nil
}
