package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// Promised reports whether anything is counted on in the run image that only it meets.
func Promised(r *platform.Resolution) bool {
	return r != nil && slices.ContainsFunc(r.Requirements, promisedByRunImage)
}

// Broken names what was counted on in the run image and is not there: everything that only
// it meets. It is asked of the final run image (DESIGN section 4).
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
		if !a.Met {
			why := "which " + a.Reason
			if final.Set == nil {
				why = "of which nothing is known"
			}
			all = append(all, fmt.Errorf("%s requires %s, which the run image %s met, but the run image is now %s, %s",
				req.RequiredBy, strings.TrimSpace(req.Name+" "+req.Version), r.RunImage.Image, final.Reference, why))
		}
	}
	return errors.Join(all...)
}
