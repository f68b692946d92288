package page

import (
	"cmp"
	"slices"
)

// order reduces crossings of edges: it orders each column by the mean position of its neighbours, several times, and
// keeps the best order. What is not in the group stays last.
func (g *graph) order() {
	best, least := g.snapshot(), g.crossings()
	for range 24 {
		if least == 0 {
			break
		}
		for _, column := range []int{requirements, requirers, requirements, providers} {
			g.sortByNeighbours(column)
			if n := g.crossings(); n < least {
				best, least = g.snapshot(), n
			}
		}
	}
	g.columns = best
}

func (g *graph) snapshot() (columns [3][]*node) {
	for i, column := range g.columns {
		columns[i] = slices.Clone(column)
	}
	return columns
}

// positions returns where each node is in its column, from 0 to 1.
func (g *graph) positions() map[*node]float64 {
	at := map[*node]float64{}
	for _, column := range g.columns {
		for i, n := range column {
			at[n] = (float64(i) + 0.5) / float64(len(column))
		}
	}
	return at
}

func (g *graph) sortByNeighbours(column int) {
	at := g.positions()
	wanted := map[*node]float64{}
	for _, n := range g.columns[column] {
		wanted[n] = n.mean(at)
	}
	slices.SortStableFunc(g.columns[column], func(a, b *node) int {
		return cmp.Or(max(a.place, inGroup)-max(b.place, inGroup), cmp.Compare(wanted[a], wanted[b]))
	})
}

// mean returns the mean position of the neighbours; without any, that of the node.
func (n *node) mean(at map[*node]float64) float64 {
	if len(n.in)+len(n.out) == 0 {
		return at[n]
	}
	sum := 0.0
	for _, e := range n.in {
		sum += at[e.from]
	}
	for _, e := range n.out {
		sum += at[e.to]
	}
	return sum / float64(len(n.in)+len(n.out))
}

// crossings counts pairs of edges that cross.
func (g *graph) crossings() int {
	at := map[*node]int{}
	for _, column := range g.columns {
		for i, n := range column {
			at[n] = i
		}
	}
	total := 0
	for _, column := range g.columns[:requirers] {
		var seen []int // ends of the edges of the nodes above, sorted
		for _, n := range column {
			var ends []int
			for _, e := range n.out {
				i, _ := slices.BinarySearch(seen, at[e.to]+1)
				total += len(seen) - i
				ends = append(ends, at[e.to])
			}
			for _, end := range ends {
				i, _ := slices.BinarySearch(seen, end)
				seen = slices.Insert(seen, i, end)
			}
		}
	}
	return total
}
