package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// Promised reports whether anything is counted on in the run image: what only it meets, and what
// Dockerfiles were left out for.
func Promised(r *platform.Resolution) bool {
	return r != nil && (len(r.Relies) > 0 || slices.ContainsFunc(r.Requirements, promisedByRunImage))
}

// Broken names what was counted on in the run image and is not there: everything that only
// it meets, and what Dockerfiles were left out for. It is asked of the final run image (DESIGN section 4).
func Broken(r *platform.Resolution, final BaseImage) error {
	if !Promised(r) {
		return nil
	}
	var all []error
	for _, req := range r.Requirements {
		if !promisedByRunImage(req) {
			continue
		}
		a := final.Set.Answer(req.Name, req.Version)
		// An extended image has no declaration of the publisher's, but what that named as evidence may still be there.
		if a.Met || final.Set.Recheck(req.Name, req.Version, req.Evidence).Met {
			continue
		}
		why := "which " + a.Reason
		if final.Set == nil {
			why = "of which nothing is known"
		}
		all = append(all, fmt.Errorf("%s requires %s, which the run image %s met, but the run image is now %s, %s",
			req.RequiredBy, strings.TrimSpace(req.Name+" "+req.Version), r.RunImage.Image, final.Reference, why))
	}
	for _, relied := range r.Relies {
		if a := final.Set.Recheck(relied.Name, relied.Constraint, relied.Evidence); !a.Met {
			all = append(all, fmt.Errorf("a Dockerfile was left out since the run image %s has %s, but the run image is now %s: %s",
				r.RunImage.Image, strings.TrimSpace(relied.Name+" "+relied.Constraint), final.Reference, a.Reason))
		}
	}
	return errors.Join(all...)
}
