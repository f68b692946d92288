package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A drawing is a graph laid out for a width.
type drawing struct {
	Name          string
	Width, Height int
	Boxes         []box
	Lines         []line
}

type box struct {
	Class      string
	Title      string // all of the text
	X, Y, W, H int
	Texts      []text
}

type text struct {
	X, Y  int
	Class string
	Text  string
}

type line struct{ Class, Path string }

// Sizes in CSS pixels. A character of the label's font is less than char wide.
const (
	char, lineHeight = 8, 17
	padding          = 10
	gap, rowGap      = 16, 12
	rankGap          = 40
	gutter           = 76 // space for lines in a stack
	maxLines         = 4
)

// stack places the nodes in one column with the lines beside them: on a phone, rows are too narrow for lines to pass
// between nodes.
func (g *graph) stack(width int, name string) drawing {
	d := drawing{Name: name, Width: width}
	order := slices.Clone(g.nodes)
	slices.SortStableFunc(order, func(a, b *node) int { return cmp.Compare(a.rank, b.rank) })
	place := map[*node]int{}
	y := 8
	for i, n := range order {
		n.measure(width - gutter - 2)
		n.x, n.y, place[n] = gutter+n.w/2, y, i
		y += n.h + rowGap
	}
	d.Height = y - rowGap + 8
	for _, e := range g.edges {
		from, to := g.nodes[e.from], g.nodes[e.to]
		far := min(22+9*max(place[to]-place[from], place[from]-place[to]), gutter+20) // the arc reaches three quarters of this
		x, y1, y2 := gutter, from.y+from.h*2/3, to.y+to.h/3
		d.Lines = append(d.Lines, line{e.class, fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x, y1, x-far, y1, x-far, y2, x-3, y2)})
	}
	for _, n := range g.nodes {
		d.Boxes = append(d.Boxes, n.box())
	}
	return d
}

// layer places each rank in a row, or in several if it is wider than the drawing. A line that passes ranks gets a
// place in each.
func (g *graph) layer(width int, name string) drawing {
	d := drawing{Name: name, Width: width}
	for _, n := range g.nodes {
		n.measure(320)
	}
	above := map[*node][]*node{}
	all := slices.Clone(g.nodes)
	chains := make([][]*node, len(g.edges))
	for i, e := range g.edges {
		chain := []*node{g.nodes[e.from]}
		for rank := g.nodes[e.from].rank + 1; rank < g.nodes[e.to].rank; rank++ {
			passing := &node{rank: rank, w: 8}
			all, chain = append(all, passing), append(chain, passing)
		}
		chains[i] = append(chain, g.nodes[e.to])
		for k, n := range chains[i][1:] {
			above[n] = append(above[n], chains[i][k])
		}
	}
	y := 8
	for _, rank := range ordered(all, above) {
		rows := packed(rank, width-2)
		for i, row := range rows {
			y += put(row, indent(row, width, i, len(rows)), y) + rowGap
		}
		y += rankGap - rowGap
	}
	d.Height = y - rankGap + 8
	for i, e := range g.edges {
		d.Lines = append(d.Lines, line{e.class, through(chains[i])})
	}
	for _, n := range g.nodes {
		d.Boxes = append(d.Boxes, n.box())
	}
	return d
}

// measure wraps the label and sizes the node.
func (n *node) measure(width int) {
	width = (width - 2*padding) / char
	n.lines = broken(n.label, width)
	n.short = n.note
	if r := []rune(n.note); len(r) > width {
		n.short = string(r[:width-1]) + "…"
	}
	longest := utf8.RuneCountInString(n.short)
	for _, l := range n.lines {
		longest = max(longest, utf8.RuneCountInString(l))
	}
	n.w = longest*char + 2*padding
	n.h = (len(n.lines)+1)*lineHeight + padding
	if n.note == "" {
		n.h -= lineHeight
	}
}

// broken wraps a text to lines of at most width characters and truncates a very long one.
func broken(s string, width int) []string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	lines := []string{}
	for len(r) > width && len(lines) < maxLines-1 {
		cut := width
		for i := width; i > width/2; i-- { // after a separator, if possible
			if strings.ContainsRune("/:@-. ", r[i-1]) {
				cut = i
				break
			}
		}
		lines = append(lines, string(r[:cut]))
		r = r[cut:]
	}
	if len(r) > width {
		r = append(r[:width-1:width-1], '…')
	}
	return append(lines, string(r))
}

