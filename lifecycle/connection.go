package lifecycle

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Connection lets the creator's detection read images, which a detector cannot.
type Connection struct {
	Reader   *base.Reader
	RunImage *platform.RunImage // as analyzed
	Found    base.Image         // the run image as read by the analyzer
	RunFile  *platform.RunFile  // other run images; nil: none
}

// Connect lets a detector and a generator read images where a verdict depends on them.
func (c *Connection) Connect(d *Detector, g *Generator) {
	g.Lookup = c.Reader.Other().ReadReference
	if c.Found.Why == base.NotInDaemon { // nothing to read yet, and no target to compare others with
		return
	}
	if c.Reader.Policy != platform.Attached {
		read := func(ctx context.Context) (base.Image, error) {
			return c.Reader.CompleteReference(ctx, reference.Parse(c.RunImage.Reference), c.Found)
		}
		d.Inventory, g.RunInventory = read, read
	}
	g.Alternatives = c.alternatives
}

// alternatives reads the other images of run.toml that can be read and are for the same target.
func (c *Connection) alternatives(ctx context.Context) ([]base.Image, error) {
	if c.RunFile == nil {
		return nil, nil
	}
	var all []base.Image
	var errs []error
	for _, names := range c.RunFile.Images {
		if names.Image == "" || names.Has(reference.Parse(c.RunImage.Name())) || slices.ContainsFunc(all, func(i base.Image) bool { return names.Has(i.Reference) }) {
			continue
		}
		other, same, err := c.alternative(ctx, reference.Parse(names.Image))
		if err == nil && same {
			all = append(all, other)
		}
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// alternative reads an image if it has the run image's target, and reports whether it has.
func (c *Connection) alternative(ctx context.Context, name reference.Reference) (_ base.Image, same bool, err error) {
	reader := c.Reader.Other()
	img, err := reader.Open(ctx, name)
	if err != nil {
		return base.Image{}, false, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	if same, err = c.sameTarget(ctx, img); err != nil || !same {
		return base.Image{}, false, err
	}
	other, err := reader.Read(ctx, img, name)
	return other, true, err
}

// sameTarget reports whether an image has the run image's target. The target ID is not compared.
func (c *Connection) sameTarget(ctx context.Context, img *image.Image) (bool, error) {
	have, err := targetOf(ctx, img)
	if err != nil || c.RunImage.Target == nil {
		return false, err
	}
	a, b := *have, *c.RunImage.Target
	a.ID, b.ID = "", ""
	return reflect.DeepEqual(a, b), nil
}
