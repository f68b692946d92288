package provides

import (
	"cmp"
	"fmt"
	"strings"
)

// Recheck judges a requirement on another inventory, using the patterns of the
// evidence that met it before: those of one provide, Answer.By[0]. It does not need
// the operator's mapping. Every pattern must match, and a matching package must
// meet the constraint, if any. An entry of the new image's own declaration also
// counts.
func (s *Set) Recheck(name, constraint string, patterns []string) Answer {
	if s == nil {
		return Answer{Reason: "nothing is known of the image"}
	}
	for _, prefix := range []string{"pkg:", "cmd:", "so:"} {
		if strings.HasPrefix(name, prefix) { // these mean the same on every image
			return s.Answer(name, constraint)
		}
	}
	var found []Provide
	for _, p := range s.named[name] {
		if p.Kind == Declared {
			found = append(found, p)
		}
	}
	backing, why := s.match(name, patterns)
	found = append(found, backing...)
	if len(found) == 0 {
		return Answer{Reason: cmp.Or(why, "has no evidence on record for "+name)}
	}
	return judge(found, constraint)
}

// match returns what the patterns match, as provides of the name, or why one of
// them matches nothing.
func (s *Set) match(name string, patterns []string) (found []Provide, why string) {
	for _, text := range patterns {
		evidence, why := s.evidence(text)
		if why != "" {
			return nil, why
		}
		if strings.HasPrefix(text, "file:") {
			found = append(found, Provide{Name: name, Kind: Declared, Evidence: evidence})
			continue
		}
		pattern, err := ParsePattern(text)
		if err != nil {
			return nil, fmt.Sprintf("has invalid evidence on record: %v", err)
		}
		for _, pkg := range s.native {
			version, ok := pattern.Match(pkg)
			if !ok {
				continue
			}
			p := provideOf(name, Mapped, pkg).withVersion(version)
			for _, v := range pkg.Provides {
				if v.Name == name && pkg.Name != name {
					p = virtual(v, pkg)
				}
			}
			found = append(found, p)
		}
	}
	return found, ""
}
