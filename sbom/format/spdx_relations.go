package format

import "fmt"

// spdxRelations are the relationships of an SPDX document.
type spdxRelations struct {
	packages     map[string]int      // index of each package
	owned        map[string][]string // files that each package contains
	inside       map[string][]string // packages that each package contains
	described    map[string]bool     // elements that the document describes
	notInstalled map[string]bool     // packages that are not installed in the image
}

// describes reports whether the document describes the package. A document that
// does not say what it describes is about whichever package represents an image.
func (r *spdxRelations) describes(id string) bool { return len(r.described) == 0 || r.described[id] }

func (s *spdxDocument) relations() (*spdxRelations, error) {
	r := &spdxRelations{owned: map[string][]string{}, inside: map[string][]string{}, described: map[string]bool{}, notInstalled: map[string]bool{}}
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
	s.findNotInstalled(r)
	return r, nil
}

// index returns the index of each package by identifier. Duplicate identifiers are
// an error.
func (s *spdxDocument) index() (map[string]int, error) {
	index := make(map[string]int, len(s.Packages))
	for i, p := range s.Packages {
		if p.ID == "" {
			continue
		}
		if j, ok := index[p.ID]; ok {
			return nil, fmt.Errorf("packages %d and %d have the same identifier %s", j, i, clip(p.ID))
		}
		index[p.ID] = i
	}
	return index, nil
}

// findNotInstalled finds build, test and optional dependencies that no package
// contains, sources from which something was generated, and the contents of another
// container within the image.
func (s *spdxDocument) findNotInstalled(r *spdxRelations) {
	for _, of := range s.Relationships {
		switch of.Type {
		case "BUILD_DEPENDENCY_OF", "BUILD_TOOL_OF", "DEV_DEPENDENCY_OF", "DEV_TOOL_OF",
			"TEST_DEPENDENCY_OF", "TEST_TOOL_OF", "OPTIONAL_DEPENDENCY_OF", "OPTIONAL_COMPONENT_OF", "PROVIDED_DEPENDENCY_OF":
			r.notInstalled[of.From] = true
		}
	}
	for _, inner := range r.inside {
		for _, id := range inner {
			delete(r.notInstalled, id)
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
		r.reach(id, own, r.notInstalled)
	}
	for _, of := range s.Relationships {
		switch of.Type {
		case "GENERATED_FROM":
			r.notInstalled[of.To] = true
		case "GENERATES":
			r.notInstalled[of.From] = true
		}
	}
}

// reach adds a package and all that it contains to found, except for what is in not
// and its contents.
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
