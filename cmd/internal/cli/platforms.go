package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An answerer is a command's answer for one image.
type answerer interface {
	on() string                  // platform, or ""
	document() any               // for --output json
	text(w io.Writer, width int) // otherwise
	good() bool                  // exit code 0
}

// openAll opens the images for all platforms of an index, or the one of --platform.
func (s *source) openAll(ctx context.Context, name string) ([]*image.Image, error) {
	if !s.exactly {
		done := s.console.progress("opening %s", name)
		all, err := s.images.OpenAll(ctx, reference.Parse(name))
		done()
		if err != nil {
			return nil, openHint(err)
		}
		return all, nil
	}
	img, err := s.open(ctx, reference.Parse(name))
	if err != nil {
		return nil, err
	}
	return []*image.Image{img}, nil
}

// onPlatforms calls a function for the image of each platform, with a source for that platform. Images are
// closed when it returns.
func onPlatforms[T any](ctx context.Context, s *source, name string, do func(context.Context, *source, *image.Image) (T, error)) ([]T, error) {
	images, err := s.openAll(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, img := range images {
			_ = img.Close() // was read only
		}
	}()
	if len(images) > 1 && s.file != "" {
		return nil, &hinted{fmt.Errorf("%s describes one image, and %s is an index of several", s.file, name), "select the platform with --platform, or omit --sbom"}
	}
	all := make([]T, len(images))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, img := range images {
		group.Go(func() error {
			var err error
			if all[i], err = do(ctx, s.on(img, len(images) > 1), img); err != nil && len(images) > 1 {
				return fmt.Errorf("platform %s: %w", platformOf(img), err)
			}
			return err
		})
	}
	return all, group.Wait()
}

// on returns the source for other images of an image's platform.
func (s *source) on(img *image.Image, several bool) *source {
	if img.Platform == nil || s.exactly {
		return s
	}
	o := *s
	o.images.Platform = img.Platform
	if several {
		o.about = platformOf(img)
	}
	return &o
}

// platformOf returns the platform of an image in an index, or "".
func platformOf(img *image.Image) string {
	switch {
	case img.Platform != nil:
		return img.Platform.String()
	case img.Parent != nil:
		return img.Config.Platform().String()
	}
	return ""
}

// titleOf returns the name of an image, and its platform if it is in an index.
func titleOf(img *image.Image) string {
	if p := platformOf(img); p != "" {
		return fmt.Sprintf("%s (%s)", img.Name, p)
	}
	return img.Name.String()
}

// titleOf returns the name of an image, and its platform unless a heading names it.
func (s *source) titleOf(img *image.Image) string {
	if s.about != "" {
		return img.Name.String()
	}
	return titleOf(img)
}

// A platformsDocument is the JSON output for an index of several platforms.
type platformsDocument struct {
	envelope
	Image  string `json:"image"`
	Images []any  `json:"images"` // a document for each platform, as for a single image
}

// answerAll prints the answer for a single image, or one for each platform of an index. It returns an
// error for the exit code.
func (c *Console) answerAll(output, name string, all []answerer) error {
	if len(all) == 1 {
		return c.answer(output, all[0].document(), all[0].text, all[0].good())
	}
	d := platformsDocument{envelopeOf("platforms"), name, []any{}}
	for _, one := range all {
		d.Images = append(d.Images, one.document())
	}
	return c.answer(output, d, func(w io.Writer, width int) {
		for i, one := range all {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "platform  %s\n", one.on())
			one.text(w, width)
		}
	}, enough(all) == nil)
}

// enough returns an error for the exit code.
func enough(all []answerer) error {
	if slices.ContainsFunc(all, func(a answerer) bool { return !a.good() }) {
		return errNotEnough
	}
	return nil
}
