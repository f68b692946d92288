package resolver

import "slices"

// A trial is one choice of alternatives, reduced to a fixed point.
type trial struct {
	alive  []bool
	order  []cause // exclusions in order
	failed []cause // causes that a required module could not be excluded, if the trial failed

	why []bitset // by element: the conflict set of its exclusion; nil while it stays
}

// A cause is the reason why a module cannot stay: an unmet require or an unused
// provide.
type cause struct {
	element, name int
	unused        bool
}

// try runs the trial of the current choices, which is valid until the next one. Excluding a module only removes
// provides and requires, so the result does not depend on the order.
func (s *search) try() *trial {
	s.sets.reset()
	t := &s.trial
	if t.alive == nil {
		t.alive, t.why = make([]bool, len(s.elements)), make([]bitset, len(s.elements))
	}
	for i := range t.alive {
		t.alive[i], t.why[i] = true, nil
	}
	t.order, t.failed = t.order[:0], t.failed[:0]
	for changed := true; changed && len(t.failed) == 0; {
		changed = s.dropUnmet(t)
		if len(t.failed) == 0 {
			changed = s.dropUnused(t) || changed
		}
	}
	return t
}

// dropUnmet walks the group forward.
func (s *search) dropUnmet(t *trial) (changed bool) {
	clear(s.provided)
	for i := range s.elements {
		if !t.alive[i] {
			continue
		}
		sec := s.chosen(i)
		for _, n := range sec.provides {
			s.provided[n]++
		}
		s.work += 1 + len(sec.provides) + len(sec.requires)
		for _, r := range sec.requires {
			if r.met || s.provided[r.name] > 0 {
				continue
			}
			if changed = s.drop(t, cause{element: i, name: r.name}) || changed; !t.alive[i] {
				for _, n := range sec.provides {
					s.provided[n]--
				}
			}
			break
		}
	}
	return changed
}

// dropUnused walks the group backward.
func (s *search) dropUnused(t *trial) (changed bool) {
	clear(s.wanted)
	clear(s.asked)
	for i := len(s.elements) - 1; i >= 0; i-- {
		if !t.alive[i] {
			continue
		}
		sec := s.chosen(i)
		s.use(sec, 1)
		uses := s.wanted
		if s.elements[i].extension {
			uses = s.asked
		}
		s.work += 1 + len(sec.provides) + len(sec.requires)
		for _, n := range sec.provides {
			if uses[n] > 0 {
				continue
			}
			if changed = s.drop(t, cause{element: i, name: n, unused: true}) || changed; !t.alive[i] {
				s.use(sec, -1)
			}
			break
		}
	}
	return changed
}

func (s *search) use(sec *section, by int) {
	for _, r := range sec.requires {
		s.asked[r.name] += by
		if !r.consumed {
			s.wanted[r.name] += by
		}
	}
}

// drop excludes a module, or records that the trial fails.
func (s *search) drop(t *trial, c cause) bool {
	if !s.mayGo(c.element) {
		t.failed = append(t.failed, c)
		return false
	}
	t.why[c.element] = s.explain(t, c)
	t.alive[c.element] = false
	t.order = append(t.order, c)
	return true
}

// mayGo reports whether an element may be excluded: an optional one at its last
// alternative.
func (s *search) mayGo(i int) bool {
	e := &s.elements[i]
	return e.optional && s.choice[i] == len(e.sections)-1
}

func (s *search) chosen(i int) *section { return &s.elements[i].sections[s.choice[i]] }

// explain returns positions such that, with the choices there, the module is in no
// successful trial.
func (s *search) explain(t *trial, c cause) bitset {
	places := s.sets.bitset(len(s.elements))
	e := &s.elements[c.element]
	if s.chosen(c.element).hopeless {
		if slices.ContainsFunc(e.sections, func(sec section) bool { return !sec.hopeless }) {
			places.add(c.element)
		}
		return places
	}
	if c.unused && !e.mustOffer[c.name] || !c.unused && !e.mustWant[c.name] {
		places.add(c.element)
	}
	for _, j := range s.concerned(c) {
		s.explainHelpless(t, c, j, places)
	}
	return places
}

// explainHelpless adds the conflict set that explains why element j does not remove
// the cause: why none of its alternatives that would can stay, or else its own
// choice.
func (s *search) explainHelpless(t *trial, c cause, j int, places bitset) {
	s.work++
	if all := s.blockedAll(t, c, j); all != nil {
		places.union(all)
		return
	}
	if t.why[j] != nil && s.helps(j, s.choice[j], c) {
		places.union(t.why[j])
		return
	}
	places.add(j)
}

// blockedAll returns positions before j such that, with the choices there, no
// alternative of j that would remove the cause can stay, or nil.
func (s *search) blockedAll(t *trial, c cause, j int) bitset {
	all := s.sets.bitset(len(s.elements))
	for v := range s.elements[j].sections {
		if s.elements[j].sections[v].hopeless || !s.helps(j, v, c) {
			continue
		}
		places := s.blocked(t, j, v)
		if places == nil {
			return nil
		}
		all.union(places)
	}
	return all
}

// blocked returns positions before j such that, with the choices there, alternative
// v of j has an unmet require, or nil.
func (s *search) blocked(t *trial, j, v int) bitset {
	sec := &s.elements[j].sections[v]
	for _, r := range sec.requires {
		if r.met || sec.offers(r.name) {
			continue
		}
		c := cause{element: j, name: r.name}
		places := s.sets.bitset(len(s.elements))
		for _, k := range s.concerned(c) {
			s.work++
			switch offers := s.chosen(k).offers(r.name); {
			case offers && t.alive[k]:
				places = nil
			case offers:
				places.union(t.why[k])
			default:
				places.add(k)
			}
			if places == nil {
				break
			}
		}
		if places != nil && places.last() < j {
			return places
		}
	}
	return nil
}

// concerned returns the elements of which an alternative may remove the cause:
// earlier ones that provide the name, or later ones that require it.
func (s *search) concerned(c cause) []int {
	if !c.unused {
		all := s.offeredBy[c.name]
		end, _ := slices.BinarySearch(all, c.element)
		return all[:end]
	}
	all := s.wantedBy[c.name]
	if s.elements[c.element].extension {
		all = s.askedBy[c.name]
	}
	start, _ := slices.BinarySearch(all, c.element+1)
	return all[start:]
}

// helps reports whether alternative v of element j removes the cause if it stays.
func (s *search) helps(j, v int, c cause) bool {
	sec := &s.elements[j].sections[v]
	if !c.unused {
		return sec.offers(c.name)
	}
	return slices.ContainsFunc(sec.requires, func(r *require) bool {
		return r.name == c.name && s.elements[c.element].usedBy(r)
	})
}

// explainFailure returns positions such that every trial with the choices there
// fails. An optional module fails a trial only before its last alternative, so its
// choice is part of the reason.
func (s *search) explainFailure(t *trial, c cause) bitset {
	places := s.explain(t, c)
	if s.elements[c.element].optional {
		places.add(c.element)
	}
	return places
}
