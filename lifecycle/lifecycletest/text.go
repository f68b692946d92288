package lifecycletest

import (
	"bytes"
	"math/rand/v2"
)

// Prose returns text of some thousand words, which compresses to a third. The same seed gives the same text.
func Prose(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	zipf := rand.NewZipf(r, 1.1, 4, 20_000)
	var text bytes.Buffer
	for text.Len() < size {
		word := rand.New(rand.NewPCG(zipf.Uint64(), 2))
		for range 2 + word.IntN(8) {
			text.WriteByte(byte('a' + word.IntN(26)))
		}
		text.WriteByte(" \n"[word.IntN(10)/9])
	}
	return text.Bytes()[:size]
}
