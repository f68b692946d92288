package platform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/internal/tomlfile"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// Settings is /cnb/baseplan.toml: the operator's policy and mapping.
type Settings struct {
	Version string             `toml:"version"`
	Policy  Policy             `toml:"policy"`
	Mapping []provides.Mapping `toml:"provides"` // over the built-in table
}

// A Policy is what an operator may decide (DESIGN section 9). The zero value of
// a field means that nothing was said, and the default holds.
type Policy struct {
	RunSBOM         RunSBOM          `toml:"run-sbom,omitempty" json:"run-sbom,omitempty"`
	Proof           extensions.Proof `toml:"proof,omitempty" json:"proof,omitempty"`
	Keys            []string         `toml:"keys,omitempty" json:"keys,omitempty"`                           // PEM, or paths
	Unbound         *bool            `toml:"unbound,omitempty" json:"unbound,omitempty"`                     // whether cosign's .sbom tags count under keys; nil: not said
	Select          string           `toml:"select,omitempty" json:"select,omitempty"`                       // off (default), auto
	ExtendInCreator string           `toml:"extend-in-creator,omitempty" json:"extend-in-creator,omitempty"` // auto (default), never
}

// RunSBOM says where inventories may come from, CNB_RUN_SBOM.
type RunSBOM string

// The values of [RunSBOM], DESIGN section 1.
const (
	Auto     RunSBOM = "auto"
	Generate RunSBOM = "generate"
	Attached RunSBOM = "attached"
	Off      RunSBOM = "off"
)

// The values that each key of [policy] may have; the first is the default.
var allowed = map[string][]string{
	"run-sbom":          {string(Auto), string(Generate), string(Attached), string(Off)},
	"proof":             {string(extensions.ByPlan), string(extensions.ByEffect), string(extensions.Strict)},
	"select":            {"off", "auto"},
	"extend-in-creator": {"auto", "never"},
}

// DecodeSettings reads baseplan.toml; name is its path, for errors.
func DecodeSettings(data []byte, name string) (*Settings, error) {
	var s Settings
	if err := tomlfile.DecodeVersionedStrict(data, name, &s, &s.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	if err := s.Policy.Check(); err != nil {
		return nil, fmt.Errorf("reading %s: [policy]: %w", name, err)
	}
	if err := provides.CheckMapping(s.Mapping); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return &s, nil
}

// Check says which key has a value that it cannot have.
func (p Policy) Check() error {
	for _, key := range []string{"run-sbom", "proof", "select", "extend-in-creator"} {
		if err := p.checkKey(key); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
	}
	return nil
}

func (p Policy) checkKey(key string) error {
	value := map[string]string{
		"run-sbom": string(p.RunSBOM), "proof": string(p.Proof), "select": p.Select, "extend-in-creator": p.ExtendInCreator,
	}[key]
	if value != "" && !slices.Contains(allowed[key], value) {
		return fmt.Errorf("%q is not one of %s", value, strings.Join(allowed[key], ", "))
	}
	return nil
}
