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

// A connection lets the creator's detection read images, which a detector cannot.
type connection struct {
	reader  *base.Reader
	run     *platform.RunImage // as analyzed
	found   base.Image         // the run image as read by the analyzer
	runFile *platform.RunFile  // other run images; nil: none
	catalog *catalogChoice     // nil: there is no catalog, or no choice
}

// connect lets a detector and a generator read images where a verdict depends on them.
func (c *connection) connect(d *Detector, g *Generator) {
	g.Lookup = c.reader.Other().ReadReference
	if c.found.Why == base.NotInDaemon { // nothing to read yet, and no target to compare others with
		return
	}
	if c.reader.Policy != platform.Attached {
		read := func(ctx context.Context) (base.Image, error) {
			return c.reader.CompleteReference(ctx, reference.Parse(c.run.Reference), c.found)
		}
		d.Inventory, g.RunInventory = read, read
	}
	g.Alternatives = c.alternatives
	if g.Policy.Catalog != "" && g.Policy.Select == "auto" {
		c.catalog = &catalogChoice{connection: c, name: reference.Parse(g.Policy.Catalog), log: logger(g.Log)}
		g.FromCatalog = c.catalog.images
	}
}

// alternatives reads the other images of run.toml that can be read and are for the same target.
func (c *connection) alternatives(ctx context.Context) ([]base.Image, error) {
	if c.runFile == nil {
		return nil, nil
	}
	var all []base.Image
	var errs []error
	for _, names := range c.runFile.Images {
		if names.Image == "" || names.Has(reference.Parse(c.run.Name())) || slices.ContainsFunc(all, func(i base.Image) bool { return names.Has(i.Reference) }) {
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
func (c *connection) alternative(ctx context.Context, name reference.Reference) (_ base.Image, same bool, err error) {
	reader := c.reader.Other()
	img, err := reader.Open(ctx, name)
	if err != nil {
		return base.Image{}, false, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	if same, err = c.sameTarget(ctx, img); err != nil || !same {
		return base.Image{}, false, err
	}
	if c.catalog.has(ctx, name, img.Digest.String()) { // chosen from there
		return base.Image{}, false, nil
	}
	other, err := reader.Read(ctx, img, name)
	return other, true, err
}

// sameTarget reports whether an image has the run image's target. The target ID is not compared.
func (c *connection) sameTarget(ctx context.Context, img *image.Image) (bool, error) {
	have, err := TargetOf(ctx, img)
	if err != nil || c.run.Target == nil {
		return false, err
	}
	a, b := *have, *c.run.Target
	a.ID, b.ID = "", ""
	return reflect.DeepEqual(a, b), nil
}
