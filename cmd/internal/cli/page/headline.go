package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/resolver"
)

// headline says how many extensions were skipped, and whether the run image is enough.
func (p Page) headline() string {
	var ids []string
	for _, m := range p.Group {
		if m.Kind == resolver.Extension {
			ids = append(ids, m.ID)
		}
	}
	for _, v := range p.Resolution.Verdicts {
		if !slices.Contains(ids, v.Extension) {
			ids = append(ids, v.Extension)
		}
	}
	skipped := 0
	for _, id := range ids {
		if class, _ := p.fate(id); class == "skipped" {
			skipped++
		}
	}
	switch len(ids) {
	case 0:
		return "No extensions; " + p.judgement()
	case 1:
		return fmt.Sprintf("%d of 1 extension skipped; %s", skipped, p.judgement())
	}
	return fmt.Sprintf("%d of %d extensions skipped; %s", skipped, len(ids), p.judgement())
}

// judgement says whether the run image is enough.
func (p Page) judgement() string {
	is, lacks := "is", "lacks"
	if p.App.Name != "" {
		is, lacks = "was", "lacked"
	}
	run := "run image " + p.Resolution.RunImage.Image
	switch result := p.Resolution.Result; {
	case len(p.Broken) > 0:
		return fmt.Sprintf("run image %s %s not enough", result.RunImage, is)
	case result.ExtendRun && p.pending():
		return "whether " + run + " is enough is not known yet"
	case result.ExtendRun || result.ExtendBuild:
		image := "run"
		if !result.ExtendRun {
			image, run = "build", "the build image"
		}
		if missing := p.missing(image); missing != "" {
			return fmt.Sprintf("%s %s %s", run, lacks, missing)
		}
		return fmt.Sprintf("%s %s not enough", run, is)
	case len(p.Unjudged) > 0:
		return fmt.Sprintf("whether %s is enough is not known", run)
	case p.final() != "":
		return fmt.Sprintf("run image %s, after a switch, %s enough", p.final(), is)
	}
	return fmt.Sprintf("%s %s enough", run, is)
}

// pending reports whether all verdicts that are left for the run image are open.
func (p Page) pending() bool {
	pending := false
	for _, v := range p.Resolution.Verdicts {
		switch {
		case v.Image != string(extensions.Run):
		case v.Verdict == string(extensions.Apply):
			return false
		case v.Verdict == string(extensions.Pending):
			pending = true
		}
	}
	return pending
}

// missing lists packages that an image does not have; empty: they are not known.
func (p Page) missing(image string) string {
	var all []string
	for _, v := range p.Resolution.Verdicts {
		if v.Image != image || v.Verdict != string(extensions.Apply) {
			continue
		}
		for _, i := range v.Instructions {
			for _, name := range i.Lacks {
				if !slices.Contains(all, name) {
					all = append(all, name)
				}
			}
		}
	}
	if more := len(all) - 3; more > 1 {
		all = append(all[:3], fmt.Sprintf("%d more packages", more))
	}
	if n := len(all); n > 1 {
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return strings.Join(all, "")
}

func (p Page) enough() bool {
	return !p.Resolution.Result.ExtendRun && !p.Resolution.Result.ExtendBuild && len(p.Broken) == 0 && len(p.Unjudged) == 0
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
	applied, note := "applied", "extension, to be applied"
	if p.App.Name != "" {
		note = "extension, applied"
	}
	switch {
	case len(outcomes) == 0:
		return "", "extension"
	case slices.Contains(outcomes, extensions.Apply):
		return applied, note
	case slices.Contains(outcomes, extensions.Pending):
		return applied, "extension, pending"
	case slices.Contains(outcomes, extensions.Switch):
		return "switch", "extension, switches only"
	}
	return "skipped", "extension, skipped"
}
