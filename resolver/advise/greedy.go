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

// bound returns an upper bound on the builds that k images serve: that of one image, k
// times, or that of one image with the packages of all.
func bound(lacks []lack, k, limit int) int {
	r := relaxationOf(lacks)
	if k <= 0 || limit <= 0 {
		return 0
	}
	limit = min(limit, len(r.weights))
	sum := min(float64(k)*r.bound(limit), r.bound(min(k*limit, len(r.weights))))
	return int(math.Floor(sum + 1e-6))
}

// A relaxation bounds what an image serves. The count of a lack is divided among its
// packages; an image serves at most the sum of its packages' shares, however the counts
// are divided.
type relaxation struct {
	lacks   []lack
	numbers [][]int   // of the packages of each lack
	weights []float64 // the sum of shares, by package
}

func relaxationOf(lacks []lack) *relaxation {
	r := &relaxation{lacks: lacks}
	number := map[string]int{}
	for _, l := range lacks {
		var of []int
		for _, p := range l.packages {
			n, known := number[p]
			if !known {
				n = len(number)
				number[p] = n
			}
			of = append(of, n)
		}
		r.numbers = append(r.numbers, of)
	}
	r.weights = make([]float64, len(number))
	return r
}

// rounds is how often a bound is improved.
const rounds = 60

// bound returns the least bound that it finds for an image with so many packages. It starts
// with equal shares. Then a lack that the heaviest packages do not serve moves its shares
// from these to its other packages, in smaller and smaller steps.
func (r *relaxation) bound(limit int) float64 {
	shares := make([][]float64, len(r.lacks))
	for i, of := range r.numbers {
		shares[i] = make([]float64, len(of))
		for k := range of {
			shares[i][k] = float64(r.lacks[i].count) / float64(len(of))
		}
	}
	least := math.Inf(1)
	for round := range rounds {
		heavy, sum := r.heaviest(shares, limit)
		least = min(least, sum)
		step := 1 / float64(round+2)
		for i, of := range r.numbers {
			move(shares[i], of, heavy, step)
		}
	}
	return least
}

// heaviest returns the packages with the largest sums of shares, and their total.
func (r *relaxation) heaviest(shares [][]float64, limit int) (heavy []bool, sum float64) {
	clear(r.weights)
	for i, of := range r.numbers {
		for k, n := range of {
			r.weights[n] += shares[i][k]
		}
	}
	order := make([]int, len(r.weights))
	for n := range order {
		order[n] = n
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(r.weights[b], r.weights[a]), a-b) })
	heavy = make([]bool, len(order))
	for _, n := range order[:limit] {
		heavy[n] = true
		sum += r.weights[n]
	}
	return heavy, sum
}

// move moves a part of the shares of heavy packages to the others, if there are both.
func move(shares []float64, of []int, heavy []bool, step float64) {
	moved, others := 0.0, 0
	for k, n := range of {
		if heavy[n] {
			moved += step * shares[k]
		} else {
			others++
		}
	}
	if others == 0 || moved == 0 {
		return
	}
	for k, n := range of {
		if heavy[n] {
			shares[k] -= step * shares[k]
		} else {
			shares[k] += moved / float64(others)
		}
	}
}
