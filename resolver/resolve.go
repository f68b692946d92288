package resolver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/baseplan/baseplan/provides"
)

// A Problem is a group of modules that passed detection, in order, and the base
// images that take part.
type Problem struct {
	Candidates []Candidate
	Run, Build Base // nil: nothing is known of the image, and it provides nothing
	Limit      int  // trials to make before giving up; 0 means 100,000. hard large groups give up before that, within seconds
}

const defaultLimit = 100_000

// A Resolution is the first trial that succeeds.
type Resolution struct {
	Group        []Chosen
	Plan         []Entry       // what modules provide, in the order in which names are first provided; without what only a base image provides
	Requirements []Requirement // of the chosen trial, in order of group and plan
	Dropped      []Dropped     // in the order of exclusion
	Trials       int           // how many were made, this one included
}

// A Chosen is a module of the group and the alternative that was chosen.
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

// A Dropped is a module that is not part of the group, and why.
type Dropped struct {
	Module Module
	Why    string
}

// An UnresolvedError says that no trial succeeds.
type UnresolvedError struct {
	Reasons []Dropped // what stood in the way of the first trial, which has every module's first choice
	Trials  int
	GaveUp  bool // the limit was reached: a trial that was not made may succeed
}

func (e *UnresolvedError) Error() string {
	var why []string
	for _, r := range e.Reasons {
		why = append(why, fmt.Sprintf("%s %s", r.Module, r.Why))
	}
	text := "resolving plan: " + strings.Join(why, "; ")
	if e.GaveUp {
		text += fmt.Sprintf(" (gave up after %d trials: a later one might succeed; have fewer alternatives, or put the ones that work first)", e.Trials)
	}
	return text
}

// Resolve finds the first trial, depth first and left to right over the
// alternatives, that succeeds (buildpack.md, "Phase #1: Detection"; COMPAT names
// what that leaves open):
//
//   - A module whose require nothing before it or itself provides is excluded if
//     it is optional; else the trial fails. So is a module that provides what
//     nothing behind it or itself requires.
//   - A trial in which no buildpack is left fails.
//   - An optional module counts as required in each of its alternatives but the last.
//   - A base image takes part as a row of optional extensions, one a name, that
//     stand before the first module: it meets requirements, and never makes
//     another's provide unused. One that is preferred (Base.Prefers) leaves
//     a launch-only requirement that it meets to extensions, not to buildpacks, where
//     every buildpack that may provide the name is optional.
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

// resolution is the outcome of the trial that is set up in s.
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

// entries is the plan of a trial, in the order in which names are first provided.
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

// requirements is what the modules of a trial require, with what meets it.
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

// Contexts is where the entry says that it is needed, build before launch; none
// if neither flag is set. Only the boolean true counts.
func (r Require) Contexts() []Context {
	var all []Context
	for _, c := range []Context{Build, Launch} {
		if set, ok := r.Metadata[string(c)].(bool); ok && set {
			all = append(all, c)
		}
	}
	return all
}

// Constraint is metadata.version as text, "" if there is none. A whole number is
// taken as it is written. Any other type cannot be a constraint: of 3.10, TOML
// leaves 3.1. The text that comes with the error is none either, so whoever
// asks with it is told that it is not met, by any version.
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

// Asking returns the resolution with the answers of base images that took no part in it: an
// inventory that is generated for the verdicts must not change what is detected. Group, plan and
// providers stay as they are, and so do the answers of an image that is nil.
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

// in reports whether a requirement is one of a context: it flags it, or none.
func in(c Context, flagged []Context) bool { return len(flagged) == 0 || slices.Contains(flagged, c) }

// ask asks the run image about launch and about entries without a flag, the
// build image about build and about entries without a flag.
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

// described are the keys of metadata that ask for nothing beyond a name and a version: who needs it
// when, and where the version was found.
var described = []string{"version", "version-source", "launch", "build", "cache"}

// Asks returns the keys of the metadata by which the entry may ask for more than a name and a
// version, in order, such as the packages that a generic extension is to install. What they mean is
// between the buildpack and the extension, so a proof by plan is not enough then.
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

// answer asks a base image, if there is one.
func (r Require) answer(b Base) provides.Answer {
	if b == nil {
		return provides.Answer{}
	}
	constraint, err := r.Constraint()
	if err != nil {
		return provides.Answer{Reason: "cannot be asked: " + err.Error()}
	}
	return b.Answer(r.Name, constraint)
}
