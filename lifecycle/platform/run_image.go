package platform

import (
	"errors"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A RunImageReport is <layers>/run-image.toml: the source of the run image's inventory and the
// carriers that were searched.
type RunImageReport struct {
	Version  string      `toml:"version"`
	Image    string      `toml:"image"`              // as named by the user
	Digest   string      `toml:"digest,omitempty"`   // of the platform's manifest; the image ID for a daemon
	SBOM     *SBOMSource `toml:"sbom,omitempty"`     // nil: no inventory is known
	Searched []Searched  `toml:"searched,omitempty"` // the searched carriers, in order

	// Declaration is the publisher's statement on what the image provides; it is recorded because
	// the detector has no registry access; nil: none.
	Declaration *Declared `toml:"declaration,omitempty"`

	// Config is the image's configuration, for judging Dockerfiles; nil: unknown.
	Config *extensions.Config `toml:"config,omitempty"`
}

// A Declared is an [attach.Declaration] as it was found.
type Declared struct {
	Reference string `toml:"reference"`
	attach.Signature
	Data string `toml:"data"` // JSON
}

// An SBOMSource describes where an inventory came from.
type SBOMSource struct {
	Carrier   attach.Carrier `toml:"carrier" json:"carrier"`
	Format    sbom.Format    `toml:"format" json:"format"`
	Reference string         `toml:"reference,omitempty" json:"reference,omitempty"`
	Packages  int            `toml:"packages" json:"packages"`
	attach.Signature
	Unbound bool       `toml:"unbound,omitempty" json:"unbound,omitempty"` // the signed bytes do not name the image
	Created *time.Time `toml:"created,omitempty" json:"created,omitempty"` // nil: unknown
}

// A Searched is a carrier that was searched.
type Searched struct {
	Carrier attach.Carrier `toml:"carrier" json:"carrier"`
	Result  attach.Outcome `toml:"result" json:"result"`
	Digest  string         `toml:"digest,omitempty" json:"digest,omitempty"` // of the artifact or layer
	Detail  string         `toml:"detail,omitempty" json:"detail,omitempty"`
}

// SetResult records the result of a search.
func (r *RunImageReport) SetResult(found *attach.Result) {
	r.SBOM, r.Declaration, r.Searched = nil, nil, nil
	if f := found.Found; f != nil {
		r.SBOM = &SBOMSource{Carrier: f.Carrier, Format: f.Document.Format, Reference: f.Reference, Packages: len(f.Document.Packages), Signature: f.Signature, Unbound: f.Unbound}
		if c := f.Document.Created.UTC(); !c.IsZero() {
			r.SBOM.Created = &c
		}
	}
	if d := found.Declaration; d != nil {
		r.Declaration = &Declared{Reference: d.Reference, Signature: d.Signature, Data: string(d.Data)}
	}
	for _, f := range found.Searched {
		s := Searched{Carrier: f.Carrier, Result: f.Result, Detail: f.Detail}
		if f.Digest.Hex != "" {
			s.Digest = f.Digest.String()
		}
		r.Searched = append(r.Searched, s)
	}
}

// Check returns an error if this phase does not trust an SBOM that another phase found, with
// other keys or none.
func (s *SBOMSource) Check(trust attach.Trust) error {
	if slices.Contains([]attach.Carrier{attach.Platform, attach.Cache, attach.Generated}, s.Carrier) {
		return nil
	}
	if err := trust.Check(s.Signature); err != nil {
		return err
	}
	if trust.Restricted() && s.Unbound && !trust.Unbound {
		return errors.New("the signed bytes do not name the image; set unbound = true in the policy to accept that")
	}
	return nil
}

// Encode encodes the file as TOML.
func (r RunImageReport) Encode() ([]byte, error) {
	r.Version = sbom.FileVersion
	return tomlfile.Encode(r, "run-image.toml")
}

// DecodeRunImageReport decodes run-image.toml. The name is used in errors. It rejects a newer
// major version and ignores unknown keys.
func DecodeRunImageReport(data []byte, name string) (*RunImageReport, error) {
	var r RunImageReport
	if err := tomlfile.DecodeVersioned(data, name, &r, &r.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	return &r, nil
}
