package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Rebaser moves an app image to another run image without a build (platform.md, "rebaser"), and checks that the
// new run image has what the app relies on (docs/design.md, "Verdicts").
type Rebaser struct {
	API     api.Version
	Images  *image.Writer     // required: reads and writes images
	Locator reference.Locator // of all images

	Names    []reference.Reference // of the rebased image; at least one
	Previous reference.Reference   // the app image to rebase; zero: the first of Names
	RunImage reference.Reference   // the new run image; zero: the one named by the app image
	Force    bool                  // rebase even if it is not safe

	Check  string       // CNB_REBASE_CHECK, if the new run image lacks something: fail, warn or off; empty: fail
	Reader *base.Reader // of the new run image; nil: no check

	Log *slog.Logger // nil: silent
}

// Run rebases. Errors have code 72.
func (r *Rebaser) Run(ctx context.Context) (*platform.Report, error) {
	x := &rebase{Rebaser: r, log: logger(r.Log)}
	defer x.close()
	report, err := x.rebase(ctx)
	if err != nil && ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	return report, fail.As(fail.Rebase, "", err)
}

// A rebase is one run of a Rebaser.
type rebase struct {
	*Rebaser
	RebaseCheck
	log *slog.Logger

	names platform.RunImageNames // recorded in the app image
}

func (x *rebase) rebase(ctx context.Context) (*platform.Report, error) {
	if len(x.Names) == 0 {
		return nil, errors.New("no image given")
	}
	if err := x.open(ctx); err != nil {
		return nil, err
	}
	if err := x.checkSafe(ctx); err != nil {
		return nil, err
	}
	if err := x.checkRequirements(ctx); err != nil {
		return nil, err
	}
	draft, err := x.draft()
	if err != nil {
		return nil, err
	}
	return x.write(ctx, draft)
}

func (x *rebase) close() {
	for _, img := range []*image.Image{x.App, x.New} {
		if img == nil {
			continue
		}
		if err := img.Close(); err != nil {
			x.log.Warn(err.Error())
		}
	}
}

// open opens the app image and the new run image.
func (x *rebase) open(ctx context.Context) (err error) {
	name := cmp.Or(x.Previous, x.Names[0])
	if x.App, err = x.Images.Open(ctx, x.Locator.Locate(name)); err != nil {
		return err
	}
	if x.names, err = x.Recorded(x.API); err != nil {
		return err
	}
	if err := x.openRunImage(ctx); err != nil {
		return err
	}
	x.log.Info(fmt.Sprintf("Rebasing %s on run image %s", name, x.Name))
	return nil
}

func (x *rebase) openRunImage(ctx context.Context) (err error) {
	if !x.RunImage.IsZero() {
		x.Name = x.RunImage
		x.New, err = x.Images.Open(ctx, x.Locator.Locate(x.RunImage))
		return err
	}
	if x.names.Image == "" {
		return errors.New("the app image does not name its run image: use -run-image")
	}
	var reasons []error
	x.Name, err = x.names.Choose(registryOf(x.Locator, x.Names[0]), func(candidate reference.Reference) bool {
		img, err := x.Images.Open(ctx, x.Locator.Locate(candidate))
		x.New, reasons = img, append(reasons, err)
		return err == nil
	})
	if err != nil {
		return errors.Join(append([]error{err}, reasons...)...)
	}
	return nil
}

// checkSafe returns an error for what the specification allows only with force.
func (x *rebase) checkSafe(ctx context.Context) error {
	const what = "a rebase is not safe"
	if !api.SafeRebase.In(x.API) {
		return x.forced(what, x.otherStack())
	}
	unsafe, err := x.Unsafe(ctx)
	if err != nil {
		return err
	}
	if !x.names.Has(x.Name) {
		unsafe = append(unsafe, fmt.Errorf("%s is not the run image of the app image, which is %s", x.Name, cmp.Or(reference.Join(x.names.All(), " or "), "not recorded")))
	}
	return x.forced(what, unsafe)
}

// forced returns the errors, or logs them as warnings if the rebase is forced.
func (x *rebase) forced(what string, all []error) error {
	if len(all) == 0 {
		return nil
	}
	if !x.Force {
		return fmt.Errorf("%s: %w (use -force to rebase anyway)", what, errors.Join(all...))
	}
	x.log.Warn(fmt.Sprintf("%s, but forced: %v", what, errors.Join(all...)))
	return nil
}

