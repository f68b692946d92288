package platform

import (
	"github.com/baseplan/baseplan/lifecycle/launch"
)

// BuildMetadata is <layers>/config/metadata.toml: what the buildpacks made of the app
// (platform.md, "metadata.toml"). The launcher reads a part of it, [launch.Metadata].
type BuildMetadata struct {
	DefaultProcess string           `toml:"buildpack-default-process-type,omitempty"`
	Buildpacks     []Module         `toml:"buildpacks"`
	Extensions     []Module         `toml:"extensions,omitempty"`
	Processes      []launch.Process `toml:"processes,omitempty"`
	Slices         []Slice          `toml:"slices,omitempty"`
	Labels         []Label          `toml:"labels,omitempty"`
	BOM            []BOMEntry       `toml:"bom,omitempty"` // of buildpacks before Buildpack API 0.9
	BuildBOM       []BOMEntry       `toml:"-"`             // the same for the build, not part of the file
}

// A Slice is files of the app that become a layer of their own.
type Slice struct {
	Paths []string `toml:"paths"` // globs
}

// A Label is one that a buildpack puts on the app image.
type Label struct {
	Key   string `toml:"key"`
	Value string `toml:"value"`
}

// A BOMEntry is an entry of the Bill-of-Materials that SBOMs replaced.
type BOMEntry struct {
	Name      string         `toml:"name" json:"name"`
	Metadata  map[string]any `toml:"metadata,omitempty" json:"metadata"`
	Buildpack BOMBuildpack   `toml:"buildpack" json:"buildpack"`
}

// A BOMBuildpack is who made a [BOMEntry].
type BOMBuildpack struct {
	ID      string `toml:"id" json:"id"`
	Version string `toml:"version" json:"version"`
}

// DecodeBuildMetadata reads metadata.toml; name is its path, for errors.
func DecodeBuildMetadata(data []byte, name string) (*BuildMetadata, error) {
	var m BuildMetadata
	if err := decodeTOML(data, name, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// Encode gives the file's bytes.
func (m *BuildMetadata) Encode() ([]byte, error) { return encodeTOML(m, "metadata.toml") }
