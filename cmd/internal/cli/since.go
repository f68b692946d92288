package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A change is something that differs between two app images.
type change struct {
	What   string   `json:"what"`
	By     string   `json:"by,omitempty"`     // of a requirement: who requires it
	Image  string   `json:"image,omitempty"`  // of a verdict: the Dockerfile's image, run or build
	Before string   `json:"before,omitempty"` // absent: it is new
	Now    string   `json:"now,omitempty"`    // absent: it is gone
	Why    []string `json:"why,omitempty"`    // of a verdict: the reasons now

	same string // what is compared; empty: Before or Now
}

// changes is the output of `explain --since --output json`.
type changes struct {
	envelope
	App          string   `json:"app-image"`
	Since        string   `json:"since"`
	Changed      bool     `json:"changed"`
	RunImage     []change `json:"run-image"`
	Group        []change `json:"group"`
	Verdicts     []change `json:"verdicts"`
	Requirements []change `json:"requirements"`
	Relies       []change `json:"relies"`       // packages that the app relies on in its run image
	NotCompared  []string `json:"not-compared"` // what one of the images does not record
}

// compareApps returns what changed from one app image to another.
func compareApps(before, now *explainedApp) *changes {
	d := &changes{
		envelope: envelopeOf("changes"), App: now.image.Name, Since: before.image.Name,
		RunImage:     differ(before.images(), now.images()),
		Group:        differ(before.modules(), now.modules()),
		Verdicts:     differ(before.verdicts(), now.verdicts()),
		Requirements: differ(before.requirements(), now.requirements()),
		Relies:       differ(before.packages(), now.packages()),
		NotCompared:  []string{},
	}
	for _, all := range [][]change{d.RunImage, d.Group, d.Verdicts, d.Requirements, d.Relies} {
		d.Changed = d.Changed || len(all) > 0
	}
	for _, app := range []*explainedApp{before, now} {
		if note := cutNote(app.build.Cut); note != "" {
			d.NotCompared = append(d.NotCompared, app.image.Name+": "+note)
		}
	}
	return d
}

// differ compares two lists, whose elements have their value in Now. Of equal keys, the first of each list belong
// together, then the second, and so on.
func differ(before, now []change) []change {
	all := []change{}
	left := slices.Clone(before)
	for _, n := range now {
		i := slices.IndexFunc(left, func(b change) bool { return b.What == n.What && b.By == n.By && b.Image == n.Image })
		if i < 0 {
			all = append(all, n)
			continue
		}
		b := left[i]
		left = slices.Delete(left, i, i+1)
		if cmp.Or(b.same, b.Now) != cmp.Or(n.same, n.Now) {
			n.Before = b.Now
			all = append(all, n)
		}
	}
	for _, b := range left {
		b.Before, b.Now, b.Why = b.Now, "", nil
		all = append(all, b)
	}
	return all
}

func (a *explainedApp) images() []change {
	return []change{{What: "run image", Now: a.run}, {What: "inventory", Now: a.build.Inventory}}
}

func (a *explainedApp) modules() []change {
	var all []change
	for _, m := range a.group() {
		all = append(all, change{What: string(m.Kind) + " " + m.ID, Now: cmp.Or(m.Version, "any version")})
	}
	return all
}

func (a *explainedApp) verdicts() []change {
	var all []change
	for _, v := range a.build.Verdicts {
		all = append(all, change{What: v.Extension, Image: v.Image, Now: strings.TrimSpace(v.Verdict + " " + v.SwitchTo), Why: v.Reasons})
	}
	return all
}

// requirements returns what meets each requirement. Another version of the same buildpack or extension is not a change.
func (a *explainedApp) requirements() []change {
	var all []change
	for _, req := range a.build.Requirements {
		var ids []string
		for _, by := range req.MetBy {
			ids = append(ids, a.id(by))
		}
		met := cmp.Or(strings.Join(req.MetBy, ", "), "nothing")
		same := req.Version + ": " + strings.Join(ids, ", ")
		if req.Version != "" {
			met += " (" + req.Version + ")"
		}
		all = append(all, change{What: req.Name, By: a.id(req.RequiredBy), Now: met, same: same})
	}
	return all
}

