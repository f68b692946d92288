package advise

import (
	"math"
	"math/bits"
)

// exactly finds the best images by dynamic programming over sets of lacks,
// represented as bit masks. The cheapest way to serve a set with k images is one
// image for a part that includes the lowest lack, and the cheapest way to serve the
// rest with k-1 images. This takes 3^n/2 steps per image.
func exactly(name string, lacks []lack, images, limit int) []partial {
	one := singles(lacks, limit)
	best := make([]cost, len(one)) // cheapest way to serve exactly these with the images so far
	for set := range best[1:] {
		best[set+1] = impossible
	}
	answers := []partial{{exact: true}}
	var first [][]uint16 // by number of images and set: the part that the first image serves
	for range images {
		next := make([]cost, len(one))
		chosen := make([]uint16, len(one))
		for set := range next {
			cheapest, by := best[set], 0 // one image fewer suffices
			low := set & -set
			for others := set &^ low; low > 0; others = (others - 1) & (set &^ low) {
				part := others | low
				if sum := one[part] + best[set&^part]; sum < cheapest {
					cheapest, by = sum, part
				}
				if others == 0 {
					break
				}
			}
			next[set], chosen[set] = cheapest, uint16(by) //nolint:gosec // of Exact bits
		}
		best, first = next, append(first, chosen)
		answers = append(answers, chosenFrom(name, lacks, best, first))
	}
	return answers
}

// A cost compares images that serve the same builds: first by the number of spare
// packages, then by that of packages.
type cost int64

const (
	packageBits      = 20
	impossible  cost = math.MaxInt64 / 4 // two of them can be added
)

func costOf(spare, packages int) cost { return cost(spare)<<packageBits + cost(packages) }

// singles returns the cost of one image for each set of lacks. It is not possible
// if it exceeds the limit.
func singles(lacks []lack, limit int) []cost {
	all := make([]cost, 1<<len(lacks))
	lacks = numbered(lacks)
	type sum struct {
		packages     set
		count, spare int // of the builds: how many, and minus their own packages
	}
	sums := make([]sum, len(all))
	for of := 1; of < len(all); of++ {
		l, rest := lacks[bits.TrailingZeros(uint(of))], sums[of&(of-1)]
		now := sum{rest.packages.with(l.set), rest.count + l.count, rest.spare - l.count*len(l.packages)}
		sums[of], all[of] = now, impossible
		if packages := now.packages.len(); packages <= limit {
			all[of] = costOf(now.spare+now.count*packages, packages)
		}
	}
	return all
}

func members(lacks []lack, set int) []lack {
	var group []lack
	for ; set > 0; set &= set - 1 {
		group = append(group, lacks[bits.TrailingZeros(uint(set))])
	}
	return group
}

// chosenFrom returns the images for the set that is served best.
func chosenFrom(name string, lacks []lack, best []cost, first [][]uint16) partial {
	served := make([]int, len(best))
	top := 0
	for set := 1; set < len(best); set++ {
		served[set] = served[set&(set-1)] + lacks[bits.TrailingZeros(uint(set))].count
		if best[set] < impossible && (served[set] > served[top] || served[set] == served[top] && best[set] < best[top]) {
			top = set
		}
	}
	var groups [][]lack
	for k := len(first) - 1; k >= 0 && top > 0; k-- {
		if part := int(first[k][top]); part > 0 { // otherwise one image fewer was enough
			groups = append(groups, members(lacks, part))
			top &^= part
		}
	}
	a := answerOf(name, groups)
	a.exact, a.atMost = true, a.served
	return a
}
