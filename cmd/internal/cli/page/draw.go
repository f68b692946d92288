package page

import (
	"cmp"
	"fmt"
	"strings"
)

// Widths of the graph in CSS pixels: on a desk and on a tablet. On a phone, it is a list.
const (
	wide   = 1060
	medium = 690
)

// plan writes the graph.
func (d *document) plan() {
	g := d.graph()
	g.order()
	d.section("The plan", true, func() {
		d.block("figure", attrs{"tabindex", "0"}, func() {
			d.drawing(g, "wide", wide)
			d.drawing(g, "medium", medium)
			d.list(g)
		})
		d.say("p", "soft legend", "From left to right: what provides, the names, what requires them. Dashed and struck out: skipped, or not in the group.")
		d.WriteString("\n")
	})
}

// drawing writes the graph as inline SVG. Each node is in a group with the edges that leave it.
func (d *document) drawing(g *graph, name string, most int) {
	width, height := g.layout(most)
	size := attrs{
		"xmlns", "http://www.w3.org/2000/svg", "class", name, "width", number(width), "height", number(height),
		"viewBox", fmt.Sprintf("0 0 %d %d", width, height), "role", "img", "aria-label", "The plan as a graph. The section Requirements has the same as a table.",
	}
	d.block("svg", size, func() {
		for i, heading := range []string{"Provides", "Required", "Requires"} {
			if len(g.columns[i]) > 0 {
				n := g.columns[i][0]
				d.svgText("heading", n.x+n.w/2, headHeight-12, heading)
				d.WriteString("\n")
			}
		}
		for _, column := range g.columns {
			for _, n := range column {
				d.element("g", attrs{"class", n.class}, func() { d.node(n) })
				d.WriteString("\n")
			}
		}
	})
}

func (d *document) node(n *node) {
	d.say("title", "", strings.TrimSuffix(n.label+", "+n.note, ", "))
	for _, e := range n.out {
		d.element("path", attrs{"d", e.path()}, nil)
	}
	d.element("rect", attrs{"x", number(n.x), "y", number(n.y), "width", number(n.w), "height", number(n.h), "rx", "6"}, nil)
	y := n.y + (n.h-(len(n.lines)+len(n.notes))*lineHeight)/2 + 13
	for _, l := range n.lines {
		d.svgText("label", n.x+n.w/2, y, l)
		y += lineHeight
	}
	for _, l := range n.notes {
		d.svgText("note", n.x+n.w/2, y, l)
		y += lineHeight
	}
}

func (d *document) svgText(class string, x, y int, text string) {
	d.element("text", attrs{"class", class, "x", number(x), "y", number(y)}, func() { d.text(text) })
}

// list writes the graph as a list: what each module requires, and from where.
func (d *document) list(g *graph) {
	d.block("ul", attrs{"class", "narrow"}, func() {
		for _, by := range g.columns[requirers] {
			d.block("li", nil, func() {
				d.code(by.label)
				d.text(" requires")
				d.block("ul", nil, func() {
					for _, e := range by.in {
						d.element("li", nil, func() { d.provided(e.from) })
						d.WriteString("\n")
					}
				})
			})
		}
		for _, n := range g.columns[providers] {
			if len(n.out) == 0 {
				d.element("li", nil, func() { d.tag(n) })
				d.WriteString("\n")
			}
		}
	})
}

func (d *document) provided(n *node) {
	d.code(n.label)
	if len(n.in) == 0 {
		d.text(" ")
		d.say("span", "bad", "not met")
		return
	}
	d.text(" from ")
	for i, e := range n.in {
		if i > 0 {
			d.text(", ")
		}
		d.tag(e.from)
	}
}

// tag writes a provider with its note.
func (d *document) tag(n *node) {
	if n.class == "image" {
		d.text(cmp.Or(n.note, n.label)) // its name is above
		return
	}
	d.element("span", attrs{"class", n.class}, func() { d.code(n.label) })
	if n.note != "" {
		d.text(" (" + n.note + ")")
	}
}
