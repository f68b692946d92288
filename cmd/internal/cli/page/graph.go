package page

import (
	"cmp"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// Columns of a graph, from left to right. All edges lead from one column to the next.
const (
	providers = iota
	requirements
	requirers
)

// A graph is the build plan: base images, extensions and buildpacks provide requirements of buildpacks and extensions.
// A module that provides and requires has a node in both columns.
type graph struct {
	columns [3][]*node
	index   [3]map[string]*node
}

// A node is a box in the graph.
type node struct {
	label, note string
	class       string // kind and verdict, as CSS classes
	place       int    // among the providers: base images, then modules, then what is not in the group
	in, out     []*edge

	x, y, w, h   int      // left, top, size; 0 until placed
	lines, notes []string // label and note, wrapped
}

type edge struct {
	from, to *node
	y1, y2   int // where it leaves and arrives; 0 until placed
}

// Places of providers.
const (
	base = iota
	inGroup
	leftOut
)

func (p Page) graph() *graph {
	g := &graph{index: [3]map[string]*node{{}, {}, {}}}
	run := p.Resolution.RunImage.Image
	if final := p.final(); final != "" {
		run += " → " + final
	}
	g.add(providers, platform.RunImageProvider, &node{label: run, note: "run image", class: "image", place: base})
	if p.judgesBuild() {
		g.add(providers, platform.BuildImageProvider, &node{label: "build image", class: "image", place: base})
	}
	for _, r := range p.Resolution.Requirements {
		g.require(r, p)
	}
	for _, m := range p.Group {
		if m.Kind == resolver.Extension || g.index[requirers][m.String()] == nil {
			g.provider(m, p) // it would not be in the graph otherwise
		}
	}
	g.sort(p.Group)
	for _, d := range p.Dropped {
		g.add(providers, "dropped "+d.Module, &node{label: d.Module, note: "not in the group", class: "dropped", place: leftOut})
	}
	return g
}

func (p Page) judgesBuild() bool {
	return slices.ContainsFunc(p.Resolution.Requirements, func(r platform.Requirement) bool { return slices.Contains(r.MetBy, platform.BuildImageProvider) }) ||
		slices.ContainsFunc(p.Resolution.Verdicts, func(v platform.Verdict) bool { return v.Image == "build" })
}

// add adds a node, unless the column has the name already, and returns the one that it has.
func (g *graph) add(column int, name string, n *node) *node {
	if old := g.index[column][name]; old != nil {
		return old
	}
	n.label, n.note = printable(n.label), printable(n.note)
	g.columns[column], g.index[column][name] = append(g.columns[column], n), n
	return n
}

// provider returns the node of a module that provides.
func (g *graph) provider(m resolver.Module, p Page) *node {
	n := &node{label: m.String(), note: string(m.Kind), class: string(m.Kind), place: inGroup}
	if m.Kind == resolver.Extension {
		var fate string
		fate, n.note = p.fate(m.ID)
		n.class = strings.TrimSpace("extension " + fate)
	}
	return g.add(providers, string(m.Kind)+" "+m.String(), n)
}

// providersOf returns the nodes of what meets a requirement. If the record does not have the kind of a module, a
// buildpack of the group is preferred to an extension with the same name.
func (g *graph) providersOf(r platform.Requirement, p Page) []*node {
	modules := r.Modules()
	var all []*node
	for i, name := range r.MetBy {
		if name == platform.RunImageProvider || name == platform.BuildImageProvider {
			all = append(all, g.index[providers][name])
			continue
		}
		m := resolver.Module{Kind: resolver.Buildpack, ID: name}
		if at := i - (len(r.MetBy) - len(modules)); at >= 0 && at < len(modules) {
			m = modules[at]
		} else {
			for _, member := range p.Group {
				if member.String() == name {
					m = member // the last one: buildpacks follow extensions
				}
			}
		}
		all = append(all, g.provider(m, p))
	}
	return all
}

// require adds a requirement between its providers and the module that requires it.
func (g *graph) require(r platform.Requirement, p Page) {
	kind := resolver.Buildpack
	if r.By != nil {
		kind = resolver.Kind(r.By.Kind)
	}
	by := g.add(requirers, r.RequiredBy, &node{label: r.RequiredBy, note: string(kind), class: string(kind)})
	key := strings.Join(append([]string{r.Name, r.Version}, r.Contexts...), "\x00")
	n := g.add(requirements, key, &node{label: r.Name + " " + r.Version, note: strings.Join(r.Contexts, ", "), class: "requirement"})
	for _, from := range g.providersOf(r, p) {
		connect(from, n)
	}
	if len(r.MetBy) == 0 && len(n.in) == 0 {
		n.class, n.note = "requirement unmet", strings.TrimPrefix(printable(strings.Join(r.Contexts, ", ")+", not met"), ", ")
	}
	connect(n, by)
}

func connect(from, to *node) {
	if !slices.ContainsFunc(from.out, func(e *edge) bool { return e.to == to }) {
		e := &edge{from: from, to: to}
		from.out, to.in = append(from.out, e), append(to.in, e)
	}
}

// sort puts the modules in the order of the group.
func (g *graph) sort(group []resolver.Module) {
	at := map[string]int{}
	for i, m := range group {
		at[printable(m.String())] = i + 1 // others come first
	}
	for _, column := range []int{providers, requirers} {
		slices.SortStableFunc(g.columns[column], func(a, b *node) int {
			return cmp.Or(a.place-b.place, at[a.label]-at[b.label])
		})
	}
}

// printable is a text as it is drawn: without what changes the direction of text or breaks a line.
func printable(s string) string {
	return strings.Join(strings.Fields(strings.Map(harmless, strings.ToValidUTF8(s, "\uFFFD"))), " ")
}
