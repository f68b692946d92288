package extensions

import (
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// An Outcome is what becomes of a Dockerfile.
type Outcome string

// The outcomes, in the order in which they are tried.
const (
	Superseded Outcome = "superseded" // a later run.Dockerfile switches the run image
	Satisfied  Outcome = "satisfied"  // proof by plan: what the extension was to provide is there
	NoEffect   Outcome = "no-effect"  // proof by effect: no instruction would change the image
	Switch     Outcome = "switch"     // FROM another image, and nothing to do on that one
	Pending    Outcome = "pending"    // as Apply, until an inventory is known
	Apply      Outcome = "apply"
)

// Left reports whether a Dockerfile with this outcome is left for an extender to apply.
func (o Outcome) Left() bool { return o == Apply || o == Pending }

// A Verdict is what becomes of one Dockerfile, and why.
type Verdict struct {
	Dockerfile *Dockerfile
	Outcome    Outcome
	SwitchTo   string   // the image of its FROM, where that takes hold (also with Apply and Pending)
	Reasons    []string // clauses for people

	// Instructions is the analysis by effect, in order; nil where none was asked for.
	Instructions []Instruction

	// Beyond is what of a Dockerfile that is left to apply no other image makes needless,
	// whatever it holds: "line 5: puts files into the image".
	Beyond []string

	// Along says that the Dockerfile is applied only since others of its image are.
	Along bool

	relies []Reliance
	rest   bool // a Switch with other instructions, which need not be applied
}

// NeverEnough says which Dockerfiles of an image are left to apply whatever other
// image they would stand on, and why: "acme/ca does more than install: line 5: …".
func (r Result) NeverEnough(image Image) []string {
	var all []string
	for _, v := range r.Verdicts {
		if v.Dockerfile.Image == image && v.Outcome.Left() && len(v.Beyond) > 0 {
			what := " does more than install: "
			if v.Dockerfile.AlwaysApply {
				what = ": "
			}
			all = append(all, v.Dockerfile.origin()+what+strings.Join(v.Beyond, "; "))
		}
	}
	return all
}

// An Instruction is one instruction of a Dockerfile and whether it would change
// the image.
type Instruction struct {
	Line   int    // in the file, from 1
	Text   string // as written, continuation lines joined
	Effect bool
	Reason string
	Lacks  []string // packages as an install spells them, if that they are not installed is all of the effect

	// Manager says that the effect is only the work of a package manager.
	Manager bool
}

// A Reliance is something of a base image that left a Dockerfile out: what has
// to be there again when the image is replaced.
type Reliance struct {
	Image      Image
	Name       string          // of the requirement, or of the package or command
	Constraint string          // see [provides.ParseConstraint]; empty: any version
	Rule       provides.Rule   // how versions are compared; empty: there is no version
	Evidence   []string        // version-free patterns, "pkg:deb/debian/curl"
	RequiredBy resolver.Module // the requirement's buildpack; zero where the proof was by effect
	Extension  resolver.Module // whose Dockerfile was left out
}

// A Result is the outcome of [Judge].
type Result struct {
	Verdicts    []Verdict  // in the order of the Dockerfiles
	RunImage    string     // reference of the run image, after switches
	Switched    bool       // RunImage is another than at the start
	ExtendRun   bool       // a run.Dockerfile is left to apply
	ExtendBuild bool       // a build.Dockerfile is left to apply
	Relies      []Reliance // what the verdicts satisfied and no-effect rest on, in order
}
