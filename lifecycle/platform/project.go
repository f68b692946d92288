package platform

import "github.com/baseplan/baseplan/sbom/tomlfile"

// ProjectMetadata is project-metadata.toml and the label io.buildpacks.project.metadata
// (platform.md, "project-metadata.toml").
type ProjectMetadata struct {
	Source *ProjectSource `toml:"source" json:"source,omitempty"`
}

// A ProjectSource is the origin of an app's source code.
type ProjectSource struct {
	Type     string         `toml:"type" json:"type,omitempty"`
	Version  map[string]any `toml:"version" json:"version,omitempty"`
	Metadata map[string]any `toml:"metadata" json:"metadata,omitempty"`
}

// DecodeProjectMetadata decodes project-metadata.toml. The name is used in errors.
func DecodeProjectMetadata(data []byte, name string) (*ProjectMetadata, error) {
	var p ProjectMetadata
	if err := tomlfile.Decode(data, name, &p); err != nil {
		return nil, err
	}
	return &p, nil
}
