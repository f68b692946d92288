package resolver

import "fmt"

// The search over alternatives.
//
// Trying all combinations takes exponential time, so every failed trial is
// explained: by a set of places in the group such that the trial fails whatever
// is chosen at all other places. The search goes straight back to the last of
// these places (conflict-directed backjumping), which skips only trials that
// would fail too, and so finds the same first trial as the naive search. It also
// remembers the choices at these places (a nogood), so that it does not meet
// the same failure again behind another beginning.
//
// The problem as such is hard (it contains satisfiability), so trials are
// counted, and so is the work between them: with many nogoods, much can be
// refuted without a trial.
type search struct {
	problem  Problem
	elements []element
	numbers  map[string]int
	names    []string // by number
	limit    int

	// By name, ascending: the elements that in some alternative which is not
	// hopeless provide it, require it (less what a run image consumes), and
	// require it in all.
	offeredBy, wantedBy, askedBy [][]int

	choice  []int // the alternative of each element
	trials  int
	work    int          // elements, nogoods and reasons looked at
	nogoods [][][]nogood // by their last place and the choice there
	learned int

	firstFailure []Dropped

	// Scratch of a trial, by name: how often alive elements provide it, require it
	// (less what a run image consumes), and require it in all.
	provided, wanted, asked []int
}

// A nogood is a list of choices that cannot all be part of a trial that succeeds.
type nogood struct {
	places, choices []int
}

const (
	maxNogoods = 4096
	maxWork    = 100_000_000 // measured: up to 3 s
)

func newSearch(p Problem) *search {
	s := &search{problem: p, limit: p.Limit, numbers: map[string]int{}, choice: make([]int, len(p.Candidates))}
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	preferred := preferable(p)
	for _, c := range p.Candidates {
		s.elements = append(s.elements, s.element(c, preferred))
		s.nogoods = append(s.nogoods, make([][]nogood, max(1, len(c.Plans))))
	}
	for s.ruleOut() {
	}
	s.index()
	s.provided, s.wanted, s.asked = make([]int, len(s.names)), make([]int, len(s.names)), make([]int, len(s.names))
	return s
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
		var ok bool
		conflict := s.known(i)
		if conflict == nil {
			ok, conflict = s.from(i + 1)
		}
		if ok || s.gaveUp() {
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

func (s *search) gaveUp() bool { return s.trials > s.limit || s.work > maxWork }

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

// known explains why the choice at place i cannot succeed behind those before it,
// as far as that is known: it is hopeless where the element may not be excluded,
// or it completes a nogood.
func (s *search) known(i int) bitset {
	s.work++
	if s.firstFailure != nil && s.chosen(i).hopeless && !s.mayGo(i) {
		conflict := newBitset(len(s.elements))
		conflict.add(i)
		return conflict
	}
	nogoods := s.nogoods[i][s.choice[i]]
	s.work += len(nogoods)
	for _, n := range nogoods {
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
	of := s.nogoods[last]
	of[s.choice[last]] = append(of[s.choice[last]], n)
	s.learned++
}

// why says in words what a cause is.
func (s *search) why(c cause) string {
	name := s.names[c.name]
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
