package base

import (
	"context"
	"fmt"

	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Catalog is a catalog of run images in a registry.
type Catalog struct {
	*catalog.Catalog
	Reference reference.Reference
	Digest    string           // of the artifact's manifest
	Signature attach.Signature // zero if signatures are not required
}

// Catalog reads a catalog. With keys or identities, it must be signed by one of them.
func (r *Reader) Catalog(ctx context.Context, name reference.Reference) (*Catalog, error) {
	ref, err := r.Images.Registry.Reference(name)
	if err != nil {
		return nil, err
	}
	found, err := r.Finder.Standalone(ctx, ref, catalog.Type)
	if err != nil {
		return nil, err
	}
	c := &Catalog{Reference: name, Digest: found.Digest.String(), Signature: found.Signature}
	if c.Catalog, err = catalog.Decode(found.Data, name.String()); err != nil {
		return nil, err
	}
	return c, nil
}

// Stale returns the message about an image whose name refers to another digest than the catalog has.
func Stale(image catalog.Image, now string) string {
	return fmt.Sprintf("ignoring %s in the catalog: it has digest %s, but the image is now %s; push the catalog again", image.Name, image.Digest, now)
}
