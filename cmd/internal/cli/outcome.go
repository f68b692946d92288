package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// An outcome is a resolution for display, computed here or left by a build.
type outcome struct {
	record    platform.Resolution
	group     []resolver.Module
	plan      []resolver.Entry
	dropped   []page.Dropped
	broken    []string             // what the final run image lacks
	inventory string               // summary of its source
	source    *platform.SBOMSource // the same in full; nil: no inventory is known
	searched  []platform.Searched  // where an SBOM was looked for
	unjudged  []string             // extensions whose Dockerfiles are unknown

	dockerfiles map[string][]extensions.Instruction // by path, as far as they are at hand

	kind string                   // of the JSON document; empty: resolution
	app  page.App                 // the app image that records the outcome; zero: none
	cut  *platform.ExplanationCut // what it does not record; nil: nothing
}

// report prints the outcome and returns an error for the exit code.
func (c *Console) report(o *outcome, f resolveFlags) error {
	data, err := o.record.Encode()
	if err != nil {
		return err
	}
	if f.write != "" {
		if err := platform.WriteFile(f.write, data); err != nil {
			return err
		}
	}
	if f.html != "" {
		if err := platform.WriteFile(f.html, o.page(c.now()).HTML()); err != nil {
			return err
		}
	}
	switch f.output {
	case "toml":
		_, err = c.Out.Write(data)
	case "json":
		err = c.json(o.document())
	case "markdown":
		o.markdown(c.Out)
	default:
		o.text(c.Out, c.width())
	}
	if err != nil {
		return err
	}
	if o.record.Result.ExtendRun || o.record.Result.ExtendBuild || len(o.broken) > 0 || len(o.unjudged) > 0 {
		return errNotEnough
	}
	return nil
}

// page returns the outcome as an HTML page that is written now.
func (o *outcome) page(now time.Time) page.Page {
	return page.Page{
		App: o.app, Resolution: o.record, Group: o.group, Dropped: o.dropped, Unjudged: o.unjudged, Broken: o.broken, Conclusion: o.conclusion(), Note: cutNote(o.cut),
		Dockerfiles: o.dockerfiles, Inventory: o.inventory, Source: o.source, Searched: o.searched, Version: build.String(), Made: now,
	}
}

// A resolveDocument is the output of `resolve --output json`: resolution.toml with group and plan. The output of
// `explain --output json` has no plan.
type resolveDocument struct {
	envelope
	App       string               `json:"app-image,omitempty"`
	Rebased   string               `json:"rebased,omitempty"` // the run image of the last rebase
	Group     []string             `json:"group"`
	Dropped   []page.Dropped       `json:"dropped"`
	Plan      []planEntry          `json:"plan"`
	Broken    []string             `json:"broken"`
	Inventory *platform.SBOMSource `json:"inventory,omitempty"` // absent: none is known
	Searched  []platform.Searched  `json:"searched,omitempty"`
	Record    platform.Resolution  `json:"resolution"`

	Cut *platform.ExplanationCut `json:"cut,omitempty"` // what the app image does not record
}

type planEntry struct {
	Name       string   `json:"name"`
	Providers  []string `json:"providers"`
	RequiredBy int      `json:"requires"`
}

func (o *outcome) document() resolveDocument {
	d := resolveDocument{
		envelope: envelopeOf(cmp.Or(o.kind, "resolution")), Group: []string{}, Dropped: append([]page.Dropped{}, o.dropped...), Plan: []planEntry{}, Broken: append([]string{}, o.broken...),
		Inventory: o.source, Searched: o.searched, Record: o.record, App: o.app.Name, Rebased: o.app.Rebased, Cut: o.cut,
	}
	for _, m := range o.group {
		d.Group = append(d.Group, m.String())
	}
	for _, e := range o.plan {
		entry := planEntry{Name: e.Name, RequiredBy: len(e.Requires)}
		for _, m := range e.Providers {
			entry.Providers = append(entry.Providers, m.String())
		}
		d.Plan = append(d.Plan, entry)
	}
	return d
}

