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
	BaseLabels             = "io.buildpacks.base."  // prefix: they belong to the run image
	StackLabels            = "io.buildpacks.stack." // prefix: the same, of older platforms
	StackIDLabel           = "io.buildpacks.stack.id"
	DistroNameLabel        = "io.buildpacks.base.distro.name"
	DistroVersionLabel     = "io.buildpacks.base.distro.version"
	TargetIDLabel          = "io.buildpacks.base.id"
	ExecEnvLabel           = "io.buildpacks.exec-env"

	// RequirementsLabel is what an app relies on in its run image (docs/reference/files.md, "label baseplan.run-image.requirements").
	RequirementsLabel = "baseplan.run-image.requirements"
)

// EncodeLabel gives the JSON of a label: the same value, the same text.
func EncodeLabel(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encoding a label: %w", err)
	}
	return string(data), nil
}

// A BuildLabel is the label io.buildpacks.build.metadata.
type BuildLabel struct {
	BOM         *[]BOMEntry    `json:"bom,omitempty"` // until Platform API 0.9, null if there is none; see [BuildMetadata]
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

// A LabelProcess is a process in a label. Command is a list from Platform API 0.10, a string before.
type LabelProcess struct {
	Type        string   `json:"type"`
	Command     any      `json:"command"`
	Args        []string `json:"args"`
	Direct      bool     `json:"direct"`
	BuildpackID string   `json:"buildpackID"`
	WorkingDir  string   `json:"working-dir,omitempty"`
	ExecEnv     []string `json:"exec-env,omitempty"`
}

// A LauncherLabel says which launcher is in an app image.
type LauncherLabel struct {
	Version string         `json:"version"`
	Source  LauncherSource `json:"source"`
}

// A LauncherSource is where a launcher's source code is.
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

// A RunImageRequirement is one thing that an app relies on in its run image. No version of
// today is in it, so it stays true after a rebase.
type RunImageRequirement struct {
	Name           string   `json:"name" toml:"name"`
	Constraint     string   `json:"constraint,omitempty" toml:"constraint,omitempty"`
	Rule           string   `json:"rule,omitempty" toml:"rule,omitempty"` // for the constraint
	Evidence       []string `json:"evidence" toml:"evidence"`
	RequiredBy     string   `json:"required-by,omitempty" toml:"required-by,omitempty"`           // a buildpack's ID
	ProvedByEffect string   `json:"proved-by-effect,omitempty" toml:"proved-by-effect,omitempty"` // an extension's ID
}
