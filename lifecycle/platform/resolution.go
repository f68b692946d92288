package platform

import (
	"fmt"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Resolution is <layers>/resolution.toml: everything that a later phase, or a
// person, needs to know of how the build plan was resolved and what became of
// each extension.
type Resolution struct {
	Version      string             `toml:"version" json:"version"`
	Policy       Policy             `toml:"policy" json:"policy"`
	Extensions   []ExtensionProof   `toml:"extensions,omitempty" json:"extensions,omitempty"` // also in Policy
	Identities   []attach.Identity  `toml:"identities,omitempty" json:"-"`                    // also in Policy
	RunImage     ResolvedImage      `toml:"run-image" json:"run-image"`
	Requirements []Requirement      `toml:"requirements,omitempty" json:"requirements"`
	Verdicts     []Verdict          `toml:"verdicts,omitempty" json:"verdicts"`
	Mapping      []provides.Mapping `toml:"mapping,omitempty" json:"mapping,omitempty"`

	// Relies is what the run image has to have for the Dockerfiles that were left out; see [Reliances].
	Relies []RunImageRequirement `toml:"relies,omitempty" json:"relies,omitempty"`

	Result Result `toml:"result" json:"result"`
}

// A ResolvedImage is the run image that requirements were resolved against.
type ResolvedImage struct {
	Image     string `toml:"image" json:"image"`
	Digest    string `toml:"digest,omitempty" json:"digest,omitempty"`
	Inventory string `toml:"inventory" json:"inventory"` // a carrier, "generated" or "unknown"
}

// A Requirement is one requirement of the chosen trial.
type Requirement struct {
	Name       string   `toml:"name" json:"name"`
	RequiredBy string   `toml:"required-by" json:"required-by"`               // id@version
	Version    string   `toml:"version,omitempty" json:"version,omitempty"`   // the constraint
	Asks       []string `toml:"asks,omitempty" json:"asks,omitempty"`         // keys of metadata that ask for more than a name and a version
	Contexts   []string `toml:"contexts,omitempty" json:"contexts,omitempty"` // build, launch; neither flagged: absent
	MetBy      []string `toml:"met-by,omitempty" json:"met-by,omitempty"`     // run-image, build-image, id@version
	Rule       string   `toml:"rule,omitempty" json:"rule,omitempty"`         // deb, rpm, apk, semver
	Evidence   []string `toml:"evidence,omitempty" json:"evidence,omitempty"` // version-free purl patterns
}

// A Verdict is what became of one Dockerfile.
type Verdict struct {
	Extension    string        `toml:"extension" json:"extension"`
	Image        string        `toml:"image" json:"image"`           // run or build
	Dockerfile   string        `toml:"dockerfile" json:"dockerfile"` // relative to <layers>
	Verdict      string        `toml:"verdict" json:"verdict"`       // superseded, satisfied, no-effect, switch, pending, apply
	SwitchTo     string        `toml:"switch-to,omitempty" json:"switch-to,omitempty"`
	AlwaysApply  bool          `toml:"always-apply,omitempty" json:"always-apply,omitempty"` // the extension's wish
	SatisfiedBy  string        `toml:"satisfied-by,omitempty" json:"satisfied-by,omitempty"` // its other wish
	Along        bool          `toml:"goes-along,omitempty" json:"goes-along,omitempty"`     // it is applied only since others of its image are
	Reasons      []string      `toml:"reasons,omitempty" json:"reasons,omitempty"`
	Instructions []Instruction `toml:"instructions,omitempty" json:"instructions,omitempty"` // where the proof was by effect
}

// An Instruction is one line of a Dockerfile and whether it has an effect.
type Instruction struct {
	Line   int      `toml:"line" json:"line"`
	Effect bool     `toml:"effect" json:"effect"`
	Reason string   `toml:"reason" json:"reason"`
	Lacks  []string `toml:"lacks,omitempty" json:"lacks,omitempty"` // packages, if that they are not installed is all of the effect

	// Manager says that the effect is only the work of a package manager.
	Manager bool `toml:"package-manager,omitempty" json:"package-manager,omitempty"`
}

// A Result is what the platform is told.
type Result struct {
	RunImage    string `toml:"run-image" json:"run-image"`
	ExtendRun   bool   `toml:"extend-run" json:"extend-run"`
	ExtendBuild bool   `toml:"extend-build" json:"extend-build"`
}

// Encode gives the file's bytes: the same value, the same bytes.
func (r Resolution) Encode() ([]byte, error) {
	r.Version, r.Extensions, r.Identities = sbom.FileVersion, r.Policy.Extensions, r.Policy.Identities
	return tomlfile.Encode(r, "resolution.toml")
}

// DecodeResolution reads resolution.toml; name is its path, for errors.
func DecodeResolution(data []byte, name string) (*Resolution, error) {
	var r Resolution
	if err := tomlfile.DecodeVersioned(data, name, &r, &r.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	if err := checkIdentities(r.Identities); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	r.Policy.Extensions, r.Policy.Identities = r.Extensions, r.Identities
	return &r, nil
}
