package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// open opens the run image and the previous image, unless they are given.
func (x *export) open(ctx context.Context) (err error) {
	if x.RunImage != nil {
		return nil
	}
	if x.Analyzed == nil || x.Analyzed.RunImage == nil {
		return errors.New("analyzed.toml has no run image; run the analyzer first")
	}
	if x.RunImage, err = x.openRunImage(ctx, x.Analyzed.RunImage); err != nil {
		return err
	}
	x.opened = append(x.opened, x.RunImage)
	previous := x.Analyzed.PreviousImage
	if previous == nil || previous.Reference == "" {
		return nil
	}
	img, err := x.openRecorded(ctx, previous.Reference)
	if errors.Is(err, image.ErrNotFound) {
		x.log.Warn(fmt.Sprintf("the previous image no longer exists, so no layers can be reused: %v", err))
		return nil
	}
	if err != nil {
		return err
	}
	x.Previous, x.opened = img, append(x.opened, img)
	return nil
}

// openRecorded opens an image that analyzed.toml names.
func (x *export) openRecorded(ctx context.Context, name string) (*image.Image, error) {
	return x.Writer.Open(ctx, x.Locator.Locate(reference.Parse(name)))
}

// openRunImage opens the run image. For an image that the daemon does not have, the restorer takes the digest from the
// registry. A daemon that has since pulled the name may know an index by another digest; the name's image is then used
// if it comes from that digest.
func (x *export) openRunImage(ctx context.Context, run *platform.RunImage) (*image.Image, error) {
	img, err := x.openRecorded(ctx, run.Reference)
	inDaemon := x.Locator.Locate(reference.Parse(run.Reference)).Kind == reference.Daemon
	if !inDaemon || run.Image == "" || run.Image == run.Reference || !errors.Is(err, image.ErrNotFound) {
		return img, err
	}
	named, nameErr := x.openRecorded(ctx, run.Image)
	if nameErr != nil {
		return nil, err
	}
	origin, originErr := x.Writer.Origin(ctx, named)
	if originErr != nil {
		return nil, errors.Join(err, originErr, named.Close())
	}
	if origin.Digest.String() != reference.Recorded(run.Reference).Digest {
		err = errors.Join(err, fmt.Errorf("the docker daemon's %s is another image, %s", run.Image, origin.Digest))
		return nil, errors.Join(err, origin.Close(), named.Close())
	}
	return named, origin.Close()
}
