package base

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/resolver"
)

// promised reports whether the run image alone meets a requirement.
func promised(req resolver.Requirement) bool { return req.Run.Met && len(req.Providers) == 0 }

// Promised reports whether the build counts on anything in the run image: requirements that only
// the run image meets, and what Dockerfiles were left out for.
func (j *Judgement) Promised() bool {
	return len(j.Relied) > 0 || slices.ContainsFunc(j.Resolution.Requirements, promised)
}

// Recheck returns an error that names what the build counts on in the run image and what is missing in the
// image that replaces it. A name that the publisher of the first image declared counts only if the other
// image provides it too. In the same image with the layers of extensions it still counts if its evidence is there.
func (j *Judgement) Recheck(final Image) error {
	var all []error
	for _, req := range j.Resolution.Requirements {
		if !promised(req) {
			continue
		}
		patterns := evidence(req.Run)
		a := final.Set.Answer(req.Name, req.Version)
		if a.Met || final.Extended && final.Set.Recheck(req.Name, req.Version, patterns).Met {
			continue
		}
		met := "met"
		if len(patterns) > 0 {
			met = fmt.Sprintf("met (%s)", strings.Join(patterns, ", "))
		}
		all = append(all, fmt.Errorf("%s requires %s, which the run image %s %s, but the run image is now %s, %s",
			req.By, strings.TrimSpace(req.Name+" "+req.Version), j.Run.Reference, met, final.Reference, lacks(final, a.Reason)))
	}
	for _, relied := range j.Relied {
		if a := final.Set.Recheck(relied.Name, relied.Constraint, relied.Evidence); !a.Met {
			all = append(all, fmt.Errorf("a Dockerfile was left out since the run image %s has %s, but the run image is now %s, %s",
				j.Run.Reference, strings.TrimSpace(relied.Name+" "+relied.Constraint), final.Reference, lacks(final, a.Reason)))
		}
	}
	return errors.Join(all...)
}

// lacks returns a clause that says what an image lacks.
func lacks(final Image, reason string) string {
	if final.Set == nil {
		return "of which nothing is known"
	}
	return "which " + reason
}