// text prints the group, what meets each requirement, the verdict on each extension, and the
// conclusion.
func (o *outcome) text(w io.Writer, width int) {
	for _, f := range o.facts() {
		fmt.Fprintf(w, "%-9s  %s\n", f.name, f.value)
	}
	t := o.requirements()
	t.width = width
	t.writeBelow(w)
	verdictTable(o.record.Verdicts, width).writeBelow(w)
	for _, note := range o.notes() {
		fmt.Fprintf(w, "\n%s\n", note)
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(o.conclusion(), width), "\n"))
}

type fact struct{ name, value string }

// facts returns what the outcome is about.
func (o *outcome) facts() []fact {
	inventory := o.inventory
	if o.source != nil {
		inventory += fmt.Sprintf(", %d packages", o.source.Packages)
	}
	all := []fact{
		{"app image", o.app.Name}, {"run image", o.record.RunImage.Image}, {"rebased", o.app.Rebased}, {"inventory", inventory},
		{"group", strings.Join(o.document().Group, ", ")},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.value == "" })
}

// notes returns what does not fit into the tables.
func (o *outcome) notes() []string {
	var all []string
	for _, d := range o.dropped {
		all = append(all, fmt.Sprintf("left out: %s %s", d.Module, d.Why))
	}
	for _, b := range o.broken {
		all = append(all, "broken: "+b)
	}
	if cut := cutNote(o.cut); cut != "" {
		all = append(all, cut)
	}
	return all
}

func (o *outcome) requirements() *table {
	t := &table{head: []string{"REQUIRED", "BY", "WHERE", "MET BY"}}
	for _, req := range o.record.Requirements {
		where := strings.Join(req.Contexts, ", ")
		if where == "" {
			where = "any"
		}
		t.row(strings.TrimSpace(req.Name+" "+req.Version), req.RequiredBy, where, strings.Join(req.MetBy, ", "))
	}
	return t
}

func verdictTable(verdicts []platform.Verdict, width int) *table {
	t := &table{width: width, head: []string{"EXTENSION", "DOCKERFILE", "VERDICT", "WHY"}}
	for _, v := range verdicts {
		t.row(v.Extension, v.Image, v.Verdict, strings.Join(v.Reasons, "; "))
	}
	return t
}

// conclusion returns the summary in a sentence.
func (o *outcome) conclusion() string {
	left := map[extensions.Outcome][]string{}
	for _, v := range o.record.Verdicts {
		outcome := extensions.Outcome(v.Verdict)
		left[outcome] = append(left[outcome], fmt.Sprintf("%s (%s image)", o.extension(v.Extension), v.Image))
	}
	apply, pending := strings.Join(left[extensions.Apply], ", "), strings.Join(left[extensions.Pending], ", ")
	extends := o.record.Result.ExtendRun || o.record.Result.ExtendBuild
	switch {
	case extends && o.app.Name != "":
		enough := "run"
		if !o.record.Result.ExtendRun {
			enough = "build"
		}
		return fmt.Sprintf("The %s image was not enough; applied: %s.", enough, strings.Join(append(left[extensions.Apply], left[extensions.Pending]...), ", "))
	case extends && apply != "":
		return fmt.Sprintf("The run image is not enough: still to be applied: %s.", apply)
	case extends && pending != "":
		return fmt.Sprintf("Whether the run image is enough for %s is open until the restorer reads it.", pending)
	case len(o.broken) > 0:
		return "The run image after the switch is not enough."
	case len(o.unjudged) > 0:
		return fmt.Sprintf("The plan resolves; judging %s needs the generated Dockerfiles (--generated).", strings.Join(o.unjudged, ", "))
	case o.switched():
		return fmt.Sprintf("Nothing is left to apply; the run image is switched to %s.", o.record.Result.RunImage)
	case len(o.record.Verdicts) > 0:
		return "The run image is enough: no extension is left to apply, and the app image stays rebasable."
	}
	return "The plan resolves, and no extension has anything to apply."
}

// switched reports whether the run image was switched.
func (o *outcome) switched() bool {
	result := o.record.Result.RunImage
	return result != o.record.RunImage.Image || slices.ContainsFunc(o.record.Verdicts, func(v platform.Verdict) bool {
		return result != "" && v.SwitchTo == result
	})
}

// extension returns an extension's ID with its version.
func (o *outcome) extension(id string) string {
	i := slices.IndexFunc(o.group, func(m resolver.Module) bool { return m.Kind == resolver.Extension && m.ID == id })
	if i < 0 {
		return id
	}
	return o.group[i].String()
}
