package resolver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/baseplan/baseplan/provides"
)

// A Problem is a group of modules that passed detection, in order, with the base
// images.
type Problem struct {
	Candidates []Candidate
	Run, Build Base // nil: unknown image, provides nothing
	Limit      int  // maximum number of trials; 0 means 100,000. Hard large groups stop earlier, within a second
}

const defaultLimit = 100_000

// A Resolution is the first trial that succeeds.
type Resolution struct {
	Group        []Chosen
	Plan         []Entry       // what modules provide, by first provider; without what only a base image provides
	Requirements []Requirement // of the chosen trial, in order of group and plan
	Dropped      []Dropped     // in the order of exclusion
	Trials       int           // the number of trials, including this one
}

// A Chosen is a module of the group with its chosen alternative.
type Chosen struct {
	Module   Module
	Optional bool
	Section  int // index into Candidate.Plans
}

// An Entry is an entry of the build plan (buildpack.md, "Buildpack Plan").
type Entry struct {
	Name      string
	Providers []Module
	Requires  []Require
}

// A Dropped is a module that is not in the group, with the reason.
type Dropped struct {
	Module Module
	Why    string
}

// An UnresolvedError is returned if no trial succeeds.
type UnresolvedError struct {
	Reasons []Dropped // why the first trial, which has every module's first choice, failed
	Trials  int
	GaveUp  bool // the limit was reached, so a later trial might succeed
}

func (e *UnresolvedError) Error() string {
	var why []string
	for _, r := range e.Reasons {
		why = append(why, fmt.Sprintf("%s %s", r.Module, r.Why))
	}
	text := "resolving plan: " + strings.Join(why, "; ")
	if e.GaveUp {
		text += fmt.Sprintf(" (gave up after %d trials: a later one might succeed; use fewer alternatives, or put those that work first)", e.Trials)
	}
	return text
}

// Resolve finds the first trial that succeeds, depth first and left to right over
// the alternatives (buildpack.md, "Phase #1: Detection"; docs/compatibility.md,
// "Detection", lists what the specification leaves open):
//
//   - A module whose require is provided by neither an earlier module nor itself
//     is excluded if optional; otherwise the trial fails. The same holds for a
//     provide that neither a later module nor itself requires.
//   - A trial without a buildpack fails.
//   - An optional module counts as required in each of its alternatives but the
//     last.
//   - A base image is equivalent to optional extensions, one for each name, in
//     front of the group. It meets requirements and never makes another provide
//     unused. With Base.Prefers, extensions but not buildpacks receive a
//     launch-only requirement that it meets, if every buildpack that may provide
//     the name is optional.
//
// If no trial succeeds, the error is an *[UnresolvedError].
func Resolve(p Problem) (*Resolution, error) {
	s := newSearch(p)
	found, _ := s.from(0)
	if !found {
		return nil, &UnresolvedError{Reasons: s.firstFailure, Trials: s.trials, GaveUp: s.gaveUp()}
	}
	return s.resolution(), nil
}

// resolution returns the result of the current trial.
func (s *search) resolution() *Resolution {
	t := s.try()
	r := &Resolution{Trials: s.trials}
	r.Dropped = s.reasons(t.order)
	for i, c := range s.problem.Candidates {
		if t.alive[i] {
			r.Group = append(r.Group, Chosen{Module: c.Module, Optional: c.Optional, Section: s.choice[i]})
		}
	}
	r.Plan = s.entries(t)
	r.Requirements = s.requirements(t)
	return r
}

// entries returns the plan of a trial, ordered by first provider.
func (s *search) entries(t *trial) []Entry {
	var plan []Entry
	at := map[string]int{}
	s.eachAlive(t, func(i int, sec *section) {
		for _, name := range sec.provideNames {
			if _, ok := at[name]; !ok {
				at[name] = len(plan)
				plan = append(plan, Entry{Name: name})
			}
			e := &plan[at[name]]
			e.Providers = append(e.Providers, s.problem.Candidates[i].Module)
		}
	})
	s.eachAlive(t, func(_ int, sec *section) {
		for _, r := range sec.requires {
			if k, ok := at[r.require.Name]; ok && (!r.consumed || slices.ContainsFunc(plan[k].Providers, isExtension)) {
				plan[k].Requires = append(plan[k].Requires, r.require)
			}
		}
	})
	return plan
}

