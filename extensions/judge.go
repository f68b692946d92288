package extensions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// A Base is an image that Dockerfiles stand on.
type Base struct {
	Reference string        // as people spell it; "" is fine for a build image
	Set       *provides.Set // what it holds; nil: no inventory is known
	Config    *Config       // nil: unknown
}

// A Config is what of an image's configuration decides about an effect (OCI
// image specification, "config").
type Config struct {
	User       string
	WorkingDir string
	Env        []string // NAME=value
	Labels     map[string]string
	Shell      []string // empty: /bin/sh -c
}

// A Case is all that decides about the Dockerfiles of a group.
type Case struct {
	Dockerfiles []*Dockerfile        // in the order of the group's extensions
	Resolution  *resolver.Resolution // nil: nothing can be proved by plan
	Run, Build  Base

	// Lookup finds the image that a run.Dockerfile switches to; nil, or a nil
	// result, means that nothing is known of it.
	Lookup func(reference string) *Base

	Proof Proof

	// Off leaves nothing out: the outcomes are only Switch, Superseded and Apply
	// (CNB_RUN_SBOM=off).
	Off bool
}

// Judge gives a verdict on every Dockerfile: the first outcome, in the order in
// which the constants stand, that holds.
//
//   - Switches are judged first. One whose extension has nothing left to provide
//     is satisfied like any other Dockerfile, and switches nothing. The last of
//     the others chooses the run image; run.Dockerfiles in front of it are
//     superseded, what follows it stands on the new image.
//   - All or nothing: as soon as one Dockerfile of an image (run or build) is
//     left to apply, those that only have no effect are applied with it, since
//     Dockerfiles build on one another.
func Judge(c Case) Result {
	c.Proof = c.Proof.known()
	r := Result{Verdicts: make([]Verdict, len(c.Dockerfiles)), RunImage: c.Run.Reference}
	base, chosen := c.switches()
	for i, d := range c.Dockerfiles {
		switch {
		case d.Image == Build:
			r.Verdicts[i] = c.judge(d, c.Build, false)
		case i < chosen:
			r.Verdicts[i] = Verdict{Dockerfile: d, Outcome: Superseded, Reasons: []string{
				fmt.Sprintf("%s switches the run image to %s", c.Dockerfiles[chosen].origin(), base.Reference)}}
		default:
			r.Verdicts[i] = c.judge(d, base, i == chosen)
		}
	}
	if chosen >= 0 {
		r.RunImage = base.Reference
		r.Switched = base.Reference != c.Run.Reference
	}
	r.ExtendRun = together(r.Verdicts, Run)
	r.ExtendBuild = together(r.Verdicts, Build)
	for i := range r.Verdicts {
		r.Relies = append(r.Relies, r.Verdicts[i].relies...)
	}
	return r
}

// Check judges one Dockerfile by effect alone. Under [Strict] every install has
// to be pinned. What follows a switch is judged against the image that lookup
// finds.
func Check(d *Dockerfile, base Base, lookup func(reference string) *Base, proof Proof) Verdict {
	proof = proof.known()
	c := Case{Dockerfiles: []*Dockerfile{d}, Run: base, Build: base, Lookup: lookup, Proof: proof}
	if d.SwitchTo != "" {
		base, _ = c.switches()
	}
	v := c.judge(d, base, d.SwitchTo != "")
	e := analyze(d, base, proof == Strict)
	if proof == Strict && !e.effect && v.Outcome.Left() {
		v.Outcome, v.relies, v.Reasons = NoEffect, e.relies, []string{nothingChanges}
		if d.SwitchTo != "" {
			v.Outcome = Switch
		}
	}
	v.Instructions = e.instructions
	return v
}

// switches finds the run image on which the run.Dockerfiles stand in the end,
// and which Dockerfile chooses it; -1: none.
func (c *Case) switches() (base Base, chosen int) {
	base, chosen = c.Run, -1
	for i, d := range c.Dockerfiles {
		if d.Image != Run || d.SwitchTo == "" || c.stays(d, base) {
			continue
		}
		chosen = i
		base = Base{}
		if c.Lookup != nil {
			if b := c.Lookup(d.SwitchTo); b != nil {
				base = *b
			}
		}
		base.Reference = d.SwitchTo
	}
	return base, chosen
}

// stays reports whether a switch is needless: what the extension was to provide
// is in the image that there is. Another image is always an effect, so that the
// proof by plan has to be enough.
func (c *Case) stays(d *Dockerfile, base Base) bool {
	if c.Off || d.AlwaysApply || c.Proof == ByEffect || c.Proof == Strict {
		return false
	}
	return c.plan(d, base).met
}

