package platform

import (
	"cmp"
	"slices"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// Analyzed is analyzed.toml, the state of the images before a build (platform.md,
// "analyzed.toml").
type Analyzed struct {
	PreviousImage *ImageReference `toml:"image,omitempty"` // nil: first build
	Metadata      AppMetadata     `toml:"metadata"`        // of the previous image
	RunImage      *RunImage       `toml:"run-image,omitempty"`
	BuildImage    *ImageReference `toml:"build-image,omitempty"`
	Unknown       tomlfile.Rest   `toml:"-"` // keys written by other lifecycles
}

// An ImageReference identifies one image immutably: by digest reference, by ID in a docker
// daemon, or by path of an OCI layout.
type ImageReference struct {
	Reference string `toml:"reference"`
	Extend    bool   `toml:"extend,omitempty"` // of a build image: build.Dockerfiles remain to be applied
}

// A RunImage is the run image of a build.
type RunImage struct {
	Reference string  `toml:"reference"`        // as in [ImageReference]; after a switch a name, until the restorer resolves it
	Image     string  `toml:"image,omitempty"`  // name given by the platform or an extension; from Platform API 0.12
	Extend    bool    `toml:"extend,omitempty"` // run.Dockerfiles remain to be applied
	Target    *Target `toml:"target,omitempty"` // nil: unknown
}

// A Target is the platform that an image is made for (platform.md, "Target Data").
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

// DecodeAnalyzed decodes analyzed.toml. The name is used in errors.
func DecodeAnalyzed(data []byte, name string) (*Analyzed, error) {
	var a Analyzed
	var err error
	if a.Unknown, err = tomlfile.DecodeRest(data, name, &a, freeForm); err != nil {
		return nil, err
	}
	a.readOldData()
	if a.PreviousImage != nil && a.PreviousImage.Reference == "" { // some lifecycles write an empty table for a first build
		a.PreviousImage = nil
	}
	return &a, nil
}

// layersAt is the path of the buildpacks' layers in analyzed.toml.
var layersAt = []string{"metadata", "buildpacks", "layers"}

// freeForm reports whether a key is below a layer's or a store's metadata, which is defined
// by the buildpack.
func freeForm(k []string) bool {
	switch {
	case len(k) > 4 && slices.Equal(k[:4], []string{"metadata", "buildpacks", "store", "metadata"}):
		return true
	case len(k) > 5 && slices.Equal(k[:3], layersAt):
		return k[4] == "metadata"
	}
	return false
}

// readOldData reads layer metadata from the key data, which earlier versions of baseplan
// wrote.
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

// Encode encodes the file as TOML.
func (a *Analyzed) Encode() ([]byte, error) {
	return tomlfile.EncodeWith(a, "analyzed.toml", a.Unknown)
}

// Name returns the run image's name, or its reference if it has none.
func (r *RunImage) Name() string {
	if r == nil {
		return ""
	}
	return cmp.Or(r.Image, r.Reference)
}