// requirements returns the requirements of a trial with what meets them.
func (s *search) requirements(t *trial) []Requirement {
	var all []Requirement
	providers := map[string][]Module{}
	s.eachAlive(t, func(i int, sec *section) {
		module := s.problem.Candidates[i].Module
		for _, name := range sec.provideNames {
			providers[name] = append(providers[name], module)
		}
		for _, r := range sec.requires {
			req := Requirement{
				Name: r.require.Name, By: module, Version: r.constraint, Contexts: r.contexts, Asks: r.require.Asks(),
				Run: r.run, Build: r.build,
			}
			req.Providers = slices.Clone(providers[req.Name])
			if r.consumed {
				req.Providers = slices.DeleteFunc(req.Providers, isBuildpack)
				req.Consumed = len(req.Providers) == 0
			}
			all = append(all, req)
		}
	})
	return all
}

func isExtension(m Module) bool { return m.Kind == Extension }
func isBuildpack(m Module) bool { return m.Kind == Buildpack }

func (s *search) eachAlive(t *trial, f func(int, *section)) {
	for i := range s.elements {
		if t.alive[i] {
			f(i, &s.elements[i].sections[s.choice[i]])
		}
	}
}

// Contexts returns the contexts in which the requirement is needed, build before
// launch, or none if neither flag is set. Only the boolean true counts.
func (r Require) Contexts() []Context {
	var all []Context
	for _, c := range []Context{Build, Launch} {
		if set, ok := r.Metadata[string(c)].(bool); ok && set {
			all = append(all, c)
		}
	}
	return all
}

// Constraint returns metadata.version as text, or "". An integer is formatted as
// decimal. Other types are an error, since TOML reads 3.10 as 3.1; the text
// returned with the error is no valid constraint, so no version meets it.
func (r Require) Constraint() (string, error) {
	switch v := r.Metadata["version"].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return notText(v), fmt.Errorf("metadata.version of %s is a fraction, in which 3.1 and 3.10 are the same: quote it", r.Name)
	default:
		return notText(v), fmt.Errorf("metadata.version of %s is %T, not text: quote it", r.Name, v)
	}
}

func notText(v any) string { return fmt.Sprintf("not text: %v", v) }

// Asking returns a copy of the resolution with the answers of base images that took no part in it.
// An inventory generated for the verdicts must not change what is detected, so group, plan and
// providers stay. The answers of an image that is nil stay too.
func (r *Resolution) Asking(run, build Base) *Resolution {
	out := *r
	out.Requirements = slices.Clone(r.Requirements)
	for i := range out.Requirements {
		req := &out.Requirements[i]
		if run != nil && in(Launch, req.Contexts) {
			req.Run = run.Answer(req.Name, req.Version)
		}
		if build != nil && in(Build, req.Contexts) {
			req.Build = build.Answer(req.Name, req.Version)
		}
	}
	return &out
}

// in reports whether a requirement with these flags counts in context c.
func in(c Context, flagged []Context) bool { return len(flagged) == 0 || slices.Contains(flagged, c) }

// ask asks the run image about launch and the build image about build; both about a
// requirement without a flag.
func (r Require) ask(run, build Base) (atRun, atBuild provides.Answer) {
	contexts := r.Contexts()
	if in(Launch, contexts) {
		atRun = r.answer(run)
	}
	if in(Build, contexts) {
		atBuild = r.answer(build)
	}
	return atRun, atBuild
}

// described are the keys of metadata that ask for nothing beyond a name and a version: the contexts,
// and where the version was found.
var described = []string{"version", "version-source", "launch", "build", "cache"}

// Asks returns the metadata keys, sorted, that may ask for more than a name and a version, such as
// the packages that a generic extension installs. Only the buildpack and the extension know their
// meaning, so a proof by plan is not enough for them.
func (r Require) Asks() []string {
	var keys []string
	for key := range r.Metadata {
		if !slices.Contains(described, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// answer asks a base image; b may be nil.
func (r Require) answer(b Base) provides.Answer {
	if b == nil {
		return provides.Answer{}
	}
	constraint, err := r.Constraint()
	if err != nil {
		return provides.Answer{Reason: "cannot be checked: " + err.Error()}
	}
	return b.Answer(r.Name, constraint)
}
