package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A noGroupError reports that no group passed, with advice. Platforms may show nothing else.
type noGroupError struct{ advice string }

func (e *noGroupError) Error() string {
	return "No buildpack groups passed detection. " + e.advice // people search for this text (docs/compatibility.md)
}

// failed converts the reason for a failed detection to the phase's error, and replays the debug
// messages.
func (r *detecting) failed(err error) error {
	undetected, ok := errors.AsType[*resolver.UndetectedError](err)
	if !ok {
		r.log.replay()
		return fail.As(fail.DetectOther, "", err)
	}
	r.tries(undetected.Tries, undetected.Tried)
	r.log.replay()
	code := fail.Detect
	if undetected.Errored {
		code = fail.DetectBuildpack
	}
	return fail.As(code, "", &noGroupError{r.advice(undetected)})
}

// advice explains the failure by the group that came closest, and how to fix it.
func (r *detecting) advice(u *resolver.UndetectedError) string {
	var parts []string
	for _, t := range u.Tries {
		if unresolved, ok := errors.AsType[*resolver.UnresolvedError](t.Err); ok {
			var reasons []string
			for _, why := range unresolved.Reasons {
				reasons = append(reasons, fmt.Sprintf("%s %s", why.Module, why.Why))
			}
			parts = append(parts, listed(reasons, "; ")+".")
			break
		}
	}
	if r.unmet {
		parts = append(parts, r.remedies()...)
	}
	if errored := r.errored(u); len(errored) > 0 {
		parts = append(parts, listed(errored, "; ")+".")
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("Please check that you are running against the correct path: no buildpack of the order is for the app in %s.", r.Host.App))
	}
	return strings.Join(parts, " ")
}

// maxListed is the maximum number of items to list in a line.
const maxListed = 3

func listed(all []string, separator string) string {
	if len(all) > maxListed {
		all = append(slices.Clip(all[:maxListed]), fmt.Sprintf("and %d more", len(all)-maxListed))
	}
	return strings.Join(all, separator)
}

// errored describes the modules that errored.
func (r *detecting) errored(u *resolver.UndetectedError) []string {
	var all []string
	for _, t := range u.Tries {
		for i, e := range t.Group {
			if t.Outcomes[i] != resolver.Errored {
				continue
			}
			result, ran := r.results[e.Module]
			text := fmt.Sprintf("%s: bin/detect exited with %d, see its output", e.Module, result.Exit)
			switch {
			case !ran:
				text = fmt.Sprintf("%s does not support the run image: use a run image for one of its targets", e.Module)
			case result.Err != nil:
				text = result.Err.Error()
			}
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// remedies suggests what may help if the run image's packages are unknown.
func (r *detecting) remedies() []string {
	if r.RunImage.Set != nil || r.policy() == platform.Off {
		return nil
	}
	known := "The packages of the run image are unknown"
	if !r.RunImage.Reference.IsZero() {
		known = fmt.Sprintf("The packages of the run image %s are unknown", r.RunImage.Reference)
	}
	if r.RunImage.Why != "" {
		known += ": " + r.RunImage.Why
	}
	if r.RunImage.Why == base.NotInDaemon {
		return []string{known + ".", "If it has what is missing, pull it before the build."}
	}
	way := "If it has what is missing, attach an SBOM to it (baseplan sbom attach)"
	switch {
	case r.Inventory != nil || r.policy() == platform.Attached: // no inventory can be, or may be, generated
	case r.policy() == platform.Generate:
		way += ", set CNB_RUN_SBOM=generate for the analyzer too, or use a lifecycle image that has this policy (make dist SETTINGS=FILE)"
	default:
		way += ", or set CNB_RUN_SBOM=generate for the analyzer"
	}
	return []string{known + ".", way + "."}
}
