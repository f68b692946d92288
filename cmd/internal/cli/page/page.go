// Package page renders a resolution as a self-contained HTML page: no script, no other file, no
// network. Start with [Page].
//
// The page shows the plan as a graph, the verdicts with their evidence, and the source of the
// SBOM. Output is deterministic.
package page

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A Page is the content of a page. Texts are not trusted.
type Page struct {
	App        string // app image that records the resolution, but not the policy; empty: none
	Resolution platform.Resolution
	Group      []resolver.Module    // in order
	Dropped    []Dropped            // modules that are not in the group
	Broken     []string             // what the final run image lacks
	Conclusion string               // a sentence
	Inventory  string               // summary of the source of the inventory
	Source     *platform.SBOMSource // the same in full; nil: no inventory is known
	Searched   []platform.Searched  // where an SBOM was looked for
}

// A Dropped is a module that is not in the group, with the reason.
type Dropped struct {
	Module string `json:"module"`
	Why    string `json:"why"`
}

//go:embed style.css
var style string

// Widths of the graph layouts in CSS pixels: phone and desktop.
const (
	narrow = 340
	wide   = 1040
)

// HTML returns the page.
func (p Page) HTML() []byte {
	d := &document{Page: p}
	d.WriteString("<!DOCTYPE html>\n")
	d.block("html", attrs{"lang", "en"}, func() {
		d.block("head", nil, d.head)
		d.block("body", nil, func() { d.block("main", nil, d.main) })
	})
	return d.Bytes()
}

// A document is a page being written.
type document struct {
	Page
	markup
}

func (d *document) head() {
	for _, meta := range []attrs{
		{"charset", "utf-8"},
		{"name", "viewport", "content", "width=device-width, initial-scale=1"},
		{"http-equiv", "Content-Security-Policy", "content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"},
		{"name", "color-scheme", "content", "light dark"},
	} {
		d.element("meta", meta, nil)
		d.WriteString("\n")
	}
	d.element("link", attrs{"rel", "icon", "href", "data:,"}, nil)
	d.say("title", "", d.Resolution.RunImage.Image+": extensions that this run image makes unnecessary")
	d.block("style", nil, func() { d.WriteString(style) })
}

func (d *document) main() {
	class := ""
	if d.enough() {
		class = "enough"
	}
	d.say("h1", class, d.Conclusion)
	d.WriteString("\n")
	d.block("dl", nil, d.facts)
	for _, b := range d.Broken {
		d.say("p", "bad", "Broken: "+b)
	}
	d.plan()
	d.verdicts()
	d.requirements()
	d.dropped()
	d.origin()
	d.element("footer", nil, func() {
		policy := d.Resolution.Policy
		d.text("By ")
		if d.App != "" {
			d.say("code", "", "baseplan explain")
			d.text(", from what the app image records.")
			return
		}
		d.say("code", "", "baseplan resolve")
		d.text(fmt.Sprintf(", with the policy run-sbom = %s, proof = %s.", cmp.Or(string(policy.RunSBOM), "auto"), cmp.Or(string(policy.Proof), "installs")))
	})
	d.WriteString("\n")
}

func (d *document) facts() {
	image := d.Resolution.RunImage.Image
	if final := d.final(); final != "" {
		image += ", switched to " + final
	}
	var group []string
	for _, m := range d.Group {
		group = append(group, m.String())
	}
	d.define("App image", "code", d.App)
	d.define("Run image", "code", image)
	d.define("Digest", "code", d.Resolution.RunImage.Digest)
	d.define("Inventory", "", d.Inventory)
	d.define("Group", "code", strings.Join(group, ", "))
}

func (d *document) plan() {
	g := d.graph()
	d.heading("The plan")
	d.block("figure", nil, func() {
		d.drawing(g.layer(wide, "wide"))
		d.drawing(g.stack(narrow, "narrow"))
		d.say("figcaption", "", "Providers are above what they provide for. Dashed and struck out: skipped, or not in the group.")
		d.WriteString("\n")
	})
}

func (d *document) heading(text string) {
	d.say("h2", "", text)
	d.WriteString("\n")
}

func (d *document) verdicts() {
	d.heading("Verdicts")
	if len(d.Resolution.Verdicts) == 0 {
		d.say("p", "", "No Dockerfile of an extension was judged.")
		return
	}
	var rows [][]cell
	for _, v := range d.Resolution.Verdicts {
		rows = append(rows, []cell{
			d.cell("code", v.Extension),
			{"", func() {
				d.text("for the " + v.Image + " image")
				d.element("br", nil, nil)
				d.say("span", "code", v.Dockerfile)
			}},
			{"", func() { d.verdict(v) }},
			{"", func() { d.why(v) }},
		})
	}
	d.table([]string{"Extension", "Dockerfile", "Verdict", "Why"}, rows)
}

