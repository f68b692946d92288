package platform

import "github.com/baseplan/baseplan/internal/tomlfile"

// Analyzed is analyzed.toml: what is known of the images before a build
// (platform.md, "analyzed.toml").
type Analyzed struct {
	PreviousImage *ImageReference `toml:"image,omitempty"` // nil: there is none
	Metadata      AppMetadata     `toml:"metadata"`        // of the previous image
	RunImage      *RunImage       `toml:"run-image,omitempty"`
	BuildImage    *ImageReference `toml:"build-image,omitempty"`
}

// An ImageReference names one image for good: a digest reference, the ID of an image in a
// docker daemon, or the path of an OCI layout.
type ImageReference struct {
	Reference string `toml:"reference"`
	Extend    bool   `toml:"extend,omitempty"` // of a build image: a build.Dockerfile is left to apply
}

// A RunImage is the run image of a build.
type RunImage struct {
	Reference string  `toml:"reference"`        // as in [ImageReference]; after a switch the name, until the restorer resolves it
	Image     string  `toml:"image,omitempty"`  // the name that the platform or an extension gave; from Platform API 0.12
	Extend    bool    `toml:"extend,omitempty"` // a run.Dockerfile is left to apply
	Target    *Target `toml:"target,omitempty"` // nil: not known
}

// A Target is what an image is for (platform.md, "Target Data").
type Target struct {
	OS      string  `toml:"os,omitempty" json:"os,omitempty"`
	Arch    string  `toml:"arch,omitempty" json:"arch,omitempty"`
	Variant string  `toml:"variant,omitempty" json:"variant,omitempty"`
	Distro  *Distro `toml:"distro,omitempty" json:"distro,omitempty"`
	ID      string  `toml:"id,omitempty" json:"id,omitempty"` // the label io.buildpacks.base.id
}

// A Distro is an operating system distribution, as in /etc/os-release.
type Distro struct {
	Name    string `toml:"name,omitempty" json:"name,omitempty"`
	Version string `toml:"version,omitempty" json:"version,omitempty"`
}

// DecodeAnalyzed reads analyzed.toml; name is its path, for errors.
func DecodeAnalyzed(data []byte, name string) (*Analyzed, error) {
	var a Analyzed
	if err := tomlfile.Decode(data, name, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// Encode gives the file's bytes.
func (a *Analyzed) Encode() ([]byte, error) { return tomlfile.Encode(a, "analyzed.toml") }

// Name is what people call the run image: its name, else its reference.
func (r *RunImage) Name() string {
	if r == nil {
		return ""
	}
	if r.Image != "" {
		return r.Image
	}
	return r.Reference
}
