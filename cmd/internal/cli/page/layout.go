package page

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Sizes in CSS pixels. A character of the font is less than char wide.
const (
	char, lineHeight = 8, 17
	padding          = 10
	rowGap           = 14
	headHeight       = 30 // of the line above the columns
	port             = 7  // least distance between edges that end at a box
	leastChannel     = 64 // between two columns
	mostChannel      = 220
	busyChannel      = 150 // with many edges
)

// Characters in a line of a box, unless there is a longer word.
const (
	leastLine = 14
	mostLine  = 40
)

// layout places the nodes in columns, with the edges between them. The drawing is at most as wide as given, unless
// words are too long.
func (g *graph) layout(most int) (width, height int) {
	edges := 0
	for _, n := range slices.Concat(g.columns[providers], g.columns[requirements]) {
		edges += len(n.out)
	}
	widths := g.fit(most - 2*min(leastChannel+edges, busyChannel, most/7) - 2)
	used := widths[0] + widths[1] + widths[2] + 2
	channel := min(max((most-used)/2, leastChannel), mostChannel)
	x := 1
	for i, column := range g.columns {
		for _, n := range column {
			n.x, n.w = x, widths[i]
		}
		x += widths[i] + channel
	}
	height = g.align()
	for _, column := range g.columns {
		for _, n := range column {
			n.dock()
		}
	}
	return used + 2*channel, height
}

// fit wraps the texts such that the columns fit the width, and returns how wide they are.
func (g *graph) fit(width int) (widths [3]int) {
	for limit := mostLine; limit >= leastLine; limit-- {
		for _, hyphens := range []bool{false, true} {
			sum := 0
			for i, column := range g.columns {
				widths[i] = 12 * char // the headings
				for _, n := range column {
					widths[i] = max(widths[i], n.measure(limit, hyphens))
				}
				sum += widths[i]
			}
			if sum <= width {
				return widths
			}
		}
	}
	return widths
}

// measure wraps the texts, sets the height, and returns the width.
func (n *node) measure(limit int, hyphens bool) (width int) {
	n.lines, n.notes = wrapped(n.label, limit, hyphens), wrapped(n.note, limit, hyphens)
	for _, l := range slices.Concat(n.lines, n.notes) {
		width = max(width, cells(l)*char+2*padding)
	}
	n.h = max((len(n.lines)+len(n.notes))*lineHeight+padding, (1+max(len(n.in), len(n.out)))*port)
	return width
}

// wrapped wraps a text at the places where no word breaks, to lines of at most limit cells. A longer word has a line
// of its own.
func wrapped(s string, limit int, hyphens bool) (lines []string) {
	line := ""
	for _, part := range parts(s, hyphens) {
		if line != "" && cells(strings.TrimRight(line+part, " ")) > limit {
			lines, line = append(lines, strings.TrimRight(line, " ")), ""
		}
		line += part
	}
	if line != "" {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// digests are long hexadecimal numbers.
var digests = regexp.MustCompile(`[0-9a-f]{32,}`)

// parts splits a text where a line may end: after a space, a slash, a comma, maybe a hyphen, before an @, and every 16
// digits of a digest.
func parts(s string, hyphens bool) (all []string) {
	ends := " /,"
	if hyphens {
		ends += "-"
	}
	digits := map[int]bool{}
	for _, d := range digests.FindAllStringIndex(s, -1) {
		for i := d[0]; i < d[1]; i += 16 {
			digits[i] = true
		}
	}
	start := 0
	for i, r := range s {
		if i > start && (r == '@' || digits[i] || strings.IndexByte(ends, s[i-1]) >= 0 && !strings.ContainsRune(ends, r)) {
			all, start = append(all, s[start:i]), i
		}
	}
	return append(all, s[start:])
}

// cells is an upper bound of the width of a text, in characters of Latin script.
func cells(s string) (n int) {
	for _, r := range s {
		n++
		if r >= 0x250 {
			n++
		}
	}
	return n
}

// align places the nodes of each column from top to bottom, each close to its neighbours, and returns the height.
func (g *graph) align() (height int) {
	at := map[*node]float64{} // centers
	for _, column := range g.columns {
		y := 0.0
		for _, n := range column {
			at[n] = y + float64(n.h)/2
			y += float64(n.h + rowGap)
		}
	}
	for range 8 {
		for _, column := range []int{requirements, requirers, requirements, providers} {
			spread(g.columns[column], at)
		}
	}
	top := 0.0
	for i, column := range g.columns {
		if len(column) > 0 {
			first := at[column[0]] - float64(column[0].h)/2
			if i == 0 || first < top {
				top = first
			}
		}
	}
	for _, column := range g.columns {
		y := headHeight
		for _, n := range column {
			n.y = max(y, headHeight+int(at[n]-float64(n.h)/2-top+0.5))
			y = n.y + n.h + rowGap
			height = max(height, n.y+n.h+1)
		}
	}
	return height
}

// A block is a run of nodes that touch each other.
type block struct {
	first, last int
	sum, weight float64 // of where its nodes want the first one to be
}

// spread moves the nodes of a column as close to the mean of their neighbours as their order and sizes allow: it
// merges nodes that overlap to blocks (the pool adjacent violators algorithm).
func spread(column []*node, at map[*node]float64) {
	offsets := make([]float64, len(column))
	var blocks []block
	for i, n := range column {
		if i > 0 {
			offsets[i] = offsets[i-1] + float64(column[i-1].h+n.h)/2 + rowGap
		}
		weight := float64(len(n.in)+len(n.out)) + 0.001
		b := block{i, i, (n.mean(at) - offsets[i]) * weight, weight}
		for len(blocks) > 0 {
			before := blocks[len(blocks)-1]
			if before.sum/before.weight < b.sum/b.weight {
				break
			}
			b = block{before.first, b.last, before.sum + b.sum, before.weight + b.weight}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	for _, b := range blocks {
		for i := b.first; i <= b.last; i++ {
			at[column[i]] = b.sum/b.weight + offsets[i]
		}
	}
}

// dock gives each edge a place of its own at the sides of the box, in the order of the other ends.
func (n *node) dock() {
	slices.SortStableFunc(n.in, func(a, b *edge) int { return cmp.Compare(a.from.y, b.from.y) })
	slices.SortStableFunc(n.out, func(a, b *edge) int { return cmp.Compare(a.to.y, b.to.y) })
	for i, e := range n.in {
		e.y2 = n.y + n.h*(i+1)/(len(n.in)+1)
	}
	for i, e := range n.out {
		e.y1 = n.y + n.h*(i+1)/(len(n.out)+1)
	}
}

// path returns the curve of an edge, which does not leave the space between the columns.
func (e *edge) path() string {
	x1, x2 := e.from.x+e.from.w, e.to.x
	bend := (x2 - x1) / 2
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, e.y1, x1+bend, e.y1, x2-bend, e.y2, x2, e.y2)
}
