package platform

import (
	"cmp"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
)

// Policy returns the policy of a phase: its flags and variables, then that of its baseplan.toml. Unset values
// stay empty: a default must not be stricter than what another phase was given.
func (in *Inputs) Policy(file Policy) Policy {
	p := file
	p.RunSBOM = cmp.Or(in.RunSBOM, p.RunSBOM)
	p.Proof = cmp.Or(extensions.Proof(in.RunImageProof), p.Proof)
	p.Select = cmp.Or(in.Selection, p.Select)
	p.Catalog = cmp.Or(in.Catalog.String(), p.Catalog)
	p.ExtendInCreator = cmp.Or(in.ExtendInCreate, p.ExtendInCreator)
	p.ExtendNetwork = cmp.Or(in.ExtendNetwork, p.ExtendNetwork)
	if len(in.RunSBOMKeys) > 0 {
		p.Keys = in.RunSBOMKeys
	}
	p.TrustedRoot = cmp.Or(in.TrustedRoot, p.TrustedRoot)
	return p
}

// Stricter combines a phase's own policy with the one recorded by the detector. Of two
// values it takes the one that skips fewer Dockerfiles; a value that is not set does not
// count. Keys and identities are the phase's own if it has any of either, else the recorded
// ones; likewise the trusted root. Unbound is true only if each policy that sets it says true.
// The build time is the recorded one.
func (p Policy) Stricter(recorded Policy) Policy {
	out := p
	out.RunSBOM = stricter(p.RunSBOM, recorded.RunSBOM, Generate, Auto, Attached, Off)
	out.Proof = stricter(p.Proof, recorded.Proof, extensions.Proofs()...)
	out.Extensions = nil
	for _, x := range slices.Concat(p.Extensions, recorded.Extensions) {
		if !slices.ContainsFunc(out.Extensions, func(y ExtensionProof) bool { return x.ID == y.ID }) {
			x.Proof = stricter(p.proofOf(x.ID), recorded.proofOf(x.ID), extensions.Proofs()...)
			out.Extensions = append(out.Extensions, x)
		}
	}
	if len(out.Keys)+len(out.Identities) == 0 {
		out.Keys, out.Identities = recorded.Keys, recorded.Identities
	}
	if out.TrustedRoot == "" {
		out.TrustedRoot = recorded.TrustedRoot
	}
	if out.Unbound == nil || recorded.Unbound != nil && !*recorded.Unbound {
		out.Unbound = recorded.Unbound
	}
	out.MaxImageAge = lowerAge(p.MaxImageAge, recorded.MaxImageAge)
	if recorded.Built != nil {
		out.Built = recorded.Built
	}
	return out
}

// proofOf returns the proof that the policy requires for an extension, or "".
func (p Policy) proofOf(id string) extensions.Proof {
	for _, x := range p.Extensions {
		if x.ID == id {
			return x.Proof
		}
	}
	return p.Proof
}

// ProofOf returns the proof that suffices for the Dockerfiles of an extension; satisfiedBy is
// the extension's own setting.
func (p Policy) ProofOf(id, satisfiedBy string) extensions.Proof {
	said := p.proofOf(id)
	if said == "" && satisfiedBy == extensions.ByName {
		return extensions.ByPlan
	}
	return cmp.Or(said, extensions.Installs)
}

// stricter returns whichever of two values is later in a list; an empty value does not count.
func stricter[T ~string](a, b T, ascending ...T) T {
	if a == "" || b != "" && slices.Index(ascending, b) > slices.Index(ascending, a) {
		return b
	}
	return a
}

// lowerAge returns the smaller of two ages; an empty age does not count.
func lowerAge(a, b string) string {
	ageA, errA := parseAge(a)
	ageB, errB := parseAge(b)
	if a == "" || errA == nil && errB == nil && b != "" && ageB < ageA {
		return b
	}
	return a
}

// Rule sets the policy's fields of a case. Built is the build time if the policy has none.
func (p Policy) Rule(c *extensions.Case, built time.Time) {
	c.Off, c.Proof, c.Built = p.RunSBOM == Off, p.Proof, built
	if p.Built != nil {
		c.Built = *p.Built
	}
	c.Proofs = map[string]extensions.Proof{}
	for _, x := range p.Extensions {
		c.Proofs[x.ID] = x.Proof
	}
	var err error
	if c.MaxAge, err = parseAge(p.MaxImageAge); err != nil {
		c.MaxAge = time.Nanosecond // an invalid age accepts nothing
	}
}
