package base

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// promised reports whether the run image alone meets a requirement.
func promised(req resolver.Requirement) bool { return req.Run.Met && len(req.Providers) == 0 }

// Promised reports whether the build relies on the run image: for requirements that only the run
// image meets, or for skipped Dockerfiles.
func (j *Judgement) Promised() bool {
	return len(j.Relied) > 0 || slices.ContainsFunc(j.Resolution.Requirements, promised)
}

// Recheck returns an error that names what the build relies on and the replacement image lacks. A name
// declared by the publisher of the first image counts only if the other image provides it too; in the
// same image with layers of extensions it still counts if its evidence is there.
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
			req.By, strings.TrimSpace(req.Name+" "+req.Version), j.Run.Reference, met, final.called(), lacks(final, a.Reason)))
	}
	for _, relied := range RecheckRequirements(final, j.Relied) {
		if !relied.Answer.Met {
			all = append(all, fmt.Errorf("a Dockerfile was skipped because the run image %s has %s, but the run image is now %s, %s",
				j.Run.Reference, strings.TrimSpace(relied.Name+" "+relied.Constraint), final.called(), lacks(final, relied.Answer.Reason)))
		}
	}
	return errors.Join(all...)
}

// A Rechecked is what a past build relies on in its run image, and whether another run image has it.
type Rechecked struct {
	platform.RunImageRequirement
	Answer provides.Answer
}

// RecheckRequirements checks the requirements of a past build, from resolution.toml or the label of its app image,
// against another run image. Its Set should have no mapping: the recorded evidence counts, not the names used here.
func RecheckRequirements(run Image, required []platform.RunImageRequirement) []Rechecked {
	var all []Rechecked
	for _, req := range required {
		all = append(all, Rechecked{req, run.Set.Recheck(req.Name, req.Constraint, req.Evidence)})
	}
	return all
}

// RecheckSwitch rechecks the run image that Dockerfiles switched to. An image that is still to be extended
// is rechecked when it is.
func (j *Judgement) RecheckSwitch() error {
	if !j.Switched || j.ExtendRun {
		return nil
	}
	return j.Recheck(j.Final)
}

// RecheckExtended rechecks the run image with layers of extensions, if the build relies on it. Scan reads its packages.
func (j *Judgement) RecheckExtended(run reference.Reference, scan func() (*sbom.Document, error), log *slog.Logger) error {
	if !j.Promised() {
		return nil
	}
	doc, err := scan()
	if err != nil {
		return fmt.Errorf("reading the packages of the extended run image: %w", err)
	}
	final := Image{Reference: run, Carrier: attach.Generated, Extended: true}
	final.Set = ProvidesOf(doc, j.Mapping, nil, final.called(), log)
	return j.Recheck(final)
}

// called returns the image as errors name it.
func (i Image) called() string {
	if i.Extended {
		return "extended " + i.Reference.String()
	}
	return i.Reference.String()
}

// lacks returns a clause that describes what an image lacks.
func lacks(final Image, reason string) string {
	if final.Set == nil {
		return "whose packages are unknown"
	}
	return "which " + reason
}
