package resolver

import "math/bits"

// A bitset is a set of small numbers: positions in a group.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, words(n)) }

func words(n int) int { return (n + 63) / 64 }

// An arena hands out the short-lived bitsets of a trial.
type arena struct {
	free []uint64
	all  []uint64
}

// bitset returns an empty set of numbers below n, valid until reset.
func (a *arena) bitset(n int) bitset {
	size := words(n)
	if len(a.free) < size {
		a.all = make([]uint64, max(1024, 2*len(a.all), size)) // the sets in the old one stay valid
		a.free = a.all
	}
	b := a.free[:size:size]
	a.free = a.free[size:]
	clear(b)
	return b
}

func (a *arena) reset() { a.free = a.all }

func (b bitset) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) remove(i int)   { b[i/64] &^= 1 << (i % 64) }
func (b bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b bitset) union(o bitset) {
	for i := range b {
		b[i] |= o[i]
	}
}

// last returns the largest number in the set, or -1.
func (b bitset) last() int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			return i*64 + 63 - bits.LeadingZeros64(b[i])
		}
	}
	return -1
}

// each calls f for every number in ascending order.
func (b bitset) each(f func(int)) {
	for i, word := range b {
		for word != 0 {
			f(i*64 + bits.TrailingZeros64(word))
			word &= word - 1
		}
	}
}
