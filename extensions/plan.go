package extensions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// A proof is the result of a proof by plan.
type proof struct {
	met     bool
	can     bool     // some image could meet it
	names   []string // what the extension was to provide, in order
	reasons []string // counterarguments first
	relies  []Reliance
	there   []string // the packages that meet it, with versions
}

// plan is the proof by plan: at least one requirement on the extension has the
// Dockerfile's context, and the image meets all of them.
func (c *Case) plan(d *Dockerfile, base Base) proof {
	if c.Resolution == nil {
		return proof{}
	}
	all := proof{met: true, can: true}
	var asked bool
	var lacking []string
	for _, req := range d.Asked(c.Resolution) {
		asked = true
		if !slices.Contains(all.names, req.Name) {
			all.names = append(all.names, req.Name)
		}
		if more := req.Asks; len(more) > 0 {
			all.met, all.can = false, false
			lacking = append(lacking, fmt.Sprintf("%s, required by %s, asks for more than its name: %s", req.Name, req.By.ID, strings.Join(more, ", ")))
			continue
		}
		answer := base.Set.Answer(req.Name, req.Version)
		what := fmt.Sprintf("%s, required by %s at %s,", req.Name, req.By.ID, d.Image.context())
		if !answer.Met {
			all.met = false
			lacking = append(lacking, fmt.Sprintf("%s is not met: the image %s", what, unmet(base, answer)))
			continue
		}
		all.reasons = append(all.reasons, fmt.Sprintf("%s is provided by %s", what, answer.Reason))
		all.relies = append(all.relies, d.reliance(req, answer))
		for _, e := range answer.By[0].Evidence {
			if e.Package != "" {
				all.there = append(all.there, e.Package+" "+e.Version)
			}
		}
	}
	if !asked {
		return proof{reasons: []string{fmt.Sprintf("nothing that the extension provides is required at %s", d.Image.context())}}
	}
	all.reasons = append(lacking, all.reasons...)
	return all
}

// Asked returns the requirements that a proof by plan is about: those on the
// extension in the Dockerfile's context.
func (d *Dockerfile) Asked(r *resolver.Resolution) []resolver.Requirement {
	var all []resolver.Requirement
	for _, req := range r.Requirements {
		if !req.Consumed && d.provides(req) && (len(req.Contexts) == 0 || slices.Contains(req.Contexts, d.Image.context())) {
			all = append(all, req)
		}
	}
	return all
}

func unmet(base Base, answer provides.Answer) string {
	if base.Set == nil {
		return "is not known"
	}
	return answer.Reason
}

// provides reports whether the extension was to provide a requirement.
func (d *Dockerfile) provides(req resolver.Requirement) bool {
	return slices.ContainsFunc(req.Providers, func(m resolver.Module) bool {
		return m.Kind == resolver.Extension && m.ID == d.Extension.ID &&
			(m.Version == d.Extension.Version || m.Version == "" || d.Extension.Version == "")
	})
}

func (d *Dockerfile) reliance(req resolver.Requirement, answer provides.Answer) Reliance {
	r := Reliance{Image: d.Image, Name: req.Name, Constraint: req.Version, RequiredBy: req.By, Extension: d.Extension}
	best := answer.By[0] // of all that meet it, the new image must have one with all of its evidence
	r.Rule = best.Rule
	for _, e := range best.Evidence {
		if !slices.Contains(r.Evidence, e.Pattern) {
			r.Evidence = append(r.Evidence, e.Pattern)
		}
	}
	return r
}