func (d *document) verdict(v platform.Verdict) {
	class := "verdict"
	if extensions.Outcome(v.Verdict).Left() {
		class = "verdict left"
	}
	d.say("span", class, v.Verdict)
	if v.SwitchTo != "" {
		d.element("br", nil, nil)
		d.text("to ")
		d.say("span", "code", v.SwitchTo)
	}
	if v.AlwaysApply {
		d.element("br", nil, nil)
		d.text("asks to be applied always")
	}
}

// why writes the reasons of a verdict and the analysis line by line, if there is one.
func (d *document) why(v platform.Verdict) {
	for _, r := range v.Reasons {
		d.say("p", "", r)
	}
	if len(v.Instructions) == 0 {
		return
	}
	var rows [][]cell
	for _, i := range v.Instructions {
		effect := d.cell("", "no")
		if i.Effect {
			effect = d.cell("bad", "yes")
		}
		rows = append(rows, []cell{d.cell("", number(i.Line)), effect, d.cell("", i.Reason)})
	}
	d.element("details", attrs{"open", "open"}, func() {
		d.say("summary", "", "Line by line")
		d.table([]string{"Line", "Effect", "Why"}, rows)
	})
}

func (d *document) requirements() {
	d.heading("Requirements")
	if len(d.Resolution.Requirements) == 0 {
		d.say("p", "", "The plan has no requirements.")
		return
	}
	var rows [][]cell
	for _, r := range d.Resolution.Requirements {
		met := d.cell("code", strings.Join(r.MetBy, ", "))
		if len(r.MetBy) == 0 {
			met = d.cell("bad", "nothing")
		}
		rows = append(rows, []cell{
			d.cell("code", strings.TrimSpace(r.Name+" "+r.Version)), d.cell("code", r.RequiredBy),
			d.cell("", cmp.Or(strings.Join(r.Contexts, ", "), "any")), met, d.lines("code", r.Evidence),
		})
	}
	d.table([]string{"Required", "By", "Where", "Met by", "Evidence"}, rows)
}

func (d *document) dropped() {
	if len(d.Dropped) == 0 {
		return
	}
	d.heading("Not in the group")
	d.block("ul", nil, func() {
		for _, x := range d.Dropped {
			d.element("li", nil, func() {
				d.say("span", "code", x.Module)
				d.text(" " + x.Why)
			})
			d.WriteString("\n")
		}
	})
}

// origin writes the source of the SBOM, and where one was searched.
func (d *document) origin() {
	d.heading("Source of the SBOM")
	if s := d.Source; s == nil {
		d.say("p", "", d.Inventory)
	} else {
		d.block("dl", nil, func() {
			d.define("Carrier", "", string(s.Carrier))
			d.define("Format", "", string(s.Format))
			d.define("Reference", "code", s.Reference)
			d.define("Packages", "", number(s.Packages))
			d.define("Signed by", "code", s.By())
			if s.Created != nil {
				d.define("Made", "", s.Created.Format(time.RFC3339))
			}
		})
	}
	if len(d.Searched) == 0 {
		return
	}
	var rows [][]cell
	for _, s := range d.Searched {
		rows = append(rows, []cell{d.cell("", string(s.Carrier)), d.cell("", string(s.Result)), d.cell("", s.Detail)})
	}
	d.table([]string{"Searched", "Result", "Detail"}, rows)
}

func (p Page) enough() bool {
	return !p.Resolution.Result.ExtendRun && !p.Resolution.Result.ExtendBuild && len(p.Broken) == 0
}

// final returns the run image after switches, or "" if it was not switched.
func (p Page) final() string {
	if p.Resolution.Result.RunImage == p.Resolution.RunImage.Image {
		return ""
	}
	return p.Resolution.Result.RunImage
}

// fate describes the verdict on an extension, as a CSS class and in words.
func (p Page) fate(id string) (class, note string) {
	var outcomes []extensions.Outcome
	for _, v := range p.Resolution.Verdicts {
		if v.Extension == id {
			outcomes = append(outcomes, extensions.Outcome(v.Verdict))
		}
	}
	switch {
	case len(outcomes) == 0:
		return "", "extension"
	case slices.Contains(outcomes, extensions.Apply):
		return "applied", "extension, to be applied"
	case slices.Contains(outcomes, extensions.Pending):
		return "applied", "extension, pending"
	case slices.Contains(outcomes, extensions.Switch):
		return "switch", "extension, switches only"
	}
	return "skipped", "extension, skipped"
}

// summary describes the graph in words, for screen readers.
func (p Page) summary() string {
	var parts []string
	for _, r := range p.Resolution.Requirements {
		by := cmp.Or(strings.Join(r.MetBy, " and "), "nothing")
		parts = append(parts, fmt.Sprintf("%s, required by %s, is met by %s.", strings.TrimSpace(r.Name+" "+r.Version), r.RequiredBy, by))
	}
	for _, m := range p.Group {
		if class, _ := p.fate(m.ID); m.Kind == resolver.Extension && class == "skipped" {
			parts = append(parts, fmt.Sprintf("The extension %s is skipped.", m))
		}
	}
	return strings.Join(parts, " ")
}
