package resolver

import (
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/provides"
)

// The search over alternatives.
//
// Trying all combinations takes exponential time, so every failed trial is
// explained: by a set of places in the group such that the trial fails whatever
// is chosen at all other places. The search goes straight back to the last of
// these places (conflict-directed backjumping), which skips only trials that
// would fail too, and so finds the same first trial as the naive search. It also
// remembers the choices at these places (a nogood), so that it does not meet
// the same failure again behind another beginning.
type search struct {
	problem  Problem
	elements []element
	names    map[string]int
	limit    int

	choice  []int // the alternative of each element
	trials  int
	nogoods [][]nogood // by their last place
	learned int

	firstFailure []Dropped

	provided, required []int // scratch of a trial: how many alive modules, by name
}

// An element is a candidate prepared for the search.
type element struct {
	sections  []section
	optional  bool
	offers    map[int]bool // names that some alternative provides
	wants     map[int]bool // names that some alternative requires of a module
	mustOffer map[int]bool // names that every alternative provides and none requires
	mustWant  map[int]bool // names that every alternative requires of a module and none provides
}

type section struct {
	provides     []int
	provideNames []string // without repetition, in order
	requires     []require
}

// A require is a requirement with what the base images say to it.
type require struct {
	require    Require
	name       int
	constraint string
	contexts   []Context
	run, build provides.Answer
	met        bool // by base images alone
	consumed   bool // by a preferred run image: no module's provide is used by it
}

// A nogood is a list of choices that cannot all be part of a trial that succeeds.
type nogood struct {
	places, choices []int
}

const maxNogoods = 4096

func newSearch(p Problem) *search {
	s := &search{problem: p, limit: p.Limit, names: map[string]int{}, choice: make([]int, len(p.Candidates)), nogoods: make([][]nogood, len(p.Candidates))}
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	preferred := preferable(p)
	for _, c := range p.Candidates {
		s.elements = append(s.elements, s.element(c, preferred))
	}
	s.provided, s.required = make([]int, len(s.names)), make([]int, len(s.names))
	return s
}

// preferable returns whether a run image may consume requirements of a name:
// the operator prefers it, and every buildpack that might provide it is optional.
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
	e := element{optional: c.Optional || c.Module.Kind == Extension, offers: map[int]bool{}, wants: map[int]bool{}}
	plans := c.Plans
	if len(plans) == 0 {
		plans = []Section{{}}
	}
	for i, plan := range plans {
		sec := s.section(plan, preferred)
		e.sections = append(e.sections, sec)
		offers, wants := map[int]bool{}, map[int]bool{}
		for _, n := range sec.provides {
			offers[n], e.offers[n] = true, true
		}
		uses := map[int]bool{}
		for _, r := range sec.requires {
			if !r.met {
				wants[r.name] = true
			}
			if !r.consumed {
				uses[r.name], e.wants[r.name] = true, true
			}
		}
		e.mustOffer = both(i, e.mustOffer, offers, uses)
		e.mustWant = both(i, e.mustWant, wants, offers)
	}
	return e
}

// both is what all alternatives so far have in common, less what the newest has
// an answer to itself.
func both(i int, sofar, has, answers map[int]bool) map[int]bool {
	common := map[int]bool{}
	for n := range has {
		if !answers[n] && (i == 0 || sofar[n]) {
			common[n] = true
		}
	}
	return common
}

func (s *search) section(plan Section, preferred func(string) bool) section {
	var sec section
	for _, name := range plan.Provides {
		if n := s.number(name); !slices.Contains(sec.provides, n) {
			sec.provides, sec.provideNames = append(sec.provides, n), append(sec.provideNames, name)
		}
	}
	for _, r := range plan.Requires {
		sec.requires = append(sec.requires, s.require(r, preferred))
	}
	return sec
}

// require asks the base images. The run image answers for launch and for
// entries without a flag, the build image for build and for entries without a
// flag; but alone, an entry without a flag is a matter of launch.
func (s *search) require(r Require, preferred func(string) bool) require {
	constraint, err := r.Constraint()
	req := require{require: r, name: s.number(r.Name), constraint: constraint, contexts: r.Contexts()}
	build, launch := slices.Contains(req.contexts, Build), slices.Contains(req.contexts, Launch)
	if launch || !build {
		req.run = answer(s.problem.Run, r, constraint, err)
	}
	if build || !launch {
		req.build = answer(s.problem.Build, r, constraint, err)
	}
	req.met = (req.run.Met || !launch && build) && (req.build.Met || !build)
	req.consumed = launch && !build && req.run.Met && preferred(r.Name)
	return req
}

