package platform

import (
	"bytes"
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// BuildMetadata is <layers>/config/metadata.toml, the results of the buildpacks (platform.md,
// "metadata.toml"). The launcher reads a part of it, [launch.Metadata].
type BuildMetadata struct {
	DefaultProcess string           `toml:"buildpack-default-process-type,omitempty"`
	Buildpacks     []Module         `toml:"buildpacks"`
	Extensions     []Module         `toml:"extensions,omitempty"`
	Processes      []launch.Process `toml:"processes,omitempty"`
	Slices         []Slice          `toml:"slices,omitempty"`
	Labels         []Label          `toml:"labels,omitempty"`
	BOM            []BOMEntry       `toml:"bom,omitempty"` // of buildpacks before Buildpack API 0.9; in the file before Platform API 0.8
	BuildBOM       []BOMEntry       `toml:"-"`             // the build's BOM, likewise; not in the file
}

// A Slice is a set of app files that become a separate layer.
type Slice struct {
	Paths []string `toml:"paths"` // globs
}

// A Label is a label that a buildpack sets on the app image.
type Label struct {
	Key   string `toml:"key"`
	Value string `toml:"value"`
}

// A BOMEntry is an entry of the Bill-of-Materials, which SBOMs replaced.
type BOMEntry struct {
	Name      string         `toml:"name" json:"name"`
	Metadata  map[string]any `toml:"metadata,omitempty" json:"metadata"`
	Buildpack BOMBuildpack   `toml:"buildpack" json:"buildpack"`
}

// A BOMBuildpack is the buildpack that created a [BOMEntry].
type BOMBuildpack struct {
	ID      string `toml:"id" json:"id"`
	Version string `toml:"version" json:"version"`
}

// DecodeBuildMetadata decodes metadata.toml. The name is used in errors. An empty file, left
// by an interrupted builder, counts as missing.
func DecodeBuildMetadata(data []byte, name string) (*BuildMetadata, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("reading %s: the file is empty; run the builder first", name)
	}
	var m BuildMetadata
	if err := tomlfile.Decode(data, name, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// A metadataFile is the encoded form of [BuildMetadata]: a command is a list or a string.
type metadataFile struct {
	DefaultProcess string            `toml:"buildpack-default-process-type,omitempty"`
	Buildpacks     []Module          `toml:"buildpacks"`
	Extensions     []Module          `toml:"extensions,omitempty"`
	Processes      []metadataProcess `toml:"processes"`
	Slices         []Slice           `toml:"slices,omitempty"`
	Labels         []Label           `toml:"labels,omitempty"`
	BOM            []BOMEntry        `toml:"bom,omitempty"`
}

type metadataProcess struct {
	Type        string    `toml:"type"`
	Command     any       `toml:"command"`
	Args        *[]string `toml:"args,omitempty"`
	Direct      bool      `toml:"direct"`
	WorkingDir  string    `toml:"working-dir,omitempty"`
	ExecEnv     []string  `toml:"exec-env,omitempty"`
	BuildpackID string    `toml:"buildpack-id,omitempty"`
}

// Encode encodes the file for a Platform API version: before 0.10, a process's command is a
// string and the rest of the list are arguments.
func (m *BuildMetadata) Encode(v api.Version) ([]byte, error) {
	file := metadataFile{
		DefaultProcess: m.DefaultProcess, Buildpacks: m.Buildpacks, Extensions: m.Extensions,
		Processes: []metadataProcess{}, Slices: m.Slices, Labels: m.Labels,
	}
	if api.MetadataBOM.In(v) {
		file.BOM = m.BOM
	}
	for _, p := range m.Processes {
		var command any = []string(p.Command)
		if !api.CommandList.In(v) {
			p = p.SingleCommand()
			command = p.Command[0]
		}
		var args *[]string // empty or missing, as the buildpack wrote them
		if p.Args != nil {
			args = &p.Args
		}
		file.Processes = append(file.Processes, metadataProcess{p.Type, command, args, p.Direct, p.WorkingDir, p.ExecEnv, p.BuildpackID})
	}
	return tomlfile.Encode(file, "metadata.toml")
}
