package cache

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// MetadataName is the label of a cache image, and the file in a cache directory, with
// the [Metadata] as JSON.
const MetadataName = "io.buildpacks.lifecycle.cache.metadata"

// Metadata describes the layers of a cache. Its JSON is shared with other lifecycles.
type Metadata struct {
	SBOM       LayerRef    `json:"sbom"` // the layer with the SBOMs of cached layers
	Buildpacks []Buildpack `json:"buildpacks"`
}

// A Buildpack lists the cached layers of a buildpack by name.
type Buildpack struct {
	Key     string           `json:"key"` // the buildpack's ID
	Version string           `json:"version"`
	Layers  map[string]Layer `json:"layers"`
}

// A Layer is a cached layer; a LayerRef refers to one by diff ID, as in the labels of
// app images.
type (
	Layer    = platform.Layer
	LayerRef = platform.LayerRef
)

// Encode encodes the metadata as deterministic JSON.
func (m Metadata) Encode() ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding cache metadata: %w", err)
	}
	return data, nil
}

// decodeMetadata decodes metadata of any lifecycle and ignores unknown keys. Errors name the source
// and wrap [ErrCorrupt] if the JSON is malformed, a digest is invalid, or the name of a layer is not
// a valid directory name.
func decodeMetadata(data []byte, source string) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(data, &m); err != nil {
		return Metadata{}, fmt.Errorf("reading %s: %w: %w", source, ErrCorrupt, err)
	}
	if err := m.check(); err != nil {
		return Metadata{}, fmt.Errorf("reading %s: %w: %w", source, ErrCorrupt, err)
	}
	return m, nil
}

func (m Metadata) check() error {
	_, err := m.DiffIDs()
	return err
}

// DiffIDs returns the diff IDs of all layers in the metadata, sorted and without duplicates.
func (m Metadata) DiffIDs() ([]v1.Hash, error) {
	var all []v1.Hash
	add := func(sha, key string) error {
		h, err := v1.NewHash(sha)
		if err == nil {
			err = checkDiffID(h)
		}
		if err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		all = append(all, h)
		return nil
	}
	if m.SBOM.SHA != "" {
		if err := add(m.SBOM.SHA, "sbom.sha"); err != nil {
			return nil, err
		}
	}
	for _, b := range m.Buildpacks {
		for name, l := range b.Layers {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				return nil, fmt.Errorf("key \"buildpacks\": %s: invalid layer name %q", b.Key, name)
			}
			if err := add(l.SHA, b.Key+":"+name+" sha"); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(all, func(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) })
	return slices.Compact(all), nil
}
