package resolver

import (
	"fmt"
	"slices"
)

// A search is the search over alternatives.
//
// Trying all combinations takes exponential time. Therefore every failed trial
// yields a conflict set: positions in the group such that the trial fails whatever
// is chosen elsewhere. The search jumps back to the last of these positions
// (conflict-directed backjumping). This skips only trials that would fail, so it
// finds the same first trial as the naive search. The choices at these positions
// are remembered (a nogood), so the same failure is not met again after another
// prefix.
//
// The problem is NP-hard (it contains satisfiability), so both the trials and the
// work between them are limited: with many nogoods, much is refuted without a
// trial.
type search struct {
	problem  Problem
	elements []element
	numbers  map[string]int
	names    []string // by number
	limit    int

	// By name, ascending: the elements of which a viable alternative provides it,
	// requires it (without what a run image consumes), and requires it in any way.
	offeredBy, wantedBy, askedBy [][]int

	choice  []int // the chosen alternative of each element
	trials  int
	work    int          // elements, nogoods and reasons examined
	nogoods [][][]nogood // by last position and the choice there
	learned int

	firstFailure []Dropped

	// Scratch space of a trial, by name: how many remaining elements provide it,
	// require it (without what a run image consumes), and require it in any way.
	provided, wanted, asked []int

	trial     trial    // the last one
	sets      arena    // bitsets of the last trial; a conflict set is used up before the next one
	conflicts []bitset // by position: the conflict set of from
	alone     []bitset // by position: the set of that position
}

// A nogood is a list of choices that no successful trial can combine.
type nogood struct {
	before []placed // without the last, by which it is found
	places bitset   // of all
}

// A placed is the choice at a position.
type placed struct{ place, choice int32 }

const (
	maxNogoods = 4096
	maxWork    = 100_000_000 // measured: up to 0.8 s
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
	for i := range s.elements {
		s.conflicts, s.alone = append(s.conflicts, newBitset(len(s.elements))), append(s.alone, newBitset(len(s.elements)))
		s.alone[i].add(i)
	}
	s.provided, s.wanted, s.asked = make([]int, len(s.names)), make([]int, len(s.names)), make([]int, len(s.names))
	return s
}

// from searches the choices from position i on, with those before fixed. If none
// succeeds, it returns the conflict set.
func (s *search) from(i int) (bool, bitset) {
	if i == len(s.elements) {
		return s.leaf()
	}
	all := s.conflicts[i] // whoever called has used up that of the last call
	clear(all)
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
			return false, conflict // no choice here helps
		}
		all.union(conflict)
	}
	all.remove(i)
	s.learn(all)
	return false, all
}

func (s *search) gaveUp() bool { return s.trials > s.limit || s.work > maxWork }

// leaf runs the trial.
func (s *search) leaf() (bool, bitset) {
	s.trials++
	t := s.try()
	conflict := s.conflict(t)
	if conflict == nil {
		return true, nil
	}
	if s.firstFailure == nil {
		s.firstFailure = s.reasons(slices.Concat(t.failed, t.order))
	}
	s.learn(conflict)
	return false, conflict
}

// conflict returns the conflict set of a failed trial, or nil if it succeeded. Of
// several it returns the one that jumps back furthest.
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

// empty returns the conflict set of a trial without a buildpack, or nil if one is
// left.
func (s *search) empty(t *trial) bitset {
	places := s.sets.bitset(len(s.elements))
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

// known returns a known conflict set for the choice at position i after those
// before, or nil: the section is hopeless and the element cannot be excluded, or
// the choice completes a nogood.
func (s *search) known(i int) bitset {
	s.work++
	if s.firstFailure != nil && s.chosen(i).hopeless && !s.mayGo(i) {
		return s.alone[i]
	}
	nogoods := s.nogoods[i][s.choice[i]]
	s.work += len(nogoods)
	for k := range nogoods {
		if s.matches(nogoods[k].before) {
			return nogoods[k].places
		}
	}
	return nil
}

func (s *search) matches(choices []placed) bool {
	for _, p := range choices {
		if s.choice[p.place] != int(p.choice) {
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
	n := nogood{places: slices.Clone(conflict)}
	conflict.each(func(p int) {
		if p != last {
			n.before = append(n.before, placed{int32(p), int32(s.choice[p])})
		}
	})
	slices.Reverse(n.before) // the choices that change most often come first
	of := s.nogoods[last]
	of[s.choice[last]] = append(of[s.choice[last]], n)
	s.learned++
}

// why describes a cause.
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
