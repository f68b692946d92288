package format

import "fmt"

// spdxRelations are what the relationships of an SPDX document come to.
type spdxRelations struct {
	packages  map[string]int      // the place of each package
	owned     map[string][]string // the files that each package contains
	inside    map[string][]string // the packages that each package contains
	described map[string]bool     // what the document says that it describes
	elsewhere map[string]bool     // packages that are not in the image
}

// describes reports whether the package is what the document is about. A document
// that does not say is about whatever stands for an image in it.
func (r *spdxRelations) describes(id string) bool { return len(r.described) == 0 || r.described[id] }

func (s *spdxDocument) relate() (*spdxRelations, error) {
	r := &spdxRelations{owned: map[string][]string{}, inside: map[string][]string{}, described: map[string]bool{}, elsewhere: map[string]bool{}}
	var err error
	if r.packages, err = s.index(); err != nil {
		return nil, err
	}
	isFile := make(map[string]bool, len(s.Files))
	for _, f := range s.Files {
		isFile[f.ID] = true
	}
	contains := func(outer, inner string) {
		if _, ok := r.packages[inner]; ok {
			r.inside[outer] = append(r.inside[outer], inner)
		} else if isFile[inner] {
			r.owned[outer] = append(r.owned[outer], inner)
		}
	}
	for _, id := range s.Describes {
		r.described[id] = true
	}
	for _, of := range s.Relationships {
		switch of.Type {
		case "CONTAINS":
			contains(of.From, of.To)
		case "CONTAINED_BY":
			contains(of.To, of.From)
		case "DESCRIBES":
			r.described[of.To] = true
		case "DESCRIBED_BY":
			r.described[of.From] = true
		}
	}
	for _, p := range s.Packages {
		for _, id := range p.HasFiles {
			contains(p.ID, id)
		}
	}
	if err := checkTree(r.inside); err != nil {
		return nil, err
	}
	s.findElsewhere(r)
	return r, nil
}

// index is the place of each package. One identifier for two packages is refused.
func (s *spdxDocument) index() (map[string]int, error) {
	index := make(map[string]int, len(s.Packages))
	for i, p := range s.Packages {
		if p.ID == "" {
			continue
		}
		if j, ok := index[p.ID]; ok {
			return nil, fmt.Errorf("packages %d and %d are both %s", j, i, clip(p.ID))
		}
		index[p.ID] = i
	}
	return index, nil
}

// findElsewhere finds the packages that something was built or tested with, or may
// be used with, and that nothing is said to contain; the sources that something
// was generated from; and what another container within the image contains.
func (s *spdxDocument) findElsewhere(r *spdxRelations) {
	for _, of := range s.Relationships {
		switch of.Type {
		case "BUILD_DEPENDENCY_OF", "BUILD_TOOL_OF", "DEV_DEPENDENCY_OF", "DEV_TOOL_OF",
			"TEST_DEPENDENCY_OF", "TEST_TOOL_OF", "OPTIONAL_DEPENDENCY_OF", "OPTIONAL_COMPONENT_OF", "PROVIDED_DEPENDENCY_OF":
			r.elsewhere[of.From] = true
		}
	}
	for _, inner := range r.inside {
		for _, id := range inner {
			delete(r.elsewhere, id)
		}
	}
	nested := map[string]bool{}
	if len(r.described) > 0 {
		for _, p := range s.Packages {
			if p.Purpose == "CONTAINER" && !r.described[p.ID] {
				nested[p.ID] = true
			}
		}
	}
	var within []string
	for id := range nested {
		within = append(within, r.inside[id]...)
	}
	own := map[string]bool{}
	for id := range r.described {
		r.reach(id, nested, own)
	}
	for _, id := range within {
		r.reach(id, own, r.elsewhere)
	}
	for _, of := range s.Relationships {
		switch of.Type {
		case "GENERATED_FROM":
			r.elsewhere[of.To] = true
		case "GENERATES":
			r.elsewhere[of.From] = true
		}
	}
}

// reach adds a package and what it contains to found, but for what is in not and
// below that.
func (r *spdxRelations) reach(id string, not, found map[string]bool) {
	for todo := []string{id}; len(todo) > 0; {
		id, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if not[id] || found[id] {
			continue
		}
		found[id] = true
		todo = append(todo, r.inside[id]...)
	}
}
