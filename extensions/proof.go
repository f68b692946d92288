package extensions

import (
	"errors"
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Proof is the proof required to skip a Dockerfile (CNB_RUN_IMAGE_PROOF).
type Proof string

// The proofs, from the least to the most strict. The zero value means unset:
// [Installs], unless the extension says otherwise ([Options]). An unknown value
// means Strict.
const (
	ByPlan   Proof = "plan"     // by effect, or by plan whatever the Dockerfile does
	Installs Proof = "installs" // by effect, or by plan if the Dockerfile only installs packages that provide what is required
	ByEffect Proof = "effect"   // only by effect
	Strict   Proof = "strict"   // both, and every install pinned to one version
)

// Proofs returns all proofs, from the least to the most strict.
func Proofs() []Proof { return []Proof{ByPlan, Installs, ByEffect, Strict} }

func (p Proof) known() Proof {
	switch {
	case p == "":
		return Installs
	case slices.Contains(Proofs(), p):
		return p
	}
	return Strict
}

// Options are an extension author's settings in [metadata.baseplan] of
// extension.toml.
type Options struct {
	AlwaysApply bool   // always apply its Dockerfiles
	SatisfiedBy string // ByName, or empty
}

// ByName is the only value of satisfied-by: the proof [ByPlan] is enough unless the
// operator sets another.
const ByName = "name"

// DecodeOptions decodes the options in an extension.toml. The path is used in
// errors.
func DecodeOptions(extensionTOML []byte, path string) (Options, error) {
	var descriptor struct {
		Metadata struct {
			Baseplan struct {
				AlwaysApply any `toml:"always-apply"`
				SatisfiedBy any `toml:"satisfied-by"`
			} `toml:"baseplan"`
		} `toml:"metadata"`
	}
	if err := tomlfile.DecodeStrict(extensionTOML, path, &descriptor, "metadata", "baseplan"); err != nil {
		return Options{}, err
	}
	said := descriptor.Metadata.Baseplan
	var w Options
	var wrong []error
	refuse := func(key string, value any, should string) {
		wrong = append(wrong, fmt.Errorf("reading %s: [metadata.baseplan]: key %q: %s: %s", path, key, quoted(value), should))
	}
	var ok bool
	if w.AlwaysApply, ok = said.AlwaysApply.(bool); !ok && said.AlwaysApply != nil {
		refuse("always-apply", said.AlwaysApply, "write true or false, without quotes")
	}
	if w.SatisfiedBy, ok = said.SatisfiedBy.(string); said.SatisfiedBy != nil && (!ok || w.SatisfiedBy != ByName) {
		refuse("satisfied-by", said.SatisfiedBy, fmt.Sprintf("the only value is %q; omit the key for the default", ByName))
	}
	return w, errors.Join(wrong...)
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}
