package advise

import (
	"math/bits"
	"slices"
)

// A set is a set of packages by their numbers, 64 in a word. Missing words are empty.
type set []uint64

// numbered returns the lacks with their sets. Only sets of the same call can be compared.
func numbered(lacks []lack) []lack {
	number := map[string]int{}
	for _, l := range lacks {
		for _, p := range l.packages {
			if _, known := number[p]; !known {
				number[p] = len(number)
			}
		}
	}
	out := slices.Clone(lacks)
	for i, l := range out {
		out[i].set = make(set, (len(number)+63)/64)
		for _, p := range l.packages {
			n := number[p]
			out[i].set[n/64] |= 1 << (n % 64)
		}
	}
	return out
}

func (s set) len() int { return s.without(nil) }

// without returns the number of packages that are not in the other set.
func (s set) without(other set) int {
	n := 0
	for i, word := range s {
		if i < len(other) {
			word &^= other[i]
		}
		n += bits.OnesCount64(word)
	}
	return n
}

// with returns the union of both.
func (s set) with(other set) set {
	out := make(set, max(len(s), len(other)))
	copy(out, s)
	for i, word := range other {
		out[i] |= word
	}
	return out
}
