// Package page renders a resolution as a self-contained HTML page: no script, no other file, no
// network. Start with [Page].
//
// The page shows the plan as a graph, the verdicts with their instructions and evidence, and the
// source of the SBOM. Output is deterministic.
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
	App         App // that records the resolution, but not the policy; zero: none
	Resolution  platform.Resolution
	Group       []resolver.Module                   // in order
	Dropped     []Dropped                           // modules that are not in the group
	Unjudged    []string                            // extensions whose Dockerfiles are not known
	Broken      []string                            // what the final run image lacks
	Conclusion  string                              // a sentence
	Note        string                              // what is not known; empty: nothing
	Dockerfiles map[string][]extensions.Instruction // instructions by the path in the verdict, as far as they are known

	Inventory string               // summary of the source of the inventory
	Source    *platform.SBOMSource // the same in full; nil: no inventory is known
	Searched  []platform.Searched  // where an SBOM was looked for

	Version string    // of baseplan, which writes the page
	Made    time.Time // when it is written; zero: not known
}

// An App is an app image.
type App struct {
	Name, Digest string
	Created      time.Time // zero: not known
	Version      string    // of the lifecycle that built it; empty: not known
	Rebased      string    // its present run image; empty: it was not rebased
}

// A Dropped is a module that is not in the group, with the reason.
type Dropped struct {
	Module string `json:"module"`
	Why    string `json:"why"`
}

//go:embed style.css
var style string

// manyRows is how many rows a table has that is folded at first.
const manyRows = 24

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
	d.say("title", "", d.headline())
	d.block("style", nil, func() { d.WriteString(style) })
}

func (d *document) main() {
	class := ""
	if d.enough() {
		class = "enough"
	}
	d.element("h1", classed(class), func() { d.breakable(d.headline()) })
	d.WriteString("\n")
	d.say("p", "", d.Conclusion)
	d.WriteString("\n")
	d.block("dl", nil, d.facts)
	for _, b := range d.Broken {
		d.say("p", "bad", "Broken: "+b)
	}
	if d.Note != "" {
		d.say("p", "bad", d.Note)
	}
	d.plan()
	d.verdicts()
	d.requirements()
	d.group()
	d.dropped()
	d.origin()
	d.block("footer", nil, d.footer)
}

func (d *document) facts() {
	image := d.Resolution.RunImage.Image
	if final := d.final(); final != "" {
		image += ", switched to " + final
	}
	d.defineCode("App image", d.App.Name)
	d.defineCode("Digest", d.App.Digest)
	d.define("Built", date(d.App.Created))
	d.define("Built with", d.App.Version)
	d.defineCode("Run image", image)
	d.defineCode("Digest", d.Resolution.RunImage.Digest)
	d.defineCode("Rebased to", d.App.Rebased)
	d.define("Packages from", d.Inventory)
}

// date returns a date and a time of day; empty: it is not known.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func (d *document) footer() {
	policy := d.Resolution.Policy
	d.text("By ")
	command, rest := "baseplan resolve", fmt.Sprintf(", with the policy run-sbom = %s, proof = %s.", cmp.Or(string(policy.RunSBOM), "auto"), cmp.Or(string(policy.Proof), "installs"))
	if d.App.Name != "" {
		command, rest = "baseplan explain", ", from what the app image records."
	}
	d.say("code", "", command)
	if d.Version != "" {
		d.text(" " + d.Version)
	}
	if made := date(d.Made); made != "" {
		d.text(" on " + made)
	}
	d.text(rest)
}

func (d *document) requirements() {
	labels := []string{"Required", "By", "Where", "Met by"}
	evidence := slices.ContainsFunc(d.Resolution.Requirements, func(r platform.Requirement) bool { return len(r.Evidence) > 0 })
	if evidence {
		labels = append(labels, "Evidence")
	}
	var rows [][]cell
	for _, r := range d.Resolution.Requirements {
		met := d.codes(r.MetBy...)
		if len(r.MetBy) == 0 {
			met = d.marked("bad", "nothing")
		}
		row := []cell{d.codes(strings.TrimSpace(r.Name + " " + r.Version)), d.codes(r.RequiredBy), d.cell(cmp.Or(strings.Join(r.Contexts, ", "), "any")), met}
		if evidence {
			row = append(row, d.codes(r.Evidence...))
		}
		rows = append(rows, row)
	}
	d.section("Requirements", len(rows) < manyRows, func() {
		if len(rows) == 0 {
			d.say("p", "", "The plan has no requirements.")
			return
		}
		d.table(labels, rows)
	})
}

func (d *document) group() {
	if len(d.Group) == 0 {
		return
	}
	d.section("The group", len(d.Group) < manyRows, func() {
		d.block("ol", nil, func() {
			for _, m := range d.Group {
				d.element("li", nil, func() {
					d.code(m.String())
					if m.Kind == resolver.Extension {
						d.text(" (extension)")
					}
				})
				d.WriteString("\n")
			}
		})
	})
}

func (d *document) dropped() {
	if len(d.Dropped) == 0 {
		return
	}
	d.section("Not in the group", true, func() {
		d.block("ul", nil, func() {
			for _, x := range d.Dropped {
				d.element("li", nil, func() {
					d.code(x.Module)
					d.text(" " + x.Why)
				})
				d.WriteString("\n")
			}
		})
	})
}

// origin writes the source of the SBOM, and where one was searched.
func (d *document) origin() {
	d.section("Source of the SBOM", true, func() {
		if s := d.Source; s == nil {
			d.say("p", "", cmp.Or(d.Inventory, "It is not known."))
		} else {
			d.block("dl", nil, func() {
				d.define("Carrier", string(s.Carrier))
				d.define("Format", string(s.Format))
				d.defineCode("Reference", s.Reference)
				d.define("Packages", number(s.Packages))
				d.defineCode("Signed by", s.By())
				if s.Created != nil {
					d.define("Made", date(*s.Created))
				}
			})
		}
		if len(d.Searched) == 0 {
			return
		}
		var rows [][]cell
		for _, s := range d.Searched {
			rows = append(rows, []cell{d.cell(string(s.Carrier)), d.cell(string(s.Result)), d.cell(s.Detail)})
		}
		d.table([]string{"Searched", "Result", "Detail"}, rows)
	})
}
