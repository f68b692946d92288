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
	rest := slices.Clone(lacks)
	var groups [][]lack
	for k := 1; k <= images; k++ {
		var group []lack
		group, rest = fill(name, rest, limit)
		groups = append(groups, group)
		a := answerOf(name, groups)
		a.atMost = max(a.served, min(total, bound(lacks, k, limit)))
		answers = append(answers, a)
	}
	return answers
}

// fill returns the builds for one image and the remaining ones.
func fill(name string, rest []lack, limit int) (group, left []lack) {
	left = slices.Clone(rest)
	for {
		now := image(name, group)
		at, best := -1, 0.0
		for i, l := range left {
			more := len(image(name, append(slices.Clone(group), l)).Packages) - len(now.Packages)
			if len(now.Packages)+more > limit {
				continue
			}
			if gain := float64(l.count) / (float64(more) + 1e-9); gain > best {
				at, best = i, gain
			}
		}
		if at < 0 {
			return group, left
		}
		group = append(group, left[at])
		left = slices.Delete(left, at, at+1)
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
