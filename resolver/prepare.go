package resolver

import (
	"slices"

	"github.com/baseplan/baseplan/provides"
)

// An element is a candidate prepared for the search.
type element struct {
	sections  []section
	optional  bool
	extension bool
	mustOffer map[int]bool // names that all viable alternatives provide and none requires
	mustWant  map[int]bool // names that all viable alternatives require of a module and none provides
}

type section struct {
	provides     []int
	provideNames []string // without repetition, in order
	requires     []*require
	hopeless     bool // it can never stay in a group
}

// A require is a requirement with the answers of the base images.
type require struct {
	require    Require
	name       int
	constraint string
	contexts   []Context
	run, build provides.Answer
	met        bool // by base images alone
	consumed   bool // by a preferred run image, so it does not use a buildpack's provide
}

func (sec *section) offers(name int) bool { return slices.Contains(sec.provides, name) }

// preferable returns whether the run image may consume requirements of a name: the
// operator prefers it, and every buildpack that may provide it is optional.
func preferable(p Problem) func(string) bool {
	needed := map[string]bool{}
	for _, c := range p.Candidates {
		if c.Optional || c.Module.Kind == Extension {
			continue
		}
		for _, plan := range c.Plans {
			for _, name := range plan.Provides {
				needed[name] = true
			}
		}
	}
	return func(name string) bool { return p.Run != nil && !needed[name] && p.Run.Prefers(name) }
}

func (s *search) element(c Candidate, preferred func(string) bool) element {
	e := element{optional: c.Optional || c.Module.Kind == Extension, extension: c.Module.Kind == Extension}
	plans := c.Plans
	if len(plans) == 0 {
		plans = []Section{{}}
	}
	for _, plan := range plans {
		e.sections = append(e.sections, s.section(plan, preferred))
	}
	return e
}

// ruleOut marks sections as hopeless: those that require a name that no earlier
// module can provide, or provide a name that no later module can require. It
// reports whether it marked any, since that may make others hopeless.
func (s *search) ruleOut() (found bool) {
	n := len(s.names)
	offered, lastWanted, lastAsked := make([]bool, n), slices.Repeat([]int{-1}, n), slices.Repeat([]int{-1}, n)
	for i := range s.elements {
		s.elements[i].eachHopeful(func(sec *section) {
			for _, r := range sec.requires {
				lastAsked[r.name] = i
				if !r.consumed {
					lastWanted[r.name] = i
				}
			}
		})
	}
	for i := range s.elements {
		e := &s.elements[i]
		last := lastWanted
		if e.extension {
			last = lastAsked
		}
		e.eachHopeful(func(sec *section) {
			own, used := e.providedAndUsed(sec)
			unmet := func(r *require) bool { return !r.met && !own[r.name] && !offered[r.name] }
			unused := func(name int) bool { return !used[name] && last[name] <= i }
			sec.hopeless = slices.ContainsFunc(sec.requires, unmet) || slices.ContainsFunc(sec.provides, unused)
			found = found || sec.hopeless
		})
		e.eachHopeful(func(sec *section) {
			for _, name := range sec.provides {
				offered[name] = true
			}
		})
	}
	return found
}

func (e *element) eachHopeful(f func(*section)) {
	for v := range e.sections {
		if sec := &e.sections[v]; !sec.hopeless {
			f(sec)
		}
	}
}

// providedAndUsed returns what a section provides, and which of that it requires itself.
func (e *element) providedAndUsed(sec *section) (offers, uses map[int]bool) {
	offers, uses = make(map[int]bool, len(sec.provides)), make(map[int]bool, len(sec.requires))
	for _, name := range sec.provides {
		offers[name] = true
	}
	for _, r := range sec.requires {
		if e.usedBy(r) {
			uses[r.name] = true
		}
	}
	return offers, uses
}

// index lists which elements provide and require each name, and what all
// alternatives of an element have in common.
func (s *search) index() {
	n := len(s.names)
	s.offeredBy, s.wantedBy, s.askedBy = make([][]int, n), make([][]int, n), make([][]int, n)
	for i := range s.elements {
		e := &s.elements[i]
		first := true
		e.eachHopeful(func(sec *section) {
			offers, uses := e.providedAndUsed(sec)
			wants := map[int]bool{}
			for _, name := range sec.provides {
				note(s.offeredBy, name, i)
			}
			for _, r := range sec.requires {
				note(s.askedBy, r.name, i)
				if !r.consumed {
					note(s.wantedBy, r.name, i)
				}
				if !r.met {
					wants[r.name] = true
				}
			}
			e.mustOffer = both(first, e.mustOffer, offers, uses)
			e.mustWant = both(first, e.mustWant, wants, offers)
			first = false
		})
	}
}

// usedBy reports whether a requirement uses what the element provides. A preferred
// run image takes it from buildpacks only: an extension stays, and its Dockerfiles
// are judged (docs/design.md, "Resolution").
func (e *element) usedBy(r *require) bool { return !r.consumed || e.extension }

// note adds an index to the list of a name, once.
func note(lists [][]int, name, place int) {
	if l := lists[name]; len(l) == 0 || l[len(l)-1] != place {
		lists[name] = append(l, place)
	}
}

// both returns what all alternatives so far have in common, without what the newest
// one satisfies itself.
func both(first bool, sofar, has, answers map[int]bool) map[int]bool {
	common := map[int]bool{}
	for n := range has {
		if !answers[n] && (first || sofar[n]) {
			common[n] = true
		}
	}
	return common
}

func (s *search) section(plan Section, preferred func(string) bool) section {
	var sec section
	seen := map[string]bool{}
	for _, name := range plan.Provides {
		if !seen[name] {
			seen[name] = true
			sec.provides, sec.provideNames = append(sec.provides, s.number(name)), append(sec.provideNames, name)
		}
	}
	for _, r := range plan.Requires {
		sec.requires = append(sec.requires, s.require(r, preferred))
	}
	return sec
}

// require prepares a requirement. For base images alone, a requirement without a
// flag is needed at launch.
func (s *search) require(r Require, preferred func(string) bool) *require {
	constraint, _ := r.Constraint()
	req := &require{require: r, name: s.number(r.Name), constraint: constraint, contexts: r.Contexts()}
	build, launch := slices.Contains(req.contexts, Build), slices.Contains(req.contexts, Launch)
	req.run, req.build = r.ask(s.problem.Run, s.problem.Build)
	req.met = (req.run.Met || !launch && build) && (req.build.Met || !build)
	req.consumed = launch && !build && req.run.Met && preferred(r.Name)
	return req
}

func (s *search) number(name string) int {
	n, ok := s.numbers[name]
	if !ok {
		n = len(s.names)
		s.numbers[name], s.names = n, append(s.names, name)
	}
	return n
}