// id returns the ID of a module of the group, which is recorded with its version.
func (a *explainedApp) id(module string) string {
	i := slices.IndexFunc(a.group(), func(m resolver.Module) bool { return m.String() == module })
	if i < 0 {
		return module
	}
	return a.group()[i].ID
}

func (a *explainedApp) packages() []change {
	var all []change
	for _, r := range a.relies {
		all = append(all, change{What: r.Name, Now: reliance(r)})
	}
	return all
}

// reliance describes the packages that back a requirement.
func reliance(r platform.RunImageRequirement) string {
	return strings.TrimSpace(strings.Join(r.Evidence, ", ") + " " + r.Constraint)
}

// compared prints what changed.
func (c *Console) compared(d *changes, output string) error {
	switch output {
	case "json":
		return c.json(d)
	case "markdown":
		d.markdown(c.Out)
	default:
		d.text(c.Out, c.width())
	}
	return nil
}

// tables returns the changes as tables.
func (d *changes) tables() []*table {
	dash := func(text string) string { return cmp.Or(text, "-") }
	simple := func(head string, all []change) *table {
		t := &table{head: []string{head, "BEFORE", "NOW"}}
		for _, x := range all {
			t.row(x.What, dash(x.Before), dash(x.Now))
		}
		return t
	}
	verdicts := &table{head: []string{"EXTENSION", "DOCKERFILE", "BEFORE", "NOW", "WHY"}}
	for _, x := range d.Verdicts {
		verdicts.row(x.What, x.Image, dash(x.Before), dash(x.Now), strings.Join(x.Why, "; "))
	}
	requirements := &table{head: []string{"REQUIRED", "BY", "MET BEFORE BY", "MET NOW BY"}}
	for _, x := range d.Requirements {
		requirements.row(x.What, x.By, dash(x.Before), dash(x.Now))
	}
	return []*table{simple("GROUP", d.Group), verdicts, requirements, simple("RELIES ON", d.Relies)}
}

func (d *changes) text(w io.Writer, width int) {
	fmt.Fprintf(w, "app image  %s\nsince      %s\n", d.App, d.Since)
	for _, x := range d.RunImage {
		fmt.Fprintf(w, "\n%-9s  before  %s\n           now     %s\n", x.What, cmp.Or(x.Before, "-"), cmp.Or(x.Now, "-"))
	}
	for _, t := range d.tables() {
		t.width = width
		t.writeBelow(w)
	}
	for _, note := range d.NotCompared {
		fmt.Fprintf(w, "\n%s\n", note)
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(d.conclusion(), width), "\n"))
}

func (d *changes) markdown(w io.Writer) {
	fmt.Fprintf(w, "**%s**\n\n- app image: %s\n- since: %s\n", markdownText(d.conclusion()), markdownText(d.App), markdownText(d.Since))
	for _, x := range d.RunImage {
		fmt.Fprintf(w, "- %s: %s, before: %s\n", x.What, markdownText(cmp.Or(x.Now, "-")), markdownText(cmp.Or(x.Before, "-")))
	}
	for _, note := range d.NotCompared {
		fmt.Fprintf(w, "- %s\n", markdownText(note))
	}
	for _, t := range d.tables() {
		if len(t.rows) > 0 {
			fmt.Fprintln(w)
			t.markdown(w)
		}
	}
}

// conclusion returns the summary in a sentence.
func (d *changes) conclusion() string {
	var parts []string
	for _, p := range []struct {
		changed bool
		what    string
	}{
		{len(d.RunImage) > 0, "the run image"}, {len(d.Group) > 0, "the group"}, {len(d.Verdicts) > 0, "verdicts on extensions"},
		{len(d.Requirements) > 0, "what meets requirements"}, {len(d.Relies) > 0, "packages that the app relies on"},
	} {
		if p.changed {
			parts = append(parts, p.what)
		}
	}
	if len(parts) == 0 {
		return "Nothing changed in how the app image was built."
	}
	return "Changed: " + strings.Join(parts, ", ") + "."
}
