package platform

import (
	"encoding/json"
	"fmt"
)

// Labels of images (platform.md, "Labels" and "Target Data").
const (
	LifecycleMetadataLabel = "io.buildpacks.lifecycle.metadata"
	BuildMetadataLabel     = "io.buildpacks.build.metadata"
	ProjectMetadataLabel   = "io.buildpacks.project.metadata"
	RebasableLabel         = "io.buildpacks.rebasable"
	BaseLabels             = "io.buildpacks.base."  // prefix: set by the run image
	StackLabels            = "io.buildpacks.stack." // prefix: likewise, of older platforms
	StackIDLabel           = "io.buildpacks.stack.id"
	DistroNameLabel        = "io.buildpacks.base.distro.name"
	DistroVersionLabel     = "io.buildpacks.base.distro.version"
	TargetIDLabel          = "io.buildpacks.base.id"
	ExecEnvLabel           = "io.buildpacks.exec-env"

	// RequirementsLabel lists what an app needs in its run image (docs/reference/files.md, "label
	// baseplan.run-image.requirements").
	RequirementsLabel = "baseplan.run-image.requirements"

	// ResolutionLabel records how the build plan of an app image was resolved (docs/reference/files.md, "label
	// baseplan.resolution").
	ResolutionLabel = "baseplan.resolution"
)

// EncodeLabel encodes a label's value as deterministic JSON.
func EncodeLabel(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding a label: %w", err)
	}
	return string(data), nil
}

// A BuildLabel is the label io.buildpacks.build.metadata.
type BuildLabel struct {
	BOM         *[]BOMEntry    `json:"bom,omitempty"` // before Platform API 0.9, null if empty; see [BuildMetadata]
	Buildpacks  []LabelModule  `json:"buildpacks"`
	Extensions  []LabelModule  `json:"extensions,omitempty"`
	Launcher    LauncherLabel  `json:"launcher"`
	Processes   []LabelProcess `json:"processes"`
	DefaultType string         `json:"buildpack-default-process-type,omitempty"`
}

// A LabelModule is a buildpack or an extension in a label.
type LabelModule struct {
	ID       string `json:"id"`
	Version  string `json:"version"`
	Homepage string `json:"homepage,omitempty"`
	API      string `json:"api,omitempty"`
}

// A LabelProcess is a process in a label. Command is a list from Platform API 0.10 on, and a
// string before.
type LabelProcess struct {
	Type        string   `json:"type"`
	Command     any      `json:"command"`
	Args        []string `json:"args"`
	Direct      bool     `json:"direct"`
	BuildpackID string   `json:"buildpackID"`
	WorkingDir  string   `json:"working-dir,omitempty"`
	ExecEnv     []string `json:"exec-env,omitempty"`
}

// A LauncherLabel describes the launcher of an app image.
type LauncherLabel struct {
	Version string         `json:"version"`
	Source  LauncherSource `json:"source"`
}

// A LauncherSource is the location of a launcher's source code.
type LauncherSource struct {
	Git GitSource `json:"git"`
}

// A GitSource is a commit of a repository.
type GitSource struct {
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
}

// Requirements is the label baseplan.run-image.requirements (docs/reference/files.md, "label baseplan.run-image.requirements").
type Requirements struct {
	Version      string                `json:"version"`
	Requirements []RunImageRequirement `json:"requirements"`
}

// A RunImageRequirement is something that an app needs in its run image. It has no package
// version of the build, so it stays valid after a rebase.
type RunImageRequirement struct {
	Name           string   `json:"name" toml:"name"`
	Constraint     string   `json:"constraint,omitempty" toml:"constraint,omitempty"`
	Rule           string   `json:"rule,omitempty" toml:"rule,omitempty"` // how to compare versions with the constraint
	Evidence       []string `json:"evidence" toml:"evidence"`
	RequiredBy     string   `json:"required-by,omitempty" toml:"required-by,omitempty"`           // ID of a buildpack
	ProvedByEffect string   `json:"proved-by-effect,omitempty" toml:"proved-by-effect,omitempty"` // ID of an extension
}
