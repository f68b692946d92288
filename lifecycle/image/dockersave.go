package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// saved is an entry of the manifest.json written by docker save.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// fromSaved opens the image of a docker-save file as an OCI layout, by also naming its parts as
// blobs. Such a file has no manifest, so fromSaved makes one with the layers as stored in the
// file. It compresses nothing, since that would only serve to compute a digest.
func (o *Opener) fromSaved(files tarFS) ([]*Image, error) {
	images, err := readJSON[[]saved](files, "manifest.json")
	if err != nil {
		return nil, err
	}
	if len(images) != 1 {
		return nil, fmt.Errorf("reading manifest.json: the file has %d images, want one", len(images))
	}
	config, err := readJSON[v1.ConfigFile](files, images[0].Config)
	if err != nil {
		return nil, err
	}
	if len(config.RootFS.DiffIDs) != len(images[0].Layers) {
		return nil, fmt.Errorf("reading manifest.json: %d layers, but %s has %d", len(images[0].Layers), images[0].Config, len(config.RootFS.DiffIDs))
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2}
	if m.Config, err = files.asBlob(images[0].Config, types.DockerConfigJSON, v1.Hash{}); err != nil {
		return nil, err
	}
	for i, name := range images[0].Layers {
		layer, err := files.asBlob(name, types.DockerLayer, config.RootFS.DiffIDs[i])
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, layer)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	files[blob(digest)] = tarEntry{(&tar.Header{Name: blob(digest), Size: size}).FileInfo(), io.NewSectionReader(bytes.NewReader(raw), 0, size)}
	img := &Image{}
	if img.Image, err = (layout{files}).image(v1.Descriptor{Digest: digest, MediaType: m.MediaType}); err != nil {
		return nil, err
	}
	return []*Image{img}, img.complete()
}

// compressed are the magic numbers of gzip and zstd files.
var compressed = [][]byte{{0x1f, 0x8b}, {0x28, 0xb5, 0x2f, 0xfd}}

// asBlob names a file of the archive as a blob. The digest of an uncompressed layer is its diff
// ID, so it is not computed.
func (t tarFS) asBlob(name string, mediaType types.MediaType, diffID v1.Hash) (v1.Descriptor, error) {
	e, ok := t[path.Clean(name)]
	if !ok {
		return v1.Descriptor{}, fmt.Errorf("reading manifest.json: it names %s, which is not in the file", name)
	}
	start := make([]byte, 4)
	if _, err := e.content.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return v1.Descriptor{}, err
	}
	hash := diffID
	isCompressed := slices.ContainsFunc(compressed, func(magic []byte) bool { return bytes.HasPrefix(start, magic) })
	if isCompressed || diffID == (v1.Hash{}) {
		var err error
		if hash, _, err = v1.SHA256(io.NewSectionReader(e.content, 0, e.content.Size())); err != nil {
			return v1.Descriptor{}, err
		}
	} else {
		mediaType = types.DockerUncompressedLayer
	}
	t[blob(hash)] = e
	return v1.Descriptor{MediaType: mediaType, Digest: hash, Size: e.content.Size()}, nil
}

func readJSON[T any](files tarFS, name string) (T, error) {
	var v T
	f, err := files.Open(path.Clean(name))
	if err != nil {
		return v, err
	}
	if err := json.NewDecoder(f).Decode(&v); err != nil {
		return v, fmt.Errorf("parsing %s: %w", name, err)
	}
	return v, nil
}
