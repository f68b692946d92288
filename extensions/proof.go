package extensions

import (
	"errors"
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Proof says what it takes to leave a Dockerfile out (CNB_RUN_IMAGE_PROOF).
type Proof string

// The proofs, from the least to the most strict. The zero value means that
// nothing was said: [Installs], unless the extension says otherwise ([Wishes]).
// One that is not known means Strict.
const (
	ByPlan   Proof = "plan"     // by effect, or by plan whatever the Dockerfile does
	Installs Proof = "installs" // by effect, or by plan if the Dockerfile only installs packages that provide what is required
	ByEffect Proof = "effect"   // only by effect
	Strict   Proof = "strict"   // both, and every install pinned to one version
)

// Proofs are all proofs, from the least to the most strict.
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

// Wishes is what an extension's author can say under [metadata.baseplan] in
// extension.toml.
type Wishes struct {
	AlwaysApply bool   // apply its Dockerfiles, whatever can be proved
	SatisfiedBy string // ByName, or empty
}

// ByName is the only value of satisfied-by: the proof [ByPlan] is enough where
// the operator says nothing else.
const ByName = "name"

// DecodeWishes reads them; path is that of the extension.toml, for errors.
func DecodeWishes(extensionTOML []byte, path string) (Wishes, error) {
	var descriptor struct {
		Metadata struct {
			Baseplan struct {
				AlwaysApply any `toml:"always-apply"`
				SatisfiedBy any `toml:"satisfied-by"`
			} `toml:"baseplan"`
		} `toml:"metadata"`
	}
	if err := tomlfile.DecodeStrict(extensionTOML, path, &descriptor, "metadata", "baseplan"); err != nil {
		return Wishes{}, err
	}
	said := descriptor.Metadata.Baseplan
	var w Wishes
	var wrong []error
	refuse := func(key string, value any, should string) {
		wrong = append(wrong, fmt.Errorf("reading %s: [metadata.baseplan]: key %q: %s: %s", path, key, quoted(value), should))
	}
	var ok bool
	if w.AlwaysApply, ok = said.AlwaysApply.(bool); !ok && said.AlwaysApply != nil {
		refuse("always-apply", said.AlwaysApply, "write true or false, without quotes")
	}
	if w.SatisfiedBy, ok = said.SatisfiedBy.(string); said.SatisfiedBy != nil && (!ok || w.SatisfiedBy != ByName) {
		refuse("satisfied-by", said.SatisfiedBy, fmt.Sprintf("its only value is %q; leave it out for the default", ByName))
	}
	return w, errors.Join(wrong...)
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}
