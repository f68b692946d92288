package advise

import (
	"cmp"
	"math"
	"slices"
)

// greedily creates one image after another. Each takes the builds with the best
// ratio of builds to added packages until it is full.
func greedily(name string, lacks []lack, images, limit int) []partial {
	total := 0
	for _, l := range lacks {
		total += l.count
	}
	answers := []partial{{exact: true}}
	rest := numbered(lacks)
	var groups [][]lack
	for k := 1; k <= images; k++ {
		var group []lack
		group, rest = fill(rest, limit)
		groups = append(groups, group)
		a := answerOf(name, groups)
		a.atMost = max(a.served, min(total, bound(lacks, k, limit)))
		answers = append(answers, a)
	}
	return answers
}

// fill returns the builds for one image and the remaining ones.
func fill(rest []lack, limit int) (group, left []lack) {
	left = slices.Clone(rest)
	var have set
	for {
		at, best := -1, 0.0
		for i, l := range left {
			more := l.set.without(have)
			if have.len()+more > limit {
				continue
			}
			if gain := float64(l.count) / (float64(more) + 1e-9); gain > best {
				at, best = i, gain
			}
		}
		if at < 0 {
			return group, left
		}
		have = have.with(left[at].set)
		group = append(group, left[at])
		left = slices.Delete(left, at, at+1)
		left = slices.DeleteFunc(left, func(l lack) bool { // others that the image serves now
			served := l.set.without(have) == 0
			if served {
				group = append(group, l)
			}
			return served
		})
	}
}

// bound returns an upper bound on the builds that k images serve. A build's count
// is divided among the packages that it lacks; an image serves at most the sum of
// its packages' shares.
func bound(lacks []lack, k, limit int) int {
	shares := map[string]float64{}
	for _, l := range lacks {
		for _, p := range l.packages {
			shares[p] += float64(l.count) / float64(len(l.packages))
		}
	}
	all := make([]float64, 0, len(shares))
	for _, s := range shares {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b float64) int { return cmp.Compare(b, a) })
	sum := 0.0
	for _, s := range all[:min(limit, len(all))] {
		sum += s
	}
	return int(math.Floor(float64(k)*sum + 1e-6))
}
