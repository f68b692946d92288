package platform

import (
	"slices"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// Analyzed is analyzed.toml: what is known of the images before a build
// (platform.md, "analyzed.toml").
type Analyzed struct {
	PreviousImage *ImageReference `toml:"image,omitempty"` // nil: there is none
	Metadata      AppMetadata     `toml:"metadata"`        // of the previous image
	RunImage      *RunImage       `toml:"run-image,omitempty"`
	BuildImage    *ImageReference `toml:"build-image,omitempty"`
	Unknown       tomlfile.Rest   `toml:"-"` // keys of other lifecycles
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
	var err error
	if a.Unknown, err = tomlfile.DecodeRest(data, name, &a, anythingIn); err != nil {
		return nil, err
	}
	a.readOldData()
	if a.PreviousImage != nil && a.PreviousImage.Reference == "" { // others write the table for a first build, too
		a.PreviousImage = nil
	}
	return &a, nil
}

// layersAt is where the layers of buildpacks are in analyzed.toml.
var layersAt = []string{"metadata", "buildpacks", "layers"}

// anythingIn reports whether a key is below a layer's or a store's metadata, which belong
// to the buildpack.
func anythingIn(k []string) bool {
	switch {
	case len(k) > 4 && slices.Equal(k[:4], []string{"metadata", "buildpacks", "store", "metadata"}):
		return true
	case len(k) > 5 && slices.Equal(k[:3], layersAt):
		return k[4] == "metadata"
	}
	return false
}

// readOldData takes a layer's metadata from the key data, which earlier builds of baseplan wrote.
func (a *Analyzed) readOldData() {
	for i, b := range a.Metadata.Buildpacks {
		for name, l := range b.Layers {
			data := a.Unknown.Take("metadata", "buildpacks", i, "layers", name, "data")
			if data != nil && l.Data == nil {
				l.Data = data
				b.Layers[name] = l
			}
		}
	}
}

// Encode gives the file's bytes.
func (a *Analyzed) Encode() ([]byte, error) {
	return tomlfile.EncodeWith(a, "analyzed.toml", a.Unknown)
}

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
