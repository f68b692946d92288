package lifecycle

import (
	"context"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// checkRequirements checks that the new run image has what the app image relies on, according to its label. Without
// the label there is nothing to check.
func (x *rebase) checkRequirements(ctx context.Context) error {
	label := x.app.Config.Config.Labels[platform.RequirementsLabel]
	if label == "" || x.Check == "off" || x.Reader == nil {
		return nil
	}
	required, err := platform.DecodeRequirements(label)
	if err != nil {
		return x.lacking([]error{fmt.Errorf("reading label %s of %s: %w", platform.RequirementsLabel, x.app.Name, err)})
	}
	reader := x.Reader.Other()
	reader.Mapping = nil // the label's evidence counts, not the names used here
	run, err := reader.Read(ctx, x.run, x.name)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		x.log.Warn(fmt.Sprintf("cannot read the packages of the run image %s, so what the app relies on is not checked: %v", x.name, err))
		return nil
	}
	var missing []error
	for _, req := range required {
		answer := run.Set.Recheck(req.Name, req.Constraint, req.Evidence)
		if answer.Met {
			x.log.Debug(fmt.Sprintf("%s is met: %s", req.Name, answer.Reason))
			continue
		}
		missing = append(missing, fmt.Errorf("%s: the run image is %s: %s", relies(req), x.name, answer.Reason))
	}
	x.compare(ctx, run)
	return x.lacking(missing)
}

// relies describes a requirement and who needs it.
func relies(req platform.RunImageRequirement) string {
	what := strings.TrimSpace(req.Name + " " + req.Constraint)
	if req.ProvedByEffect != "" {
		return fmt.Sprintf("%s, for which the extension %s was skipped", what, req.ProvedByEffect)
	}
	return fmt.Sprintf("%s, required by %s", what, req.RequiredBy)
}

// lacking returns an error or logs a warning for unmet requirements, as Check says.
func (x *rebase) lacking(missing []error) error {
	if x.Check == "warn" && len(missing) > 0 {
		for _, err := range missing {
			x.log.Warn(err.Error())
		}
		return nil
	}
	return x.forced("the new run image lacks what the app relies on", missing)
}

// compare logs the packages that a rebase removes and adds, if both run images have an SBOM.
func (x *rebase) compare(ctx context.Context, now base.Image) {
	if now.Generated() {
		return
	}
	before, err := x.Images.Open(ctx, x.Locator.Locate(reference.Parse(x.metadata.RunImage.Reference)))
	if err != nil {
		x.log.Debug(fmt.Sprintf("cannot compare with the old run image: %v", err))
		return
	}
	defer before.Close()
	old, err := x.Reader.Other().Attached(ctx, before, reference.Reference{})
	if err != nil || old.Set == nil {
		x.log.Debug(fmt.Sprintf("cannot compare with the old run image %s: it has no usable SBOM (%v)", before.Name, err))
		return
	}
	gone, come := attach.Differ(old.Document(), now.Document())
	for _, list := range []struct {
		what     string
		packages []string
	}{{"go", gone}, {"come", come}} {
		if len(list.packages) > 0 {
			x.log.Info(fmt.Sprintf("Packages that %s: %s", list.what, strings.Join(list.packages, ", ")))
		}
	}
}
