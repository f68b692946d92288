package platform

import (
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A RunImageProvides is run-image.provides.toml: what the run image provides, for extensions.
type RunImageProvides struct {
	Version  string         `toml:"version" json:"version"`
	Image    string         `toml:"image" json:"image"`
	Distro   ProvidesDistro `toml:"distro" json:"distro"`
	Provides []Provided     `toml:"provides,omitempty" json:"provides"`
}

// A ProvidesDistro names the image's distribution.
type ProvidesDistro struct {
	ID      string `toml:"id" json:"id"`
	Version string `toml:"version" json:"version"`
}

// A Provided is one provided name with its evidence.
type Provided struct {
	Name           string        `toml:"name" json:"name"`
	Kind           provides.Kind `toml:"kind" json:"kind"`
	PackageVersion string        `toml:"package-version,omitempty" json:"package-version,omitempty"`
	Evidence       []string      `toml:"evidence" json:"evidence"` // purls, or file:/path
}

// RunImageProvidesOf returns the file for what an image provides.
func RunImageProvidesOf(s *provides.Set, image string) RunImageProvides {
	f := RunImageProvides{Version: sbom.FileVersion, Image: image}
	if doc := s.Document(); doc != nil {
		f.Distro = ProvidesDistro{ID: doc.Distro.ID, Version: doc.Distro.Version}
	}
	for _, p := range s.All() {
		f.Provides = append(f.Provides, ProvidedOf(p))
	}
	return f
}

// ProvidedOf returns a provide as files show it.
func ProvidedOf(p provides.Provide) Provided {
	e := Provided{Name: p.Name, Kind: p.Kind, PackageVersion: p.Version}
	for _, ev := range p.Evidence {
		switch {
		case ev.PURL != "":
			e.Evidence = append(e.Evidence, ev.PURL)
		case ev.Path != "":
			e.Evidence = append(e.Evidence, "file:"+ev.Path)
		default:
			e.Evidence = append(e.Evidence, ev.Pattern)
		}
	}
	return e
}

// Encode encodes the file as TOML.
func (f RunImageProvides) Encode() ([]byte, error) {
	return tomlfile.Encode(f, "run-image.provides.toml")
}

// DecodeRunImageProvides decodes run-image.provides.toml. The name is used in errors.
func DecodeRunImageProvides(data []byte, name string) (*RunImageProvides, error) {
	var f RunImageProvides
	if err := tomlfile.DecodeVersioned(data, name, &f, &f.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	return &f, nil
}
