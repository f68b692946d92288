package platform

import (
	"cmp"
	"slices"
	"time"

	"github.com/baseplan/baseplan/extensions"
)

// Stricter is what holds for a phase that has one policy of its own and one that the detector
// recorded: the one of each two values that leaves less out, as far as anything was said. Keys and identities
// are the phase's own where it has any of either, else those recorded; so is the trusted root. Unbound carriers
// count only if every phase that says something about them says true. The time of the build is the recorded one.
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
	out.MaxImageAge = younger(p.MaxImageAge, recorded.MaxImageAge)
	if recorded.Built != nil {
		out.Built = recorded.Built
	}
	return out
}

// proofOf is what a policy says of one extension; empty: nothing.
func (p Policy) proofOf(id string) extensions.Proof {
	for _, x := range p.Extensions {
		if x.ID == id {
			return x.Proof
		}
	}
	return p.Proof
}

// ProofOf is the proof that is enough for the Dockerfiles of an extension, which may say by what they are satisfied.
func (p Policy) ProofOf(id, satisfiedBy string) extensions.Proof {
	said := p.proofOf(id)
	if said == "" && satisfiedBy == extensions.ByName {
		return extensions.ByPlan
	}
	return cmp.Or(said, extensions.Installs)
}

// stricter is the one of two values that stands later in a list; one of which nothing is said does not count.
func stricter[T ~string](a, b T, ascending ...T) T {
	if a == "" || b != "" && slices.Index(ascending, b) > slices.Index(ascending, a) {
		return b
	}
	return a
}

// younger is the smaller of two ages; one of which nothing is said does not count.
func younger(a, b string) string {
	ageA, errA := ParseAge(a)
	ageB, errB := ParseAge(b)
	if a == "" || errA == nil && errB == nil && b != "" && ageB < ageA {
		return b
	}
	return a
}

// Rule fills in what a policy says about verdicts. Built is the time of the build where the policy
// has not recorded it.
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
	if c.MaxAge, err = ParseAge(p.MaxImageAge); err != nil {
		c.MaxAge = time.Nanosecond // what cannot be read lets nothing pass
	}
}
