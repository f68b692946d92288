package resolver

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
	clear(s.required)
	for i := len(s.elements) - 1; i >= 0; i-- {
		if !t.alive[i] {
			continue
		}
		sec := s.chosen(i)
		s.use(sec, 1)
		for _, n := range sec.provides {
			if s.required[n] > 0 {
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
		if !r.consumed {
			s.required[r.name] += by
		}
	}
}

// drop excludes a module, or notes that the trial fails.
func (s *search) drop(t *trial, c cause) bool {
	e := &s.elements[c.element]
	if !e.optional || s.choice[c.element] < len(e.sections)-1 {
		t.failed = append(t.failed, c)
		return false
	}
	t.why[c.element] = s.explain(t, c)
	t.alive[c.element] = false
	t.order = append(t.order, c)
	return true
}

func (s *search) chosen(i int) *section { return &s.elements[i].sections[s.choice[i]] }

// explain gives places such that, with the choices made there, the module cannot
// be part of any trial that succeeds.
func (s *search) explain(t *trial, c cause) bitset {
	places := newBitset(len(s.elements))
	e := &s.elements[c.element]
	if c.unused && !e.mustOffer[c.name] || !c.unused && !e.mustWant[c.name] {
		places.add(c.element)
	}
	from, to := 0, c.element
	if c.unused {
		from, to = c.element+1, len(s.elements)
	}
	for j := from; j < to; j++ {
		other := &s.elements[j]
		if c.unused && !other.wants[c.name] || !c.unused && !other.offers[c.name] {
			continue
		}
		if t.why[j] != nil && s.helps(j, c) {
			places.union(t.why[j])
		} else {
			places.add(j)
		}
	}
	return places
}

// helps reports whether the module would remove the cause if it were not excluded.
func (s *search) helps(j int, c cause) bool {
	sec := s.chosen(j)
	if !c.unused {
		for _, n := range sec.provides {
			if n == c.name {
				return true
			}
		}
		return false
	}
	for _, r := range sec.requires {
		if r.name == c.name && !r.consumed {
			return true
		}
	}
	return false
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
