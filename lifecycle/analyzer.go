package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An Analyzer reads the previous image and the run image before a build (platform.md, "analyzer").
type Analyzer struct {
	API     api.Version
	Images  *image.Writer         // required: reads and writes images
	Locator reference.Locator     // of all images but the cache image
	Names   []reference.Reference // of the app image; at least one

	Previous   reference.Reference // zero: the first of Names
	RunImage   reference.Reference // zero: from RunFile
	RunFile    *platform.RunFile   // nil: none
	CacheImage reference.Reference // in a registry; zero: none

	// Layers is <layers> as the app image has it; the SBOMs of the previous image are restored there. Root is its
	// root directory on this machine; empty: /.
	Layers, Root string
	UID, GID     int // owner of the restored files, if run as root

	SkipSBOM    bool   // do not restore SBOMs
	LaunchCache string // directory of the launch cache; empty: none

	Reader *base.Reader // of the run image; nil: run image SBOMs are disabled

	Log *slog.Logger // nil: silent
}

// An Analysis is the result of an Analyzer.
type Analysis struct {
	Analyzed *platform.Analyzed
	RunImage base.Image // without a report if run image SBOMs are disabled
}

// Run reads the images. It is not an error if the previous image is missing or is not an app image, or if a docker daemon does
// not have the run image yet. Errors have code 32.
func (a *Analyzer) Run(ctx context.Context) (*Analysis, error) {
	opener := *a.Images.Opener
	opener.Registry = opener.Registry.WithFewerRequests()
	reading, writer := *a, *a.Images
	writer.Opener, reading.Images = &opener, &writer
	out, err := reading.run(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fail.As(fail.Analyze, "", err)
	}
	return out, nil
}

func (a *Analyzer) run(ctx context.Context) (*Analysis, error) {
	if len(a.Names) == 0 {
		return nil, errors.New("the app image has no name")
	}
	out := &Analysis{Analyzed: &platform.Analyzed{}}
	group, groupCtx := errgroup.WithContext(ctx)
	// The previous image is read after the group has ended, which ends its context.
	previousCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(groupCtx, cancel)
	var previous *image.Image
	group.Go(func() error { return a.checkAccess(groupCtx) })
	group.Go(func() (err error) {
		previous, err = a.openPrevious(previousCtx)
		stop()
		return err
	})
	group.Go(func() error { return a.runImage(groupCtx, out) })
	err := group.Wait()
	if previous != nil {
		defer previous.Close()
	}
	if err != nil {
		return nil, err
	}
	// Only now, so that a failed analysis writes no files, and always logs the same.
	return out, a.previous(previousCtx, previous, out.Analyzed)
}

// checkAccess checks that the app image can be written, and the cache image read and written. Read access to other
// images is checked when they are opened.
func (a *Analyzer) checkAccess(ctx context.Context) error {
	var places []reference.Reference
	var checked []string
	for _, name := range a.Names {
		places = append(places, a.Locator.Locate(name))
	}
	if !a.CacheImage.IsZero() {
		if err := a.Images.CheckRead(ctx, a.CacheImage); err != nil {
			return err
		}
		places = append(places, a.CacheImage)
	}
	for _, place := range places {
		to := a.granted(place)
		if slices.Contains(checked, to) {
			continue
		}
		if err := a.Images.CheckWrite(ctx, place); err != nil {
			return err
		}
		checked = append(checked, to)
	}
	return nil
}

// granted returns what access is granted to: in a registry the repository, not the image.
func (a *Analyzer) granted(place reference.Reference) string {
	switch place.Kind {
	case reference.Registry:
		place = place.Complete()
		return place.Registry + "/" + place.Repository
	case reference.Daemon:
		return string(place.Kind)
	}
	return place.String()
}

// registryOf returns the registry of an app image; empty if the platform has it in a docker daemon.
func registryOf(locator reference.Locator, name reference.Reference) string {
	if locator.Locate(name).Kind == reference.Daemon {
		return ""
	}
	return reference.Recorded(name.String()).Host()
}

// previousName returns the name of the previous image.
func (a *Analyzer) previousName() reference.Reference { return cmp.Or(a.Previous, a.Names[0]) }

// openPrevious opens the previous image, or returns nil if there is none.
func (a *Analyzer) openPrevious(ctx context.Context) (*image.Image, error) {
	img, err := a.Images.Open(ctx, a.Locator.Locate(a.previousName()))
	if errors.Is(err, image.ErrNotFound) {
		return nil, nil
	}
	return img, err
}

// previous decodes the metadata of the previous image and restores its SBOMs.
func (a *Analyzer) previous(ctx context.Context, img *image.Image, to *platform.Analyzed) error {
	if img == nil {
		logger(a.Log).Info(fmt.Sprintf("No previous image %s", a.previousName()))
		return nil
	}
	to.PreviousImage = &platform.ImageReference{Reference: img.Reference().Record()}
	metadata, err := platform.DecodeAppMetadata(img.Config.Config.Labels[platform.LifecycleMetadataLabel], a.previousName().String())
	if err != nil {
		logger(a.Log).Warn(fmt.Sprintf("cannot reuse the previous image: %v", err))
		return nil
	}
	to.Metadata = *metadata
	return a.restoreSBOM(ctx, img, metadata)
}

