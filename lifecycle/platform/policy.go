package platform

import (
	"slices"

	"github.com/baseplan/baseplan/extensions"
)

// Stricter is what holds for a phase that has one policy of its own and one that the detector
// recorded: the one of each two values that leaves less out. Keys are the phase's own, else those recorded;
// unbound carriers count only if every phase that says something about them says true.
func (p Policy) Stricter(recorded Policy) Policy {
	out := p
	out.RunSBOM = stricter(p.RunSBOM, recorded.RunSBOM, Generate, Auto, Attached, Off)
	out.Proof = stricter(p.Proof, recorded.Proof, extensions.ByPlan, extensions.ByEffect, extensions.Strict)
	if len(out.Keys) == 0 {
		out.Keys = recorded.Keys
	}
	if out.Unbound == nil || recorded.Unbound != nil && !*recorded.Unbound {
		out.Unbound = recorded.Unbound
	}
	return out
}

// stricter is the one of two values that stands later in a list; one of which nothing is said does not count.
func stricter[T ~string](a, b T, ascending ...T) T {
	if a == "" || b != "" && slices.Index(ascending, b) > slices.Index(ascending, a) {
		return b
	}
	return a
}
