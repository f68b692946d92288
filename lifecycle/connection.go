package lifecycle

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A Connection is what the creator adds to detection: unlike a detector, it can read images.
type Connection struct {
	Reader   *base.Reader
	RunImage *platform.RunImage // as it was analyzed
	Found    base.Image         // what the analyzer found of it
	RunFile  *platform.RunFile  // other run images; nil: none are known
}

// Connect lets a detector and a generator read images where a verdict depends on them.
func (c *Connection) Connect(d *Detector, g *Generator) {
	g.Lookup = c.Reader.Other().ReadReference
	if c.Found.Why == NotInDaemon { // there is nothing to read yet, and no target to compare others with
		return
	}
	if c.Reader.Policy != platform.Attached {
		read := func(ctx context.Context) (base.Image, error) {
			return c.Reader.CompleteReference(ctx, c.RunImage.Reference, c.Found)
		}
		d.Inventory, g.RunInventory = read, read
	}
	g.Alternatives = c.alternatives
}

// alternatives reads the images of run.toml but for the run image, as far as they can be read and are for the same target.
func (c *Connection) alternatives(ctx context.Context) ([]base.Image, error) {
	if c.RunFile == nil {
		return nil, nil
	}
	var all []base.Image
	var errs []error
	for _, names := range c.RunFile.Images {
		if names.Image == "" || names.Has(c.RunImage.Name()) || slices.ContainsFunc(all, func(i base.Image) bool { return names.Has(i.Reference) }) {
			continue
		}
		other, same, err := c.alternative(ctx, names.Image)
		if err == nil && same {
			all = append(all, other)
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// alternative reads an image if it is for the run image's target, and reports whether it is.
func (c *Connection) alternative(ctx context.Context, reference string) (_ base.Image, same bool, err error) {
	reader := c.Reader.Other()
	img, err := reader.Open(ctx, reference)
	if err != nil {
		return base.Image{}, false, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	if same, err = c.sameTarget(ctx, img); err != nil || !same {
		return base.Image{}, false, err
	}
	other, err := reader.Read(ctx, img, reference)
	return other, true, err
}

// sameTarget reports whether an image is for the run image's target. Its ID is not a part of that.
func (c *Connection) sameTarget(ctx context.Context, img *image.Image) (bool, error) {
	have, err := targetOf(ctx, img)
	if err != nil || c.RunImage.Target == nil {
		return false, err
	}
	a, b := *have, *c.RunImage.Target
	a.ID, b.ID = "", ""
	return reflect.DeepEqual(a, b), nil
}