func (x *rebase) otherStack() []error {
	before, now := x.App.Config.Config.Labels[platform.StackIDLabel], x.New.Config.Config.Labels[platform.StackIDLabel]
	if before == "" || now == "" || before == now {
		return nil
	}
	return []error{fmt.Errorf("%s has stack %s, but the app image %s", x.Name, now, before)}
}

// draft returns the app image on its new run image.
func (x *rebase) draft() (image.Draft, error) {
	top, err := v1.NewHash(x.Metadata.RunImage.TopLayer)
	if err != nil {
		return image.Draft{}, fmt.Errorf("reading label %s of %s: %w", platform.LifecycleMetadataLabel, x.App.Name, err)
	}
	above, err := x.App.Above(top)
	if err != nil {
		return image.Draft{}, err
	}
	cfg := x.App.Config.DeepCopy()
	run := x.New.Config
	cfg.OS, cfg.OSVersion, cfg.Architecture, cfg.Variant = run.OS, run.OSVersion, run.Architecture, run.Variant
	cfg.Created = v1.Time{Time: layers.Epoch}
	if cfg.Config.Labels, err = x.labels(); err != nil {
		return image.Draft{}, err
	}
	return image.Draft{Base: x.New, Layers: above, Previous: x.App, Config: *cfg}, nil
}

// labels returns the labels of the app image, with those of the run image replaced.
func (x *rebase) labels() (map[string]string, error) {
	labels := map[string]string{}
	for k, v := range x.App.Config.Config.Labels {
		if !ofRunImage(k) {
			labels[k] = v
		}
	}
	for k, v := range x.New.Config.Config.Labels {
		if ofRunImage(k) {
			labels[k] = v
		}
	}
	m := *x.Metadata
	ids := x.New.Config.RootFS.DiffIDs
	if len(ids) == 0 {
		return nil, fmt.Errorf("the run image %s has no layers", x.Name)
	}
	m.RunImage.TopLayer, m.RunImage.Reference = ids[len(ids)-1].String(), x.New.Reference().Record()
	if !x.names.Has(x.Name) && api.SafeRebase.In(x.API) {
		m.RunImage.Image, m.RunImage.Mirrors = x.Name.String(), nil
		if m.Stack != nil {
			m.Stack = &platform.Stack{RunImage: platform.RunImageNames{Image: x.Name.String()}}
		}
	}
	var err error
	labels[platform.LifecycleMetadataLabel], err = platform.EncodeLabel(m)
	x.explain(labels)
	return labels, err
}

// explain records the new run image in the label that explains the build. A label that cannot be read stays.
func (x *rebase) explain(labels map[string]string) {
	label, found := labels[platform.ResolutionLabel]
	if !found {
		return
	}
	e, err := platform.DecodeExplanation(label)
	if err == nil {
		label, err = e.RebasedOn(x.Name.String(), x.New.Digest.String()).Encode()
	}
	if err != nil {
		x.log.Warn(fmt.Sprintf("label %s of %s does not mention the rebase: %v", platform.ResolutionLabel, x.App.Name, err))
		return
	}
	labels[platform.ResolutionLabel] = label
}

// ofRunImage reports whether an app image takes the label from its run image.
func ofRunImage(label string) bool {
	return strings.HasPrefix(label, platform.BaseLabels) || strings.HasPrefix(label, platform.StackLabels)
}

func (x *rebase) write(ctx context.Context, d image.Draft) (*platform.Report, error) {
	var places []reference.Reference
	for _, name := range x.Names {
		places = append(places, x.Locator.Locate(name))
	}
	written, err := x.Images.Write(ctx, d, places...)
	if written == nil {
		return nil, err
	}
	report := &platform.Report{Image: platform.ReportImage{ManifestSize: written.ManifestSize}}
	if written.Digest.Hex == "" {
		report.Image.ImageID = written.ID.String()
	} else {
		report.Image.Digest = written.Digest.String()
	}
	x.log.Info(fmt.Sprintf("*** Images (%.12s):", written.ID.Hex))
	for n, place := range places {
		if slices.Contains(written.Names, place) {
			report.Image.Tags = append(report.Image.Tags, x.Names[n].String())
			x.log.Info("      " + x.Names[n].String())
		}
	}
	if err == nil {
		x.log.Info("Rebased on " + x.New.Reference().Record())
	}
	return report, err
}
