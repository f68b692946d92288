package extensions

import (
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// An Outcome is the decision on a Dockerfile.
type Outcome string

// The outcomes, in the order in which they are tried (docs/design.md, "Verdicts").
const (
	Superseded Outcome = "superseded" // a later run.Dockerfile switches the run image
	Satisfied  Outcome = "satisfied"  // proof by plan: the image has what the extension was to provide
	NoEffect   Outcome = "no-effect"  // proof by effect: no instruction would change the image
	Switch     Outcome = "switch"     // FROM another image, and nothing else to do
	Pending    Outcome = "pending"    // like Apply, until an inventory is known
	Apply      Outcome = "apply"
)

// Left reports whether an extender must apply a Dockerfile with this outcome.
func (o Outcome) Left() bool { return o == Apply || o == Pending }

// A Verdict is the decision on one Dockerfile, with the reasons.
type Verdict struct {
	Dockerfile *Dockerfile
	Outcome    Outcome
	SwitchTo   string   // the image in FROM, if the switch is made (also with Apply and Pending)
	Reasons    []string // clauses for messages

	// Instructions is the analysis by effect, in order; nil if it was not needed.
	Instructions []Instruction

	// Beyond lists what no other image can make unnecessary in a Dockerfile that is
	// left to apply: "line 5: puts files into the image".
	Beyond []string

	// Along says that the Dockerfile is applied only because others of its image
	// are.
	Along bool

	relies []Reliance
	rest   bool // a Switch with other instructions, which need not be applied
}

// NeverEnough lists the Dockerfiles of an image that must be applied on any other
// image too, with reasons: "acme/ca does more than install: line 5: …".
func (r GroupVerdict) NeverEnough(image ImageKind) []string {
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

// An Instruction is one instruction of a Dockerfile with its effect.
type Instruction struct {
	Line   int    // in the file, starting at 1
	Text   string // as written, with continuation lines joined
	Effect bool
	Reason string
	Lacks  []string // packages as in the install, if the effect is only that they are not installed

	// Manager says that the effect is only a package manager's work.
	Manager bool

	// Expanded says that Lacks has words that Text does not spell: values of variables, such as build args.
	Expanded bool
}

// A Reliance is a property of a base image because of which a Dockerfile was
// skipped. A replacement of the image must have it too.
type Reliance struct {
	Image      ImageKind
	Name       string          // of the requirement, package or command
	Constraint string          // see [provides.ParseConstraint]; empty: any version
	Rule       provides.Rule   // version ordering; empty: there is no version
	Evidence   []string        // version-free patterns, "pkg:deb/debian/curl"
	RequiredBy resolver.Module // the buildpack that requires it; zero for a proof by effect
	Extension  resolver.Module // the extension whose Dockerfile was skipped
}

// A GroupVerdict is the result of [Judge].
type GroupVerdict struct {
	Verdicts    []Verdict  // in the order of the Dockerfiles
	RunImage    string     // reference of the run image after switches
	Switched    bool       // RunImage differs from the original
	ExtendRun   bool       // a run.Dockerfile is left to apply
	ExtendBuild bool       // a build.Dockerfile is left to apply
	Relies      []Reliance // what the verdicts Satisfied and NoEffect rely on, in order
}
