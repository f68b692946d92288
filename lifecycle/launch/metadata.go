package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// Metadata holds the part of <layers>/config/metadata.toml that the launcher reads.
type Metadata struct {
	Buildpacks []Buildpack `toml:"buildpacks"` // in the order of bin/build
	Processes  []Process   `toml:"processes"`
}

// A Buildpack is a buildpack that took part in the build.
type Buildpack struct {
	ID  string `toml:"id"`
	API string `toml:"api"`
}

// A Process is a way to start the app.
type Process struct {
	Type       string   `toml:"type"`
	Command    Command  `toml:"command"`
	Args       []string `toml:"args,omitempty"`
	Direct     bool     `toml:"direct"` // run without a shell
	WorkingDir string   `toml:"working-dir,omitempty"`
	ExecEnv    []string `toml:"exec-env,omitempty"`
	// BuildpackID is the buildpack that defined the process. Its API decides how the process is
	// started. The specification has no key for it; all lifecycles write this one.
	BuildpackID string `toml:"buildpack-id,omitempty"`
}

// SingleCommand returns p with all but the first element of Command moved to Args. Args is never
// nil, so that it is written as an empty list, as other lifecycles do.
func (p Process) SingleCommand() Process {
	p.Args = append(append([]string{}, p.Command[min(1, len(p.Command)):]...), p.Args...)
	p.Command = p.Command[:min(1, len(p.Command))]
	return p
}

// A Command is a program and the arguments that are always passed to it. Up to
// Platform API 0.9 it is written as a string, the program.
type Command []string

// UnmarshalTOML accepts a list of strings or a string.
func (c *Command) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*c = Command{v}
		return nil
	case []any:
		list := make(Command, 0, len(v))
		for _, element := range v {
			s, ok := element.(string)
			if !ok {
				return fmt.Errorf("key \"command\": want strings, not %T", element)
			}
			list = append(list, s)
		}
		*c = list
		return nil
	}
	return fmt.Errorf("key \"command\": want a string or a list of strings, not %T", v)
}

// readMetadata reads config/metadata.toml in a layers directory. It returns the zero value if there is no such file.
func readMetadata(layers string) (Metadata, error) {
	path := filepath.Join(layers, "config", "metadata.toml")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Metadata{}, nil
	}
	if err != nil {
		return Metadata{}, fmt.Errorf("reading metadata: %w", err)
	}
	return decodeMetadata(data, path)
}

// decodeMetadata parses and validates the content of the file at path.
func decodeMetadata(data []byte, path string) (Metadata, error) {
	var m Metadata
	if err := tomlfile.Decode(data, path, &m); err != nil {
		return m, err
	}
	for i, b := range m.Buildpacks {
		if b.ID == "" {
			return m, fmt.Errorf("reading %s: buildpack %d has no id", path, i+1)
		}
	}
	for i, p := range m.Processes {
		if p.Type == "" || strings.ContainsAny(p.Type, "/\x00") || p.Type == "." || p.Type == ".." {
			return m, fmt.Errorf("reading %s: process %d: invalid type %q", path, i+1, p.Type)
		}
		if len(p.Command) == 0 || p.Command[0] == "" {
			return m, fmt.Errorf("reading %s: process %q has no command", path, p.Type)
		}
	}
	return m, nil
}

// dir returns the buildpack's directory below layers. It rejects an ID that would leave layers.
func (b Buildpack) dir(layers string) (string, error) {
	name := strings.ReplaceAll(b.ID, "/", "_")
	if name == "." || name == ".." {
		return "", fmt.Errorf("finding the layers of a buildpack: invalid buildpack ID %q", b.ID)
	}
	return filepath.Join(layers, name), nil
}
