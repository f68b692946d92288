// Package page draws a resolution as one HTML page that needs nothing else: no
// script, no other file, no network. Start with [Page].
//
// The page has the plan as a graph, laid out here, the verdicts with their
// evidence, and where the SBOM is from. The same value gives the same bytes.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"unicode"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
)

// A Page is what is to be shown. Texts may be anything: they are other people's.
type Page struct {
	Resolution platform.Resolution
	Group      []resolver.Module // in order
	Dropped    []Dropped         // modules that are not in the group
	Broken     []string          // what the final run image lacks of what it was counted on for
	Conclusion string            // a sentence
	Inventory  string            // where the inventory is from, in a few words
	Source     *attach.Source    // the same in full; nil: no inventory is known
	Searched   []attach.Searched // where an SBOM was looked for
}

// A Dropped is a module that is not in the group, and why.
type Dropped struct{ Module, Why string }

//go:embed page.html
var source string

var layout = template.Must(template.New("page").Funcs(template.FuncMap{
	"join":     func(all []string) string { return strings.Join(all, ", ") },
	"where":    where,
	"required": func(r platform.Requirement) string { return strings.TrimSpace(r.Name + " " + r.Version) },
	"left":     func(v platform.Verdict) bool { return extensions.Outcome(v.Verdict).Left() },
}).Parse(source))

// The widths for which the graph is laid out, in CSS pixels: that of a phone and that of a desk.
const (
	narrow = 340
	wide   = 1040
)

// HTML is the page.
func (p Page) HTML() ([]byte, error) {
	g := p.graph()
	view := struct {
		Page
		Narrow, Wide drawing
		Enough       bool
	}{p, g.stack(narrow, "narrow"), g.layer(wide, "wide"), p.enough()}
	view.Narrow.Summary, view.Wide.Summary = p.summary(), p.summary()
	var buf bytes.Buffer
	if err := layout.Execute(&buf, view); err != nil {
		return nil, fmt.Errorf("drawing the page: %w", err)
	}
	return bytes.Map(harmless, buf.Bytes()), nil
}

// harmless replaces what may not stand in HTML, and what turns the direction of text, by U+FFFD.
func harmless(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == 0xFFFE, r == 0xFFFF:
		return unicode.ReplacementChar
	}
	return r
}

func (p Page) enough() bool {
	return !p.Resolution.Result.ExtendRun && !p.Resolution.Result.ExtendBuild && len(p.Broken) == 0
}

// where is the contexts of a requirement in words.
func where(contexts []string) string {
	if len(contexts) == 0 {
		return "any"
	}
	return strings.Join(contexts, ", ")
}

// Final is the run image after switches, where it is another than at the start.
func (p Page) Final() string {
	if p.Resolution.Result.RunImage == p.Resolution.RunImage.Image {
		return ""
	}
	return p.Resolution.Result.RunImage
}

// fate is what became of an extension as a class of the page, and in words.
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

// summary says in words what the graph shows, for those who cannot see it.
func (p Page) summary() string {
	var parts []string
	for _, r := range p.Resolution.Requirements {
		by := "nothing"
		if len(r.MetBy) > 0 {
			by = strings.Join(r.MetBy, " and ")
		}
		parts = append(parts, fmt.Sprintf("%s, required by %s, is met by %s.", strings.TrimSpace(r.Name+" "+r.Version), r.RequiredBy, by))
	}
	for _, m := range p.Group {
		if class, _ := p.fate(m.ID); m.Kind == resolver.Extension && class == "skipped" {
			parts = append(parts, fmt.Sprintf("The extension %s is skipped.", m))
		}
	}
	return strings.Join(parts, " ")
}
