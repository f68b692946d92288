package platform

import (
	"bytes"
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/sbom/tomlfile"
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
	BOM            []BOMEntry       `toml:"bom,omitempty"` // of buildpacks before Buildpack API 0.9; in the file until Platform API 0.8
	BuildBOM       []BOMEntry       `toml:"-"`             // the same for the build; not in the file
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

// DecodeBuildMetadata reads metadata.toml; name is its path, for errors. An empty file, as a builder
// leaves that does not write it whole, says nothing of the build.
func DecodeBuildMetadata(data []byte, name string) (*BuildMetadata, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("reading %s: it is empty: run the builder first", name)
	}
	var m BuildMetadata
	if err := tomlfile.Decode(data, name, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// A metadataFile is how [BuildMetadata] is written: a command is a list, or a string.
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

// Encode gives the file's bytes for a version of the Platform API: before 0.10, a process's
// command is a string, and what follows it are arguments.
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
		var args *[]string // as the buildpack wrote them: [] or nothing
		if p.Args != nil {
			args = &p.Args
		}
		file.Processes = append(file.Processes, metadataProcess{p.Type, command, args, p.Direct, p.WorkingDir, p.ExecEnv, p.BuildpackID})
	}
	return tomlfile.Encode(file, "metadata.toml")
}