func (s *search) number(name string) int {
	n, ok := s.names[name]
	if !ok {
		n = len(s.names)
		s.names[name] = n
	}
	return n
}

// from searches the choices at place i and behind, those before being made. If
// there is none, it returns the places that explain why.
func (s *search) from(i int) (bool, bitset) {
	if i == len(s.elements) {
		return s.leaf()
	}
	all := newBitset(len(s.elements))
	for v := range s.elements[i].sections {
		s.choice[i] = v
		conflict, ok := s.known(i), false
		if conflict == nil {
			ok, conflict = s.from(i + 1)
		}
		if ok || s.trials > s.limit {
			return ok, conflict
		}
		if !conflict.has(i) {
			return false, conflict // whatever is chosen here
		}
		all.union(conflict)
	}
	all.remove(i)
	s.learn(all)
	return false, all
}

// leaf makes the trial.
func (s *search) leaf() (bool, bitset) {
	s.trials++
	t := s.try()
	conflict := s.conflict(t)
	if conflict == nil {
		return true, nil
	}
	if s.firstFailure == nil {
		s.firstFailure = s.reasons(append(t.failed, t.order...))
	}
	s.learn(conflict)
	return false, conflict
}

// conflict gives places such that every trial with the choices made there fails;
// nil if this one succeeds. Of several reasons it takes the one that leads back
// furthest.
func (s *search) conflict(t *trial) bitset {
	if len(t.failed) == 0 {
		return s.empty(t)
	}
	var best bitset
	for _, c := range t.failed {
		if e := s.explainFailure(t, c); best == nil || e.last() < best.last() {
			best = e
		}
	}
	return best
}

// empty explains a trial in which no buildpack is left; nil if there is one.
func (s *search) empty(t *trial) bitset {
	places := newBitset(len(s.elements))
	for i, c := range s.problem.Candidates {
		if c.Module.Kind != Buildpack {
			continue
		}
		if t.alive[i] {
			return nil
		}
		places.union(t.why[i])
	}
	return places
}

func (s *search) reasons(causes []cause) []Dropped {
	all := []Dropped{}
	for _, c := range causes {
		all = append(all, Dropped{s.problem.Candidates[c.element].Module, s.why(c)})
	}
	return all
}

// known finds a nogood that the choices up to place i fulfil.
func (s *search) known(i int) bitset {
	for _, n := range s.nogoods[i] {
		if s.matches(n) {
			conflict := newBitset(len(s.elements))
			for _, p := range n.places {
				conflict.add(p)
			}
			return conflict
		}
	}
	return nil
}

func (s *search) matches(n nogood) bool {
	for k, p := range n.places {
		if s.choice[p] != n.choices[k] {
			return false
		}
	}
	return true
}

func (s *search) learn(conflict bitset) {
	last := conflict.last()
	if last < 0 || s.learned >= maxNogoods {
		return
	}
	var n nogood
	conflict.each(func(p int) { n.places, n.choices = append(n.places, p), append(n.choices, s.choice[p]) })
	s.nogoods[last] = append(s.nogoods[last], n)
	s.learned++
}

// why says in words what a cause is.
func (s *search) why(c cause) string {
	name := s.nameOf(c.name)
	if c.unused {
		return fmt.Sprintf("provides unused %s", name)
	}
	text := fmt.Sprintf("requires %s", name)
	for _, r := range s.elements[c.element].sections[s.choice[c.element]].requires {
		if r.name != c.name || r.met {
			continue
		}
		if r.constraint != "" {
			text += " " + r.constraint
		}
		text += ", which no module before it provides"
		if r.run.Reason != "" && !r.run.Met {
			text += "; the run image " + r.run.Reason
		}
		if r.build.Reason != "" && !r.build.Met && len(r.contexts) > 0 {
			text += "; the build image " + r.build.Reason
		}
		break
	}
	return text
}

func (s *search) nameOf(n int) string {
	for name, k := range s.names {
		if k == n {
			return name
		}
	}
	return ""
}
