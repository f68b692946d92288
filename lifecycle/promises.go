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

// Broken returns an error that names what was relied on in the run image and is missing in the image that
// replaces it: every requirement that only the run image meets, and what Dockerfiles were left out for. A name that
// the publisher of the first image declared counts only if the other image provides it too, as in the restorer. In an
// extended image it still counts if its evidence is there.
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
		if a.Met || final.Extended && final.Set.Recheck(req.Name, req.Version, req.Evidence).Met {
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
