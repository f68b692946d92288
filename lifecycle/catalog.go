package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom/reference"
)

// maxFromCatalog is how many images of a catalog are opened at most, so that a catalog that is stale, or made with
// another mapping, does not cost a build much time.
const maxFromCatalog = 16

// A catalogChoice chooses run images from a catalog (docs/design.md, "Resolution"). The catalog only says which inventories
// to read: verdicts are by these, and an image that cannot be read or has changed is left out.
type catalogChoice struct {
	*connection
	name reference.Reference
	log  *slog.Logger

	opened bool
	read   *base.Catalog // nil: it cannot be used
}

// open reads the catalog once. Without a usable one it returns nil, and a warning says why.
func (c *catalogChoice) open(ctx context.Context) *base.Catalog {
	if c == nil {
		return nil
	}
	if c.opened {
		return c.read
	}
	c.opened = true
	if c.reader.Locator.Locate(c.name).Kind != reference.Registry {
		c.log.Warn(fmt.Sprintf("not choosing from the catalog %s: the images of this build are not in a registry", c.name))
		return nil
	}
	found, err := c.reader.Catalog(ctx, c.name)
	if err != nil {
		c.log.Warn(fmt.Sprintf("not choosing from a catalog of run images: %v", err))
		return nil
	}
	c.read = found
	return found
}

// has reports whether the catalog lists an image with its current digest.
func (c *catalogChoice) has(ctx context.Context, name reference.Reference, digest string) bool {
	found := c.open(ctx)
	return found != nil && slices.ContainsFunc(found.Images, func(i catalog.Image) bool {
		return i.Digest == digest && reference.Parse(i.Name) == name
	})
}

// images yields the images for the run image's target that meet the needs, the one with the fewest packages first.
func (c *catalogChoice) images(ctx context.Context, needs []base.Need) iter.Seq[base.Image] {
	return func(yield func(base.Image) bool) {
		found := c.open(ctx)
		if found == nil {
			return
		}
		meeting := c.meeting(found.Catalog, needs)
		for n, entry := range meeting {
			if n == maxFromCatalog {
				c.log.Info(fmt.Sprintf("Not trying the other %d run images of the catalog: none of %d is enough", len(meeting)-n, n))
				return
			}
			image, err := c.inventory(ctx, entry)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				c.log.Warn(err.Error())
				continue
			}
			if !yield(image) {
				return
			}
		}
	}
}

// meeting returns the entries for the target that meet the needs, without the current run image.
func (c *catalogChoice) meeting(found *catalog.Catalog, needs []base.Need) []catalog.Image {
	known := map[base.Required][]provides.Answer{}
	meets := func(i int, all []base.Required) bool {
		return !slices.ContainsFunc(all, func(r base.Required) bool {
			if known[r] == nil {
				known[r] = found.Answers(r.Name, r.Constraint, c.reader.Mapping)
			}
			return !known[r][i].Met
		})
	}
	var all []catalog.Image
	for i, entry := range found.Images {
		if c.onTarget(entry) && entry.Digest != c.found.Digest && !slices.ContainsFunc(needs, func(need base.Need) bool {
			return !slices.ContainsFunc(need, func(list []base.Required) bool { return meets(i, list) })
		}) {
			all = append(all, entry)
		}
	}
	slices.SortFunc(all, catalog.Smaller)
	return all
}

// onTarget reports whether an entry has the run image's target.
func (c *catalogChoice) onTarget(entry catalog.Image) bool {
	t := c.run.Target
	if t == nil {
		return false
	}
	name, version := "", ""
	if t.Distro != nil {
		name, version = t.Distro.Name, t.Distro.Version
	}
	return entry.OS == t.OS && entry.Arch == t.Arch && entry.Variant == t.Variant && entry.Distro == name && entry.Release == version
}

// inventory reads the inventory of an image if it is still the one in the catalog, and has the run image's target.
func (c *catalogChoice) inventory(ctx context.Context, entry catalog.Image) (_ base.Image, err error) {
	reader, name := c.reader.Other(), reference.Parse(entry.Name)
	img, err := reader.Open(ctx, name)
	if err != nil {
		return base.Image{}, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	if err := c.current(ctx, entry, img); err != nil {
		return base.Image{}, err
	}
	return reader.Read(ctx, img, name)
}

// current returns an error for an image that is not as in the catalog.
func (c *catalogChoice) current(ctx context.Context, entry catalog.Image, img *image.Image) error {
	if !entry.Current(img.Digest.String()) {
		return errors.New(base.Stale(entry, img.Digest.String()))
	}
	same, err := c.sameTarget(ctx, img)
	if err == nil && !same {
		err = fmt.Errorf("ignoring %s in the catalog: it has another target", entry.Name)
	}
	return err
}
