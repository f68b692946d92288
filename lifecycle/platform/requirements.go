package platform

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// Reliances returns what verdicts rely on in the run image, for resolution.toml and the label
// [RequirementsLabel]. Verdicts and reliances must be updated together.
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

// RunImageRequirements returns what an app needs in its run image, without duplicates: the
// requirements that only base images meet, and the reasons why Dockerfiles were skipped. It
// returns nil if there is nothing.
func (r *Resolution) RunImageRequirements() *Requirements {
	if r == nil {
		return nil
	}
	var all []RunImageRequirement
	add := func(req RunImageRequirement) {
		if req.Constraint == "" {
			req.Rule = "" // nothing to compare
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

// DecodeRequirements decodes the label [RequirementsLabel].
func DecodeRequirements(label string) ([]RunImageRequirement, error) {
	var r Requirements
	if err := json.Unmarshal([]byte(label), &r); err != nil {
		return nil, err
	}
	if err := sbom.CheckFileVersion(r.Version); err != nil {
		return nil, err
	}
	if err := checkPrintable(r); err != nil {
		return nil, err
	}
	for _, req := range r.Requirements {
		if _, err := provides.ParseConstraint(req.Constraint); err != nil {
			return nil, fmt.Errorf("requirement %q: %w", req.Name, err)
		}
	}
	return r.Requirements, nil
}
