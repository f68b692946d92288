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

// RunImageNames are the names of one run image.
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
			return nil, fmt.Errorf("reading %s: key \"images\", element %d: mirrors of no image: set the key \"image\"", path, i+1)
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
func (n RunImageNames) Choose(registry string, readable func(string) bool) (string, error) {
	all := n.All()
	if len(all) == 0 {
		return "", fmt.Errorf("choosing the run image: none is named; use -run-image, or name one in run.toml")
	}
	near := slices.DeleteFunc(slices.Clone(all), func(ref string) bool { return reference.Recorded(ref).Host() != registry })
	for _, ref := range append(near, all...) {
		if readable(ref) {
			return ref, nil
		}
	}
	return "", fmt.Errorf("choosing the run image: none of %q can be read", all)
}

// All returns the image's name and mirrors, or nil if it has no name.
func (n RunImageNames) All() []string {
	if n.Image == "" {
		return nil
	}
	return append([]string{n.Image}, n.Mirrors...)
}

// Has reports whether ref is one of the names.
func (n RunImageNames) Has(ref string) bool {
	return slices.ContainsFunc(n.All(), func(known string) bool { return sameImage(known, ref) })
}

// Names returns the run image that ref names; otherwise it returns the first image and found
// is false (platform.md, "Run Image Resolution").
func (r *RunFile) Names(ref string) (names RunImageNames, found bool) {
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
func sameImage(a, b string) bool {
	return reference.Recorded(a).Name() == reference.Recorded(b).Name()
}
