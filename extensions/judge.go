package extensions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// A Base is an image that Dockerfiles are judged against.
type Base struct {
	Reference string        // for messages; may be empty for a build image
	Set       *provides.Set // what it provides; nil: unknown
	Config    *Config       // nil: unknown
}

// A Config holds the parts of an image's configuration that verdicts depend on
// (OCI image specification, "config"), as written to run-image.toml.
type Config struct {
	User       string            `toml:"user"`
	WorkingDir string            `toml:"working-dir,omitempty"`
	Env        []string          `toml:"env,omitempty"`   // NAME=value
	Shell      []string          `toml:"shell,omitempty"` // empty: /bin/sh -c
	Labels     map[string]string `toml:"labels,omitempty"`
	Created    time.Time         `toml:"created,omitempty"`

	ExposedPorts []string `toml:"exposed-ports,omitempty"` // "80/tcp"
	Volumes      []string `toml:"volumes,omitempty"`
	StopSignal   string   `toml:"stop-signal,omitempty"`
	Healthcheck  string   `toml:"healthcheck,omitempty"` // as JSON: see Docker's image specification
	Author       string   `toml:"author,omitempty"`
}

// A Case is everything that decides about the Dockerfiles of a group.
type Case struct {
	Dockerfiles []*Dockerfile        // in the order of the group's extensions
	Resolution  *resolver.Resolution // nil: nothing can be proved by plan
	Run, Build  Base

	// Lookup returns the image that a run.Dockerfile switches to. If it is nil or
	// returns nil, the image is unknown.
	Lookup func(reference string) *Base

	// Proof is the operator's setting for all extensions, Proofs for single ones by
	// id. The default is [Installs], or the extension's own setting.
	Proof  Proof
	Proofs map[string]Proof

	// MaxAge is the maximum age of an image at the time Built for unpinned installs
	// to count; 0: unlimited.
	MaxAge time.Duration
	Built  time.Time

	// Off disables all proofs: the outcomes are only Switch, Superseded and Apply
	// (CNB_RUN_SBOM=off).
	Off bool
}

// ByEffect requires proof by effect wherever less than [Strict] would do, for
// callers without a plan.
func (c *Case) ByEffect() {
	raised := func(p Proof) Proof {
		if p.known() == Strict {
			return Strict
		}
		return ByEffect
	}
	c.Proof = raised(c.Proof)
	proofs := map[string]Proof{}
	for id, p := range c.Proofs {
		proofs[id] = raised(p)
	}
	c.Proofs = proofs
}

// proof returns the proof required to skip a Dockerfile.
func (c *Case) proof(d *Dockerfile) Proof {
	said := c.Proof
	if own := c.Proofs[d.Extension.ID]; own != "" {
		said = own
	}
	if said == "" && d.SatisfiedBy == ByName {
		return ByPlan
	}
	return said.known()
}

// Judge returns a verdict for every Dockerfile: the first outcome, in the order of
// the constants, that holds.
//
//   - Switches are judged first. A switch is satisfied like any other Dockerfile
//     if its extension has nothing left to provide; then it is not made. The last
//     remaining switch selects the run image: run.Dockerfiles before it are
//     superseded, later ones extend the new image.
//   - All or nothing: if one Dockerfile of an image (run or build) is left to
//     apply, those that are only satisfied or have no effect are applied too,
//     since Dockerfiles build on one another.
//   - If a Dockerfile after a satisfied switch is left to apply, the switch is
//     made after all, and the Dockerfiles after it are judged again, against its
//     image.
func Judge(c Case) GroupVerdict {
	r := c.judgeAll(-1)
	if made := r.needed(); made >= 0 {
		r = c.judgeAll(made)
	}
	for i := range r.Verdicts {
		r.Relies = append(r.Relies, r.Verdicts[i].relies...)
	}
	return r
}

// needed returns the last satisfied switch that is followed by a Dockerfile left to
// apply, or -1.
func (r GroupVerdict) needed() int {
	left := false
	for i, v := range slices.Backward(r.Verdicts) {
		if v.Dockerfile.Image != Run {
			continue
		}
		if left && v.Outcome == Satisfied && v.Dockerfile.SwitchTo != "" {
			return i
		}
		left = left || v.Outcome.Left()
	}
	return -1
}

// judgeAll returns all verdicts. Switch number made is made even if satisfied; -1:
// none.
func (c *Case) judgeAll(made int) GroupVerdict {
	r := GroupVerdict{Verdicts: make([]Verdict, len(c.Dockerfiles)), RunImage: c.Run.Reference}
	base, chosen := c.switches(made)
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
		if chosen == made {
			v := &r.Verdicts[chosen]
			v.Reasons = append(v.Reasons, "the image has what it provides, but later Dockerfiles must be applied and extend its image")
		}
	}
	r.ExtendRun = together(r.Verdicts, Run)
	r.ExtendBuild = together(r.Verdicts, Build)
	return r
}

// Check judges one Dockerfile by effect alone. Under [Strict] every install must be
// pinned. Instructions after a switch are judged against the image that lookup
// returns.
func Check(d *Dockerfile, base Base, lookup func(reference string) *Base, proof Proof) Verdict {
	return Case{Lookup: lookup, Proof: proof}.Check(d, base)
}

