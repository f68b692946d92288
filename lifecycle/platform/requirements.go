package platform

import (
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/sbom"
)

// Reliances are what verdicts rest on in the run image, as resolution.toml and the label
// [RequirementsLabel] have it. Whoever gives verdicts anew has to set it anew.
func Reliances(relies []extensions.Reliance) []RunImageRequirement {
	var all []RunImageRequirement
	for _, r := range relies {
		if r.Image != extensions.Run {
			continue
		}
		out := RunImageRequirement{
			Name: r.Name, Constraint: r.Constraint, Rule: string(r.Rule), Evidence: r.Evidence, RequiredBy: r.RequiredBy.ID,
		}
		if r.RequiredBy.ID == "" {
			out.ProvedByEffect = r.Extension.ID
		}
		all = append(all, out)
	}
	return all
}

// RunImageRequirements are what an app relies on in its run image, each once: the requirements that only base
// images meet, and what Dockerfiles were left out for. Nil if there is nothing.
func (r *Resolution) RunImageRequirements() *Requirements {
	if r == nil {
		return nil
	}
	var all []RunImageRequirement
	add := func(req RunImageRequirement) {
		if req.Constraint == "" {
			req.Rule = "" // there is nothing to compare
		}
		if !slices.ContainsFunc(all, req.equal) {
			all = append(all, req)
		}
	}
	for _, req := range r.Requirements {
		if req.OnlyRunImage() {
			add(RunImageRequirement{
				Name: req.Name, Constraint: req.Version, Rule: req.Rule, Evidence: req.Evidence, RequiredBy: req.Requirer().ID,
			})
		}
	}
	for _, relied := range r.Relies {
		add(relied)
	}
	if all == nil {
		return nil
	}
	return &Requirements{Version: sbom.FileVersion, Requirements: all}
}

func (r RunImageRequirement) equal(other RunImageRequirement) bool {
	return r.Name == other.Name && r.Constraint == other.Constraint && r.Rule == other.Rule &&
		slices.Equal(r.Evidence, other.Evidence) && r.RequiredBy == other.RequiredBy && r.ProvedByEffect == other.ProvedByEffect
}