// judge is the verdict on one Dockerfile that stands on base; switched says that
// it is the one that chose it.
func (c *Case) judge(d *Dockerfile, base Base, switched bool) Verdict {
	v := Verdict{Dockerfile: d}
	if switched {
		v.SwitchTo = d.SwitchTo
		if d.OnlySwitches() {
			v.Outcome, v.Reasons = Switch, []string{"only switches the run image"}
			return v
		}
	}
	switch {
	case c.Off:
		v.Outcome, v.Reasons = Apply, []string{"inventories are off (run-sbom), so that nothing is left out"}
		return v
	case d.AlwaysApply:
		v.Outcome, v.Reasons = Apply, []string{"always-apply is set in the extension's extension.toml"}
		return v
	}
	c.prove(&v, base)
	if v.SwitchTo != "" && !v.Outcome.Left() {
		v.alone = v.Outcome == NoEffect
		v.Outcome = Switch
		v.Reasons = append([]string{"switches the run image, and has nothing left to do there"}, v.Reasons...)
	}
	return v
}

const nothingChanges = "no instruction would change the image"

// prove tries the proof by plan, then the one by effect.
func (c *Case) prove(v *Verdict, base Base) {
	d := v.Dockerfile
	var p proof
	if c.Proof != ByEffect {
		p = c.plan(d, base)
	}
	if p.met && c.Proof != Strict {
		v.Outcome, v.Reasons, v.relies = Satisfied, p.reasons, p.relies
		return
	}
	e := analyze(d, base, c.Proof == Strict)
	v.Instructions = e.instructions
	switch {
	case !e.effect && c.Proof != Strict:
		v.Outcome, v.Reasons, v.relies = NoEffect, []string{nothingChanges}, e.relies
	case !e.effect && p.met:
		v.Outcome, v.Reasons, v.relies = Satisfied, append(p.reasons, nothingChanges), append(p.relies, e.relies...)
	case base.Set == nil:
		v.Outcome, v.Reasons = Pending, []string{"no inventory is known of the image"}
	case p.met: // but the policy is strict
		v.Outcome, v.Reasons = Apply, append(e.reasons(), p.reasons...)
	default:
		v.Outcome, v.Reasons = Apply, append(p.reasons, e.reasons()...)
	}
}

// reasons are the instructions that have an effect.
func (e analysis) reasons() []string {
	var all []string
	for _, i := range e.instructions {
		if i.Effect {
			all = append(all, fmt.Sprintf("line %d: %s", i.Line, i.Reason))
		}
	}
	return all
}

// A proof is what the plan says of a Dockerfile.
type proof struct {
	met     bool
	reasons []string // what speaks against it first
	relies  []Reliance
}

// plan is the proof by plan: at least one requirement that the extension was to
// provide has the Dockerfile's context, and the image meets all of those.
func (c *Case) plan(d *Dockerfile, base Base) proof {
	if c.Resolution == nil {
		return proof{}
	}
	all := proof{met: true}
	var asked bool
	var lacking []string
	for _, req := range c.Resolution.Requirements {
		if req.Consumed || !d.provides(req) || len(req.Contexts) > 0 && !slices.Contains(req.Contexts, d.Image.context()) {
			continue
		}
		asked = true
		if more := AsksMore(req.Metadata); len(more) > 0 {
			all.met = false
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
	}
	if !asked {
		return proof{reasons: []string{fmt.Sprintf("nothing that the extension provides is required at %s", d.Image.context())}}
	}
	all.reasons = append(lacking, all.reasons...)
	return all
}

// described are the keys of a requirement's metadata that ask for nothing beyond its name and version: who needs it
// when, and where the version was found.
var described = []string{"version", "version-source", "launch", "build", "cache"}

// AsksMore are the keys of a requirement's metadata by which it may ask for more than a name and
// a version, as for the packages that a generic extension is to install. What they mean is between the buildpack and the
// extension, so a proof by plan is not enough then.
func AsksMore(metadata map[string]any) []string {
	var keys []string
	for key := range metadata {
		if !slices.Contains(described, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
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
	best := answer.By[0] // of all that meet it, one has to be there again, with all of its evidence
	r.Rule = best.Rule
	for _, e := range best.Evidence {
		if !slices.Contains(r.Evidence, e.Pattern) {
			r.Evidence = append(r.Evidence, e.Pattern)
		}
	}
	return r
}

// together has those Dockerfiles of an image that only have no effect applied
// with others, if any is left to apply. It reports whether one is.
func together(verdicts []Verdict, image Image) bool {
	var left []string
	outcome := Pending
	for _, v := range verdicts {
		if v.Dockerfile.Image == image && v.Outcome.Left() {
			left = append(left, v.Dockerfile.origin())
			if v.Outcome == Apply {
				outcome = Apply
			}
		}
	}
	if len(left) == 0 {
		return false
	}
	for i := range verdicts {
		v := &verdicts[i]
		if v.Dockerfile.Image == image && (v.Outcome == NoEffect || v.Outcome == Switch && v.alone) {
			v.Outcome, v.relies, v.alone = outcome, nil, false
			v.Reasons = []string{fmt.Sprintf("has no effect by itself, but goes along with what is left to apply: %s", strings.Join(left, ", "))}
		}
	}
	return true
}

// origin names a Dockerfile by its extension, or by its path.
func (d *Dockerfile) origin() string {
	if d.Extension.ID == "" {
		return d.Path
	}
	return d.Extension.ID
}
