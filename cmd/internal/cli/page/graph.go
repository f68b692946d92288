package page

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A graph is the build plan: base images, extensions and buildpacks provide requirements of
// buildpacks and extensions.
type graph struct {
	nodes []*node
	edges []edge
	index map[string]int // of a node, by its text in met-by and required-by, or by a requirement's text
}

// A node is a box in the graph.
type node struct {
	label, note string
	class       string // kind and verdict, as CSS classes
	first       int    // of a requirement: the first node that requires it, by index
	rank        int    // row in the layout, below all providers

	x, y, w, h int      // center, top, size; 0 until placed
	lines      []string // of the label
	short      string   // the note, shortened to fit
}

type edge struct {
	from, to int
	class    string
}

// graph returns the nodes in the order of the group: providers come before those that require.
func (p Page) graph() *graph {
	g := &graph{index: map[string]int{}}
	run := p.Resolution.RunImage.Image
	if final := p.final(); final != "" {
		run += " → " + final
	}
	g.add(platform.RunImageProvider, &node{label: run, note: "run image", class: "image"})
	if p.judgesBuild() {
		g.add(platform.BuildImageProvider, &node{label: "build image", note: "build image", class: "image"})
	}
	for _, m := range p.Group {
		n := &node{label: m.String(), note: string(m.Kind), class: string(m.Kind)}
		if m.Kind == resolver.Extension {
			var fate string
			fate, n.note = p.fate(m.ID)
			n.class = strings.TrimSpace("extension " + fate)
		}
		g.add(m.String(), n)
	}
	for _, r := range p.Resolution.Requirements {
		g.require(r)
	}
	last := g.rank()
	for _, d := range p.Dropped {
		g.nodes = append(g.nodes, &node{label: d.Module, note: "left out", class: "dropped", rank: last + 1})
	}
	return g
}

func (p Page) judgesBuild() bool {
	return slices.ContainsFunc(p.Resolution.Requirements, func(r platform.Requirement) bool { return slices.Contains(r.MetBy, platform.BuildImageProvider) }) ||
		slices.ContainsFunc(p.Resolution.Verdicts, func(v platform.Verdict) bool { return v.Image == "build" })
}

// add adds a node. If a buildpack and an extension have the same name, the later one, the buildpack, wins.
func (g *graph) add(name string, n *node) int {
	g.nodes = append(g.nodes, n)
	g.index[name] = len(g.nodes) - 1
	return len(g.nodes) - 1
}

// module returns the node of a module, and adds one if the group does not have it.
func (g *graph) module(name string) int {
	if i, known := g.index[name]; known {
		return i
	}
	return g.add(name, &node{label: name, note: "buildpack", class: "buildpack"})
}

// require adds a requirement between its providers and the module that requires it.
func (g *graph) require(r platform.Requirement) {
	by := g.module(r.RequiredBy)
	text := strings.TrimSpace(r.Name + " " + r.Version)
	key := strings.Join(append([]string{"requirement", r.Name, r.Version}, r.Contexts...), "\x00")
	at, known := g.index[key]
	if !known {
		at = g.add(key, &node{label: text, note: strings.Join(r.Contexts, ", "), class: "requirement", first: by})
	}
	g.nodes[at].first = min(g.nodes[at].first, by)
	own := false
	for _, provider := range r.MetBy {
		from := g.module(provider)
		if from == by {
			own = true
			continue
		}
		class := ""
		if strings.HasSuffix(g.nodes[from].class, "skipped") {
			class = "skipped"
		}
		g.connect(edge{from, at, class})
	}
	switch {
	case own:
		g.nodes[at].note = strings.TrimPrefix(g.nodes[at].note+", its own", ", ")
	case len(r.MetBy) == 0:
		g.nodes[at].class = "requirement unmet"
		g.nodes[at].note = strings.TrimPrefix(g.nodes[at].note+", not met", ", ")
	}
	g.connect(edge{at, by, ""})
}

func (g *graph) connect(e edge) {
	if !slices.Contains(g.edges, e) {
		g.edges = append(g.edges, e)
	}
}

// rank assigns each node a row below its providers, and returns the last row. Only earlier nodes of the group count
// as providers, so that it terminates for any input.
func (g *graph) rank() (last int) {
	for i := range g.nodes {
		for k, pill := range g.nodes {
			if pill.first != i || !strings.HasPrefix(pill.class, "requirement") {
				continue
			}
			for _, e := range g.edges {
				if e.to == k && e.from < i {
					pill.rank = max(pill.rank, g.nodes[e.from].rank+1)
				}
			}
		}
		if strings.HasPrefix(g.nodes[i].class, "requirement") {
			continue
		}
		for _, e := range g.edges {
			if e.to == i && g.nodes[e.from].first <= i {
				g.nodes[i].rank = max(g.nodes[i].rank, g.nodes[e.from].rank+1)
			}
		}
	}
	for _, n := range g.nodes {
		last = max(last, n.rank)
	}
	return last
}