// ordered returns the nodes by rank; within a rank, each near its neighbours above.
func ordered(nodes []*node, above map[*node][]*node) [][]*node {
	var ranks [][]*node
	for _, n := range nodes {
		for len(ranks) <= n.rank {
			ranks = append(ranks, nil)
		}
		ranks[n.rank] = append(ranks[n.rank], n)
	}
	at := map[*node]float64{}
	for _, rank := range ranks {
		for i, n := range rank {
			at[n] = (float64(i) + 0.5) / float64(len(rank))
			if len(above[n]) > 0 {
				at[n] = mean(above[n], at)
			}
		}
		slices.SortStableFunc(rank, func(a, b *node) int { return cmp.Compare(at[a], at[b]) })
		for i, n := range rank {
			at[n] = (float64(i) + 0.5) / float64(len(rank))
		}
	}
	return slices.DeleteFunc(ranks, func(rank []*node) bool { return len(rank) == 0 })
}

func mean(nodes []*node, at map[*node]float64) float64 {
	sum := 0.0
	for _, n := range nodes {
		sum += at[n]
	}
	return sum / float64(len(nodes))
}

// packed splits a rank into rows that fit the width.
func packed(rank []*node, width int) [][]*node {
	var rows [][]*node
	used := width + 1
	for _, n := range rank {
		if used+gap+n.w > width {
			rows, used = append(rows, nil), -gap
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], n)
		used += gap + n.w
	}
	return rows
}

// indent returns where a row begins: centered, or alternating between left and right if a rank has several rows, so
// that lines from one can pass the next.
func indent(row []*node, width, i, rows int) int {
	free := width + gap
	for _, n := range row {
		free -= gap + n.w
	}
	switch {
	case rows == 1:
		return free / 2
	case i%2 == 0:
		return 1
	}
	return free - 1
}

// put places a row and returns its height.
func put(row []*node, x, y int) int {
	height := 0
	for _, n := range row {
		height = max(height, n.h)
	}
	for _, n := range row {
		n.x, n.y = x+n.w/2, y+(height-n.h)/2
		x += n.w + gap
	}
	return height
}

// through returns a path from the bottom of the first node to the top of the last, through the others.
func through(chain []*node) string {
	path := fmt.Sprintf("M%d %d", chain[0].x, chain[0].y+chain[0].h)
	for i, to := range chain[1:] {
		from := chain[i]
		y1, y2 := from.y+from.h, to.y
		if i == len(chain)-2 {
			y2 -= 3 // the arrowhead
		}
		bend := max((y2-y1)/2, 12)
		path += fmt.Sprintf(" C%d %d %d %d %d %d", from.x, y1+bend, to.x, y2-bend, to.x, y2)
	}
	return path
}

func (n *node) box() box {
	b := box{Class: n.class, Title: strings.TrimPrefix(n.label+", "+n.note, ", "), X: n.x - n.w/2, Y: n.y, W: n.w, H: n.h}
	y := n.y + padding/2 + 13
	for _, l := range n.lines {
		b.Texts = append(b.Texts, text{n.x, y, "label", l})
		y += lineHeight
	}
	if n.note != "" {
		b.Texts = append(b.Texts, text{n.x, y, "note", n.short})
	}
	return b
}

// drawing writes a drawing as inline SVG.
func (d *document) drawing(g drawing) {
	size := attrs{
		"xmlns", "http://www.w3.org/2000/svg", "class", g.Name, "width", number(g.Width), "height", number(g.Height),
		"viewBox", fmt.Sprintf("0 0 %d %d", g.Width, g.Height), "role", "img", "aria-label", "The plan as a graph. " + d.summary(),
	}
	d.block("svg", size, func() {
		tip := attrs{"id", "tip-" + g.Name, "viewBox", "0 0 8 8", "refX", "6", "refY", "4", "markerWidth", "7", "markerHeight", "7", "orient", "auto"}
		d.element("marker", tip, func() { d.element("path", attrs{"class", "tip", "d", "M0 0L8 4L0 8z"}, nil) })
		for _, l := range g.Lines {
			d.element("path", attrs{"class", strings.TrimSpace("line " + l.Class), "d", l.Path, "marker-end", "url(#tip-" + g.Name + ")"}, nil)
			d.WriteString("\n")
		}
		for _, b := range g.Boxes {
			d.element("g", attrs{"class", b.Class}, func() {
				d.say("title", "", b.Title)
				d.element("rect", attrs{"x", number(b.X), "y", number(b.Y), "width", number(b.W), "height", number(b.H), "rx", "6"}, nil)
				for _, t := range b.Texts {
					d.element("text", attrs{"class", t.Class, "x", number(t.X), "y", number(t.Y)}, func() { d.text(t.Text) })
				}
			})
			d.WriteString("\n")
		}
	})
}
