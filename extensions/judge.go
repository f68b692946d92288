package extensions

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
// image specification, "config"), as run-image.toml has it.
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

// A Case is all that decides about the Dockerfiles of a group.
type Case struct {
	Dockerfiles []*Dockerfile        // in the order of the group's extensions
	Resolution  *resolver.Resolution // nil: nothing can be proved by plan
	Run, Build  Base

	// Lookup finds the image that a run.Dockerfile switches to; nil, or a nil
	// result, means that nothing is known of it.
	Lookup func(reference string) *Base

	// Proof is what the operator said of all extensions, Proofs of single ones, by
	// their ids. Nothing said means [Installs], or what an extension says itself.
	Proof  Proof
	Proofs map[string]Proof

	// MaxAge is how old an image may be when it is built on, at the time Built, for
	// installs to count that are not pinned; 0: any age.
	MaxAge time.Duration
	Built  time.Time

	// Off leaves nothing out: the outcomes are only Switch, Superseded and Apply
	// (CNB_RUN_SBOM=off).
	Off bool
}

// ByEffect has everything proved by effect where less than [Strict] would be
// enough: for callers who do not know the plan.
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

// proof is what it takes to leave a Dockerfile out.
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

// Judge gives a verdict on every Dockerfile: the first outcome, in the order in
// which the constants stand, that holds.
//
//   - Switches are judged first. One whose extension has nothing left to provide
//     is satisfied like any other Dockerfile, and switches nothing. The last of
//     the others chooses the run image; run.Dockerfiles in front of it are
//     superseded, what follows it stands on the new image.
//   - All or nothing: as soon as one Dockerfile of an image (run or build) is
//     left to apply, those that are only satisfied or have no effect are applied
//     with it, since Dockerfiles build on one another.
//   - If a Dockerfile behind a satisfied switch is left to apply, the switch is made
//     after all, and what follows it is judged once more, against its image.
func Judge(c Case) Result {
	r := c.judgeAll(-1)
	if made := r.needed(); made >= 0 {
		r = c.judgeAll(made)
	}
	for i := range r.Verdicts {
		r.Relies = append(r.Relies, r.Verdicts[i].relies...)
	}
	return r
}

// needed is the last satisfied switch behind which something is left to apply; -1: there is none.
func (r Result) needed() int {
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

// judgeAll gives all verdicts. The switch number made is made, satisfied or not; -1: none is.
func (c *Case) judgeAll(made int) Result {
	r := Result{Verdicts: make([]Verdict, len(c.Dockerfiles)), RunImage: c.Run.Reference}
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
			v.Reasons = append(v.Reasons, "what it provides is there without it, but Dockerfiles behind it have to be applied, and they stand on its image")
		}
	}
	r.ExtendRun = together(r.Verdicts, Run)
	r.ExtendBuild = together(r.Verdicts, Build)
	return r
}

// Check judges one Dockerfile by effect alone. Under [Strict] every install has
// to be pinned. What follows a switch is judged against the image that lookup
// finds.
func Check(d *Dockerfile, base Base, lookup func(reference string) *Base, proof Proof) Verdict {
	return Case{Lookup: lookup, Proof: proof}.Check(d, base)
}

// Check is the function of that name under all of the case's rules.
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

// switches finds the run image on which the run.Dockerfiles stand in the end,
// and which Dockerfile chooses it; -1: none. The one number made switches though
// it need not; -1: none.
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

// stays reports whether a switch is needless: what the extension was to provide
// is in the image that there is. Another image is always an effect, so that the
// proof by plan has to be enough.
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

// prove tries the proof by plan, then the one by effect.
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
		v.Outcome, v.Reasons, v.relies = Satisfied, append(p.reasons, e.unpinned(p)...), p.relies
		return
	}
	v.Instructions = e.instructions
	switch {
	case !e.effect && enough != Strict:
		v.Outcome, v.Reasons, v.relies = NoEffect, append([]string{nothingChanges}, e.unpinned(proof{})...), e.relies
		return
	case !e.effect && p.met:
		v.Outcome, v.Reasons, v.relies = Satisfied, append(p.reasons, nothingChanges), append(p.relies, e.relies...)
		return
	case base.Set == nil:
		v.Outcome, v.Reasons = Pending, []string{"no inventory is known of the image"}
	case more != nil:
		v.Outcome = Apply
		v.Reasons = append([]string{fmt.Sprintf("does more than install what provides %s: %s", strings.Join(p.names, " and "), strings.Join(more, "; "))}, p.reasons...)
	case p.met: // but the policy is strict
		v.Outcome, v.Reasons = Apply, append(e.reasons(), p.reasons...)
	default:
		v.Outcome, v.Reasons = Apply, append(p.reasons, e.reasons()...)
	}
	v.Beyond = e.beyond(enough, p)
}

// together has those Dockerfiles of an image that are only satisfied or have no
// effect applied with others, if any is left to apply. It reports whether one is.
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
		if v := &verdicts[i]; v.Dockerfile.Image == image && v.alone() {
			v.join(outcome, left)
		}
	}
	return true
}

// alone reports whether a Dockerfile would be left out if it were the only one,
// but is applied with others. A switch that is not made is not.
func (v *Verdict) alone() bool {
	needless := v.Outcome == Satisfied && v.Dockerfile.SwitchTo != ""
	return v.Outcome == NoEffect || v.Outcome == Satisfied && !needless || v.Outcome == Switch && v.rest
}

// join has a Dockerfile applied with those that are left.
func (v *Verdict) join(outcome Outcome, left []string) {
	why := "has no effect by itself"
	switch v.Outcome {
	case Satisfied:
		why = "would be satisfied by itself"
	case Switch:
		why = "has nothing left to do by itself on the image that it switches to"
	}
	v.Reasons = append([]string{fmt.Sprintf("%s, but goes along with what is left to apply: %s", why, strings.Join(left, ", "))}, v.because()...)
	v.Outcome, v.relies, v.rest, v.Along = outcome, nil, false, true
}

// because is what of a satisfied verdict's reasons is still worth saying.
func (v *Verdict) because() []string {
	if v.Outcome == Satisfied {
		return v.Reasons
	}
	return nil
}

// origin names a Dockerfile by its extension, or by its path.
func (d *Dockerfile) origin() string {
	if d.Extension.ID == "" {
		return d.Path
	}
	return d.Extension.ID
}