// restoreSBOM unpacks the SBOM layer of the previous image. Failure is only a warning.
func (a *Analyzer) restoreSBOM(ctx context.Context, img *image.Image, m *platform.AppMetadata) error {
	if a.SkipSBOM || m.SBOM == nil || m.SBOM.SHA == "" || !api.SBOM.In(a.API) {
		return nil
	}
	logger(a.Log).Info("Restoring data for SBOM from previous image")
	err := a.extractSBOM(ctx, img, m.SBOM.SHA)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		logger(a.Log).Warn(fmt.Sprintf("cannot restore the SBOMs of the previous image: %v", err))
	}
	return nil
}

func (a *Analyzer) extractSBOM(ctx context.Context, img *image.Image, sha string) error {
	diffID, err := v1.NewHash(sha)
	if err != nil {
		return err
	}
	dir := path.Join(a.Layers, "sbom", launchSBOMs)
	content, err := a.layer(ctx, img, diffID, dir)
	if err != nil {
		return err
	}
	defer content.Close()
	return layers.Source{Root: a.Root, Base: a.Layers, UID: a.UID, GID: a.GID}.Extract(content, dir)
}

// layer opens a layer of the previous image. A daemon returns the directory instead, without its parents.
func (a *Analyzer) layer(ctx context.Context, img *image.Image, diffID v1.Hash, dir string) (io.ReadCloser, error) {
	if img.Files == nil {
		l, err := img.Image.LayerByDiffID(diffID)
		if err != nil {
			return nil, err
		}
		return l.Uncompressed()
	}
	if a.LaunchCache != "" {
		if f, err := (image.LaunchCache{Dir: a.LaunchCache}).Verified(diffID); err == nil {
			return f, nil
		}
	}
	archive, err := img.Files.Archive(ctx, dir)
	if err != nil {
		return nil, err
	}
	return rebased(archive, path.Dir(dir)), nil
}

// runImage reads the run image: its target and its inventory.
func (a *Analyzer) runImage(ctx context.Context, out *Analysis) error {
	img, name, err := a.openRunImage(ctx)
	if errors.Is(err, image.ErrNotFound) && a.Locator.Locate(name).Kind == reference.Daemon {
		a.missing(name, err, out)
		return nil
	}
	if err != nil {
		return err
	}
	defer img.Close()
	run := &platform.RunImage{Reference: img.Reference().Record()}
	if api.TargetData.In(a.API) {
		run.Image = name.String()
		if run.Target, err = TargetOf(ctx, img); err != nil {
			return err
		}
	}
	out.Analyzed.RunImage = run
	if a.Reader == nil {
		out.RunImage = base.Image{Reference: name}
		return nil
	}
	if out.RunImage, err = a.Reader.Attached(ctx, img, name); err != nil {
		return err
	}
	if out.RunImage.Set == nil && a.Reader.Policy == platform.Generate {
		out.RunImage, err = a.Reader.Generate(ctx, img, out.RunImage)
	}
	return err
}

// missing records a run image that the daemon does not have. It is needed only by the export and may be pulled by
// then, so its name takes the place of the digest, as after a switch.
func (a *Analyzer) missing(name reference.Reference, err error, out *Analysis) {
	logger(a.Log).Warn(fmt.Sprintf("the run image is missing and has to be pulled before the app image is exported: %v", err))
	out.Analyzed.RunImage = &platform.RunImage{Reference: name.String()}
	if api.TargetData.In(a.API) {
		out.Analyzed.RunImage.Image = name.String()
	}
	out.RunImage = base.Image{Reference: name, Why: base.NotInDaemon}
}

// openRunImage opens the given run image, or chooses one from run.toml (platform.md, "Run Image Resolution"). If
// none is found, the reference is the first choice.
func (a *Analyzer) openRunImage(ctx context.Context) (*image.Image, reference.Reference, error) {
	if a.RunImage.IsZero() {
		if a.RunFile == nil || len(a.RunFile.Images) == 0 {
			return nil, reference.Reference{}, errors.New("no run image given: use -run-image, or name one in run.toml")
		}
		var opened *image.Image
		var reasons []error
		name, err := a.RunFile.Images[0].Choose(registryOf(a.Locator, a.Names[0]), func(ref reference.Reference) bool {
			img, err := a.Images.Open(ctx, a.Locator.Locate(ref))
			opened, reasons = img, append(reasons, err)
			return err == nil
		})
		if err != nil {
			first := reference.Parse(a.RunFile.Images[0].Image)
			if slices.ContainsFunc(reasons, func(err error) bool { return !errors.Is(err, image.ErrNotFound) }) {
				first = reference.Reference{} // one exists but cannot be read
			}
			return nil, first, errors.Join(append([]error{err}, reasons...)...)
		}
		return opened, name, nil
	}
	img, err := a.Images.Open(ctx, a.Locator.Locate(a.RunImage))
	return img, a.RunImage, err
}