// Check is like the function [Check] with all of the case's settings.
func (c Case) Check(d *Dockerfile, base Base) Verdict {
	c.Dockerfiles, c.Resolution, c.Run, c.Build = []*Dockerfile{d}, nil, base, base
	c.ByEffect()
	if d.SwitchTo != "" {
		base, _ = c.switches(-1)
	}
	v := c.judge(d, base, d.SwitchTo != "")
	e := c.analyze(d, base, c.Proof)
	if c.Proof == Strict && !e.effect && v.Outcome.Left() {
		v.Outcome, v.relies, v.Reasons, v.Beyond = NoEffect, e.relies, []string{nothingChanges}, nil
		if d.SwitchTo != "" {
			v.Outcome = Switch
		}
	}
	v.Instructions = e.instructions
	return v
}

// switches returns the final run image and the Dockerfile that selects it, or -1.
// Switch number made is made even if unnecessary; -1: none.
func (c *Case) switches(made int) (base Base, chosen int) {
	base, chosen = c.Run, -1
	for i, d := range c.Dockerfiles {
		if d.Image != Run || d.SwitchTo == "" || i != made && c.stays(d, base) {
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

// stays reports whether a switch is unnecessary because the current image has what
// the extension was to provide. A switch always has an effect, so this needs a
// proof by plan.
func (c *Case) stays(d *Dockerfile, base Base) bool {
	if c.Off || d.AlwaysApply {
		return false
	}
	switch c.proof(d) {
	case ByPlan:
		return c.plan(d, base).met
	case Installs:
		return d.OnlySwitches() && c.plan(d, base).met
	}
	return false
}

// judge returns the verdict on one Dockerfile with this base; switched says that it
// selects the base.
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
		v.Outcome, v.Reasons = Apply, []string{"run image SBOMs are disabled (run-sbom), so every Dockerfile is applied"}
		return v
	case d.AlwaysApply:
		v.Outcome, v.Reasons = Apply, []string{AlwaysApplied + " in the extension's extension.toml"}
		v.Beyond = v.Reasons
		return v
	}
	c.prove(&v, base)
	if v.SwitchTo != "" && !v.Outcome.Left() {
		v.rest = true
		v.Outcome = Switch
		v.Reasons = append([]string{"switches the run image, and has nothing left to do there"}, v.Reasons...)
	}
	return v
}

const nothingChanges = "no instruction would change the image"

// prove tries the proof by plan, then the proof by effect.
func (c *Case) prove(v *Verdict, base Base) {
	d := v.Dockerfile
	enough := c.proof(d)
	var p proof
	if enough != ByEffect {
		p = c.plan(d, base)
	}
	e := c.analyze(d, base, enough)
	var more []string
	if p.met && enough == Installs && (d.SwitchTo == "" || v.SwitchTo != "") {
		more = e.more(base, p.names, c.tooOld(base))
	}
	if p.met && (enough == ByPlan || enough == Installs && more == nil) {
		v.Outcome, v.Reasons, v.relies = Satisfied, slices.Concat(p.reasons, e.unpinned(p)), p.relies
		return
	}
	v.Instructions = e.instructions
	switch {
	case !e.effect && enough != Strict:
		v.Outcome, v.Reasons, v.relies = NoEffect, append([]string{nothingChanges}, e.unpinned(proof{})...), e.relies
		return
	case !e.effect && p.met:
		v.Outcome, v.Reasons, v.relies = Satisfied, append(slices.Clone(p.reasons), nothingChanges), slices.Concat(p.relies, e.relies)
		return
	case base.Set == nil:
		v.Outcome, v.Reasons = Pending, []string{"the image has no known inventory"}
	case more != nil:
		v.Outcome = Apply
		v.Reasons = append([]string{fmt.Sprintf("does more than install what provides %s: %s", strings.Join(p.names, " and "), strings.Join(more, "; "))}, p.reasons...)
	case p.met: // but the policy is strict
		v.Outcome, v.Reasons = Apply, append(e.reasons(), p.reasons...)
	default:
		v.Outcome, v.Reasons = Apply, slices.Concat(p.reasons, e.reasons())
	}
	v.Beyond = e.beyond(enough, p)
}

// together applies the Dockerfiles of an image that are only satisfied or have no
// effect if any other is left to apply. It reports whether one is.
func together(verdicts []Verdict, image ImageKind) bool {
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
		if v := &verdicts[i]; v.Dockerfile.Image == image && v.alone() {
			v.join(outcome, left)
		}
	}
	return true
}

// alone reports whether the Dockerfile would be skipped if it were the only one but
// may have to be applied with others. A switch that is not made is not applied.
func (v *Verdict) alone() bool {
	needless := v.Outcome == Satisfied && v.Dockerfile.SwitchTo != ""
	return v.Outcome == NoEffect || v.Outcome == Satisfied && !needless || v.Outcome == Switch && v.rest
}

// Reasons by which the label of an app image says more than an outcome.
const (
	AlwaysApplied = "always-apply is set"              // the beginning of one; the label does not record every word
	AppliedAlong  = ", but is applied together with: " // the middle of one
)

// join marks a Dockerfile as applied with others.
func (v *Verdict) join(outcome Outcome, left []string) {
	why := "has no effect by itself"
	switch v.Outcome {
	case Satisfied:
		why = "would be satisfied by itself"
	case Switch:
		why = "has nothing left to do by itself on the image that it switches to"
	}
	v.Reasons = append([]string{why + AppliedAlong + strings.Join(left, ", ")}, v.because()...)
	v.Outcome, v.relies, v.rest, v.Along = outcome, nil, false, true
}

// because returns the reasons of a satisfied verdict that still matter.
func (v *Verdict) because() []string {
	if v.Outcome == Satisfied {
		return v.Reasons
	}
	return nil
}

// origin returns the extension's id, or the path.
func (d *Dockerfile) origin() string {
	if d.Extension.ID == "" {
		return d.Path
	}
	return d.Extension.ID
}
