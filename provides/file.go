package provides

import (
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A File is run-image.provides.toml, which extension authors read.
type File struct {
	Version  string     `toml:"version" json:"version"`
	Image    string     `toml:"image" json:"image"`
	Distro   FileDistro `toml:"distro" json:"distro"`
	Provides []Entry    `toml:"provides,omitempty" json:"provides"`
}

// A FileDistro is the image's distribution.
type FileDistro struct {
	ID      string `toml:"id" json:"id"`
	Version string `toml:"version" json:"version"`
}

// An Entry is one provided name with its evidence.
type Entry struct {
	Name           string   `toml:"name" json:"name"`
	Kind           Kind     `toml:"kind" json:"kind"`
	PackageVersion string   `toml:"package-version,omitempty" json:"package-version,omitempty"`
	Evidence       []string `toml:"evidence" json:"evidence"` // purls, or file:/path
}

// FileOf returns the file for the set of an image.
func FileOf(s *Set, image string) File {
	f := File{Version: sbom.FileVersion, Image: image}
	if doc := s.Document(); doc != nil {
		f.Distro = FileDistro{ID: doc.Distro.ID, Version: doc.Distro.Version}
	}
	for _, p := range s.All() {
		f.Provides = append(f.Provides, EntryOf(p))
	}
	return f
}

// EntryOf returns the entry for a provide.
func EntryOf(p Provide) Entry {
	e := Entry{Name: p.Name, Kind: p.Kind, PackageVersion: p.Version}
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
func (f File) Encode() ([]byte, error) {
	return tomlfile.Encode(f, "run-image.provides.toml")
}

// DecodeFile decodes run-image.provides.toml. The name is used in errors.
func DecodeFile(data []byte, name string) (*File, error) {
	var f File
	if err := tomlfile.DecodeVersioned(data, name, &f, &f.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	return &f, nil
}
