package base

import (
	"context"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// Record returns the judgement as recorded in resolution.toml.
func (j *Judgement) Record() platform.Resolution {
	r := platform.Resolution{
		Version: sbom.FileVersion, Policy: j.Policy, Extensions: j.Policy.Extensions, Identities: j.Policy.Identities,
		RunImage: j.Run.Resolved(), Relies: j.Relied, Mapping: j.Mapping,
		Result: platform.Result{RunImage: j.RunImage, ExtendRun: j.ExtendRun, ExtendBuild: j.ExtendBuild},
	}
	for _, req := range j.Resolution.Requirements {
		r.Requirements = append(r.Requirements, recorded(req))
	}
	for _, v := range j.Verdicts {
		r.Verdicts = append(r.Verdicts, platform.VerdictOf(v))
	}
	return r
}

// FromRecord returns a recorded judgement. An answer holds only whether the requirement is met, and the
// rule and evidence of its best match. What the images provide is not recorded.
func FromRecord(r *platform.Resolution) *Judgement {
	j := &Judgement{
		Run:        Image{Reference: reference.Parse(r.RunImage.Image), Digest: r.RunImage.Digest},
		Resolution: &resolver.Resolution{}, Relied: r.Relies, Policy: r.Policy, Mapping: r.Mapping,
	}
	if r.RunImage.Inventory != unknown {
		j.Run.Carrier = attach.Carrier(r.RunImage.Inventory)
	}
	j.GroupVerdict = extensions.GroupVerdict{
		RunImage: r.Result.RunImage, ExtendRun: r.Result.ExtendRun, ExtendBuild: r.Result.ExtendBuild,
		Switched: r.Result.RunImage != r.RunImage.Image,
	}
	for _, req := range r.Requirements {
		j.Resolution.Requirements = append(j.Resolution.Requirements, requirement(req))
	}
	for _, v := range r.Verdicts {
		j.Verdicts = append(j.Verdicts, v.Judged())
	}
	return j
}

// recorded returns a requirement as recorded in resolution.toml.
func recorded(req resolver.Requirement) platform.Requirement {
	out := platform.Requirement{Name: req.Name, RequiredBy: req.By.String(), By: platform.ResolvedModuleOf(req.By), Version: req.Version, Asks: req.Asks}
	for _, c := range req.Contexts {
		out.Contexts = append(out.Contexts, string(c))
	}
	for _, image := range []struct {
		name   string
		answer provides.Answer
	}{{platform.RunImageProvider, req.Run}, {platform.BuildImageProvider, req.Build}} {
		if !image.answer.Met {
			continue
		}
		out.MetBy = append(out.MetBy, image.name)
		if out.Evidence == nil { // of the run image, else of the build image: what a recheck looks for
			out.Rule, out.Evidence = rule(image.answer), evidence(image.answer)
		}
	}
	for _, m := range req.Providers {
		out.MetBy = append(out.MetBy, m.String())
		out.Providers = append(out.Providers, *platform.ResolvedModuleOf(m))
	}
	return out
}

// requirement returns a recorded requirement. A provider recorded only as text counts as a buildpack,
// since only a provide of an extension can get a Dockerfile skipped.
func requirement(r platform.Requirement) resolver.Requirement {
	out := resolver.Requirement{Name: r.Name, Version: r.Version, By: r.Requirer(), Asks: r.Asks}
	for _, c := range r.Contexts {
		out.Contexts = append(out.Contexts, resolver.Context(c))
	}
	best := provides.Provide{Name: r.Name, Rule: provides.Rule(r.Rule)}
	for _, pattern := range r.Evidence {
		best.Evidence = append(best.Evidence, provides.Evidence{Pattern: pattern})
	}
	met := provides.Answer{Met: true, Offered: true, By: []provides.Provide{best}}
	images, providers := r.MetBy, r.Modules()
	if providers != nil {
		images = r.MetBy[:len(r.MetBy)-len(providers)]
	}
	for _, by := range images {
		switch by {
		case platform.RunImageProvider:
			out.Run = met
		case platform.BuildImageProvider:
			out.Build = met
		default:
			out.Providers = append(out.Providers, resolver.Module{Kind: resolver.Buildpack, ID: by})
		}
	}
	out.Providers = append(out.Providers, providers...)
	return out
}

func rule(a provides.Answer) string {
	if len(a.By) == 0 {
		return ""
	}
	return string(a.By[0].Rule)
}

// evidence returns the patterns of an answer's best match.
func evidence(a provides.Answer) []string {
	var patterns []string
	if len(a.By) > 0 {
		for _, e := range a.By[0].Evidence {
			patterns = append(patterns, e.Pattern)
		}
	}
	return patterns
}

// Open reports whether reading the run image can change the judgement: a verdict is pending, or after a
// switch the build relies on something that is only known of the first image.
func (j *Judgement) Open() bool { return j.pending(extensions.Run) || j.Switched && j.Promised() }

// Continue judges the remaining run.Dockerfiles once the run image can be read. It does not undo a switch.
// The other verdicts and the recorded policy stay.
func (j *Judgement) Continue(ctx context.Context, left []*extensions.Dockerfile, final Image, policy platform.Policy) (*Judgement, error) {
	for _, d := range left {
		d.AlwaysApply = true // unless the detector recorded its options
		if v := j.verdict(d.Path); v != nil {
			d.Options = v.Dockerfile.Options
		}
	}
	q := Question{Dockerfiles: left, Resolution: j.Resolution, Run: final, Policy: policy}
	if j.Switched {
		q.SwitchedTo = []reference.Reference{final.Reference}
	}
	again, err := Judge(ctx, q)
	if err != nil {
		return nil, err
	}
	out := *j
	out.Run, out.Final, out.Resolution, out.ExtendRun = final, final, again.Resolution, again.ExtendRun
	out.Verdicts = slices.Clone(j.Verdicts)
	for _, v := range again.Verdicts {
		if before := out.verdict(v.Dockerfile.Path); before != nil {
			*before = v
		}
	}
	out.Relied = again.Relied
	if !j.Switched {
		out.Relied = slices.Concat(j.Relied, again.Relied)
	}
	return &out, nil
}

// verdict returns the verdict on the Dockerfile at path, or nil.
func (j *Judgement) verdict(path string) *extensions.Verdict {
	for i := range j.Verdicts {
		if j.Verdicts[i].Dockerfile.Path == path {
			return &j.Verdicts[i]
		}
	}
	return nil
}
