package advise

import "math/bits"

// exactly finds the best images by dynamic programming over sets of lacks,
// represented as bit masks. The cheapest way to serve a set with k images is one
// image for a part that includes the lowest lack, and the cheapest way to serve the
// rest with k-1 images. This takes 3^n steps per image.
func exactly(name string, lacks []lack, images, limit int) []partial {
	n := len(lacks)
	one := singles(name, lacks, limit)
	best := make([]cost, 1<<n) // cheapest way to serve exactly these with the images so far
	for set := range best {
		best[set] = cost{possible: set == 0}
	}
	answers := []partial{{exact: true}}
	var first [][]int // by number of images and set: the part that the first image serves
	for range images {
		next := make([]cost, 1<<n)
		chosen := make([]int, 1<<n)
		for set := range next {
			next[set] = best[set] // one image fewer suffices
			low := set & -set
			for part := set; part > 0; part = (part - 1) & set {
				if part&low == 0 || !one[part].possible || !best[set&^part].possible {
					continue
				}
				if sum := one[part].plus(best[set&^part]); sum.less(next[set]) {
					next[set], chosen[set] = sum, part
				}
			}
		}
		best, first = next, append(first, chosen)
		answers = append(answers, chosenFrom(name, lacks, best, first))
	}
	return answers
}

// A cost compares images that serve the same builds.
type cost struct {
	possible        bool
	spare, packages int
}

func (c cost) plus(d cost) cost {
	return cost{c.possible && d.possible, c.spare + d.spare, c.packages + d.packages}
}

func (c cost) less(d cost) bool {
	switch {
	case c.possible != d.possible:
		return c.possible
	case c.spare != d.spare:
		return c.spare < d.spare
	}
	return c.packages < d.packages
}

// singles returns the cost of one image for each set of lacks. It is not possible
// if it exceeds the limit.
func singles(name string, lacks []lack, limit int) []cost {
	all := make([]cost, 1<<len(lacks))
	for set := 1; set < len(all); set++ {
		group := members(lacks, set)
		img := image(name, group)
		all[set] = cost{len(img.Packages) <= limit, spare(img, group), len(img.Packages)}
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
func chosenFrom(name string, lacks []lack, best []cost, first [][]int) partial {
	served := func(set int) int {
		sum := 0
		for _, l := range members(lacks, set) {
			sum += l.count
		}
		return sum
	}
	top := 0
	for set := range best {
		if best[set].possible && (served(set) > served(top) || served(set) == served(top) && best[set].less(best[top])) {
			top = set
		}
	}
	var groups [][]lack
	for k := len(first) - 1; k >= 0 && top > 0; k-- {
		if part := first[k][top]; part > 0 { // otherwise one image fewer was enough
			groups = append(groups, members(lacks, part))
			top &^= part
		}
	}
	a := answerOf(name, groups)
	a.exact, a.atMost = true, a.served
	return a
}
