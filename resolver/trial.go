package resolver

import "slices"

// A trial is one choice of alternatives, reduced until nothing changes.
type trial struct {
	alive  []bool
	order  []cause // why modules were excluded, in that order
	failed []cause // why required modules could not be, if the trial fails

	why []bitset // by element: the places that explain its exclusion; nil while it is alive
}

// A cause is why a module cannot stay: a require that is unmet, or a provide that is unused.
type cause struct {
	element, name int
	unused        bool
}

// try makes the trial of the choices that are set up. Excluding a module only
// ever takes provides and requires away, so what is left at the end, and whether
// a required module is hit, does not depend on the order.
func (s *search) try() *trial {
	t := &trial{alive: make([]bool, len(s.elements)), why: make([]bitset, len(s.elements))}
	for i := range t.alive {
		t.alive[i] = true
	}
	for changed := true; changed && len(t.failed) == 0; {
		changed = s.dropUnmet(t)
		if len(t.failed) == 0 {
			changed = s.dropUnused(t) || changed
		}
	}
	return t
}

// dropUnmet walks the group from the front.
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

// dropUnused walks the group from the back.
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

// drop excludes a module, or notes that the trial fails.
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

// mayGo reports whether an element may be excluded: an optional one, once its last
// alternative is tried.
func (s *search) mayGo(i int) bool {
	e := &s.elements[i]
	return e.optional && s.choice[i] == len(e.sections)-1
}

func (s *search) chosen(i int) *section { return &s.elements[i].sections[s.choice[i]] }

// explain gives places such that, with the choices made there, the module cannot
// be part of any trial that succeeds.
func (s *search) explain(t *trial, c cause) bitset {
	places := newBitset(len(s.elements))
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

// explainHelpless adds places such that, with the choices made there, element j
// does not remove the cause: none of its alternatives that would can stay, or else its own choice.
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

// blockedAll gives places before j such that, with the choices made there, no
// alternative of j that would remove the cause can stay; nil if there are none.
func (s *search) blockedAll(t *trial, c cause, j int) bitset {
	all := newBitset(len(s.elements))
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

// blocked gives places before j such that, with the choices made there, alternative
// v of j has an unmet require; nil if that takes others.
func (s *search) blocked(t *trial, j, v int) bitset {
	sec := &s.elements[j].sections[v]
	for _, r := range sec.requires {
		if r.met || sec.offers(r.name) {
			continue
		}
		c := cause{element: j, name: r.name}
		places := newBitset(len(s.elements))
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

// concerned gives the elements that some alternative would let remove the cause:
// those before the module that provide what it lacks, or those behind it that
// require what it provides.
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

// helps reports whether alternative v of element j would remove the cause if it stays.
func (s *search) helps(j, v int, c cause) bool {
	sec := &s.elements[j].sections[v]
	if !c.unused {
		return sec.offers(c.name)
	}
	return slices.ContainsFunc(sec.requires, func(r require) bool {
		return r.name == c.name && s.elements[c.element].usedBy(r)
	})
}

// explainFailure gives places such that every trial with the choices made there
// fails. An optional module fails a trial only by the choice of another
// alternative than its last, so that choice is part of the reason.
func (s *search) explainFailure(t *trial, c cause) bitset {
	places := s.explain(t, c)
	if s.elements[c.element].optional {
		places.add(c.element)
	}
	return places
}
