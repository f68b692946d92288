package platform

import (
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A RunFile is run.toml, the list of run images (platform.md, "run.toml").
type RunFile struct {
	Images []RunImageNames `toml:"images"`
}

// RunImageNames are the names of one run image, as the file has them. All returns them parsed.
type RunImageNames struct {
	Image   string   `toml:"image" json:"image"`
	Mirrors []string `toml:"mirrors,omitempty" json:"mirrors,omitempty"`
}

// DecodeRun decodes run.toml. The path is used in errors.
func DecodeRun(data []byte, path string) (*RunFile, error) {
	var r RunFile
	if err := tomlfile.Decode(data, path, &r); err != nil {
		return nil, err
	}
	for i, image := range r.Images {
		if image.Image == "" && len(image.Mirrors) > 0 {
			return nil, fmt.Errorf("reading %s: key \"images\", element %d: mirrors without an image; set the key \"image\"", path, i+1)
		}
	}
	return &r, nil
}

// DecodeStack decodes stack.toml, the predecessor of run.toml before Platform API 0.12.
func DecodeStack(data []byte, path string) (*RunFile, error) {
	var s struct {
		RunImage RunImageNames `toml:"run-image"`
	}
	if err := tomlfile.Decode(data, path, &s); err != nil {
		return nil, err
	}
	if s.RunImage.Image == "" {
		return &RunFile{}, nil
	}
	return &RunFile{Images: []RunImageNames{s.RunImage}}, nil
}

// Choose returns the first readable name of a run image: first those in the app image's
// registry, then all in order (platform.md, "Run Image Resolution"). An empty registry means a
// docker daemon.
func (n RunImageNames) Choose(registry string, readable func(reference.Reference) bool) (reference.Reference, error) {
	all := n.All()
	if len(all) == 0 {
		return reference.Reference{}, fmt.Errorf("choosing the run image: no image is configured; set -run-image or list one in run.toml")
	}
	near := slices.DeleteFunc(slices.Clone(all), func(ref reference.Reference) bool { return reference.Recorded(ref.String()).Host() != registry })
	for _, ref := range append(near, all...) {
		if readable(ref) {
			return ref, nil
		}
	}
	return reference.Reference{}, fmt.Errorf("choosing the run image: none of %q can be read", all)
}

// All returns the image's name and mirrors, or nil if it has no name.
func (n RunImageNames) All() []reference.Reference {
	if n.Image == "" {
		return nil
	}
	all := []reference.Reference{reference.Parse(n.Image)}
	for _, mirror := range n.Mirrors {
		all = append(all, reference.Parse(mirror))
	}
	return all
}

// Has reports whether ref is one of the names.
func (n RunImageNames) Has(ref reference.Reference) bool {
	return slices.ContainsFunc(n.All(), func(known reference.Reference) bool { return sameImage(known, ref) })
}

// Names returns the run image that ref names; otherwise it returns the first image and found
// is false (platform.md, "Run Image Resolution").
func (r *RunFile) Names(ref reference.Reference) (names RunImageNames, found bool) {
	if r == nil || len(r.Images) == 0 {
		return RunImageNames{}, false
	}
	for _, image := range r.Images {
		if image.Has(ref) {
			return image, true
		}
	}
	return r.Images[0], false
}

// sameImage compares references with docker's defaults filled in.
func sameImage(a, b reference.Reference) bool {
	return reference.Recorded(a.String()).Name() == reference.Recorded(b.String()).Name()
}
