package lifecycle

import (
	"context"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A RebaseCheck compares an app image with a new run image, for the rebaser and `baseplan rebase-check`.
type RebaseCheck struct {
	App, New *image.Image        // New: the run image
	Name     reference.Reference // of the new run image

	Metadata *platform.AppMetadata // of the app image; set by Recorded
}

// Recorded returns the run image names in the app image, or an error if it has no app above a run image. Images of
// older platforms have the names elsewhere.
func (c *RebaseCheck) Recorded(v api.Version) (names platform.RunImageNames, err error) {
	m, err := platform.DecodeAppMetadata(c.App.Config.Config.Labels[platform.LifecycleMetadataLabel], c.App.Name.String())
	if err != nil {
		return names, err
	}
	if c.Metadata = m; m.RunImage.TopLayer == "" {
		return names, fmt.Errorf("%s is not an app image that can be rebased: its label %s does not record the run image's top layer", c.App.Name, platform.LifecycleMetadataLabel)
	}
	names = platform.RunImageNames{Image: m.RunImage.Image, Mirrors: m.RunImage.Mirrors}
	if m.Stack != nil && (names.Image == "" || !api.TargetData.In(v)) && m.Stack.RunImage.Image != "" {
		names = m.Stack.RunImage
	}
	return names, nil
}

// Unsafe returns why a rebase is not safe: the app image is not rebasable, or the run images differ in their targets.
// Unknown values of the app image match any. The names of run images are left to the caller.
func (c *RebaseCheck) Unsafe(ctx context.Context) ([]error, error) {
	run := c.New.Config
	var all []error
	if c.App.Config.Config.Labels[platform.RebasableLabel] == "false" {
		all = append(all, fmt.Errorf("%s is not rebasable (label %s); build it again", c.App.Name, platform.RebasableLabel))
	}
	before := AppTarget(c.App)
	now := &platform.Target{OS: run.OS, Arch: run.Architecture, Variant: run.Variant}
	if before.Distro != nil {
		var err error
		if now, err = TargetOf(ctx, c.New); err != nil {
			return nil, err
		}
	}
	return append(all, TargetsDiffer(before, now, c.Name)...), nil
}

// AppTarget returns the target that an app image was built for. Distro is nil if it is unknown.
func AppTarget(img *image.Image) *platform.Target {
	labels := img.Config.Config.Labels
	t := &platform.Target{OS: img.Config.OS, Arch: img.Config.Architecture, Variant: img.Config.Variant}
	if distro := (platform.Distro{Name: labels[platform.DistroNameLabel], Version: labels[platform.DistroVersionLabel]}); distro != (platform.Distro{}) {
		t.Distro = &distro
	}
	return t
}

// TargetsDiffer returns how the target of a run image differs from the one that an app image was built for, whose
// unknown values match any.
func TargetsDiffer(before, now *platform.Target, run reference.Reference) []error {
	var was, is platform.Distro
	if before.Distro != nil {
		was = *before.Distro
	}
	if now.Distro != nil {
		is = *now.Distro
	}
	var all []error
	for _, d := range []struct{ what, before, now string }{
		{"os", before.OS, now.OS},
		{"architecture", before.Arch, now.Arch},
		{"variant", before.Variant, now.Variant},
		{"distribution", was.Name, is.Name},
		{"version of the distribution", was.Version, is.Version},
	} {
		if d.before != "" && d.before != d.now {
			all = append(all, fmt.Errorf("the %s of %s is %q, but the app image was built for %q", d.what, run, d.now, d.before))
		}
	}
	return all
}

// Required returns what the app image relies on, according to its label; without the label, nothing.
func (c *RebaseCheck) Required() ([]platform.RunImageRequirement, error) {
	label := c.App.Config.Config.Labels[platform.RequirementsLabel]
	if label == "" {
		return nil, nil
	}
	required, err := platform.DecodeRequirements(label)
	if err != nil {
		err = fmt.Errorf("reading label %s of %s: %w", platform.RequirementsLabel, c.App.Name, err)
	}
	return required, err
}

// Changed returns the packages that a rebase removes and adds, or an error if the old run image has no usable SBOM attached.
func (c *RebaseCheck) Changed(ctx context.Context, now base.Image, reader *base.Reader) (removed, added []string, err error) {
	reader = reader.Other()
	reader.Policy = platform.Attached
	before, err := reader.ReadReference(ctx, reference.Recorded(c.Metadata.RunImage.Reference))
	if err != nil {
		return nil, nil, err
	}
	removed, added = attach.Differ(before.Document(), now.Document())
	return removed, added, nil
}

// checkRequirements checks that the new run image has what the app image relies on.
func (x *rebase) checkRequirements(ctx context.Context) error {
	if x.Check == "off" || x.Reader == nil {
		return nil
	}
	required, err := x.Required()
	if err != nil {
		return x.lacking([]error{err})
	}
	if required == nil {
		return nil
	}
	reader := x.Reader.Other()
	reader.Mapping = nil // the label's evidence counts, not the names used here
	run, err := reader.Read(ctx, x.New, x.Name)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		x.log.Warn(fmt.Sprintf("cannot read the packages of the run image %s, so what the app relies on is not checked: %v", x.Name, err))
		return nil
	}
	var missing []error
	for _, req := range base.RecheckRequirements(run, required) {
		if req.Answer.Met {
			x.log.Debug(fmt.Sprintf("%s is met: %s", req.Name, req.Answer.Reason))
			continue
		}
		missing = append(missing, fmt.Errorf("%s: the run image is %s: %s", relies(req.RunImageRequirement), x.Name, req.Answer.Reason))
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
	removed, added, err := x.Changed(ctx, now, x.Reader)
	if err != nil {
		x.log.Debug(fmt.Sprintf("cannot compare with the old run image: %v", err))
		return
	}
	if len(removed) > 0 {
		x.log.Info("Packages removed: " + strings.Join(removed, ", "))
	}
	if len(added) > 0 {
		x.log.Info("Packages added: " + strings.Join(added, ", "))
	}
}
