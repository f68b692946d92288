package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom/reference"
)

// Origin opens the registry image that a daemon's image was pulled from or pushed to: the first
// of its RepoDigests that exists and whose configuration, manifest or index has the daemon's
// image ID as its digest. A daemon lists all repositories with an image of this ID, so the one
// in the image's name is tried first. The error wraps [ErrNotFound] if there is none.
func (o *Opener) Origin(ctx context.Context, img *Image) (*Image, error) {
	of := *o
	of.Platform = &v1.Platform{OS: img.Config.OS, Architecture: img.Config.Architecture, Variant: img.Config.Variant}
	var errs []error
	for _, digest := range namesakesFirst(img) {
		from, err := of.Open(ctx, reference.Parse(digest))
		if err == nil {
			err = same(from, img.Digest)
		}
		if err == nil {
			return from, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("%w in a registry: the docker daemon does not know where %s is from", ErrNotFound, img.Name)
	}
	return nil, errors.Join(errs...)
}

// same returns an error unless id is the daemon's ID of the registry's image: the digest of its
// configuration or, with containerd's store, of its manifest or index.
func same(from *Image, id v1.Hash) error {
	config, err := from.Image.ConfigName()
	if err != nil {
		return fmt.Errorf("reading configuration of %s: %w", from.Name, err)
	}
	if id == config || id == from.Digest || id == from.Index {
		return nil
	}
	return fmt.Errorf("%w: %s is another image than the docker daemon's %s", ErrNotFound, from.Name, id)
}

// namesakesFirst returns the RepoDigests, starting with those of the repository in the image's
// name.
func namesakesFirst(img *Image) []string {
	named := img.Name.Complete()
	isOther := func(digest string) int {
		if r := reference.Parse(digest).Complete(); r.Registry == named.Registry && r.Repository == named.Repository {
			return 0
		}
		return 1
	}
	return slices.SortedStableFunc(slices.Values(img.RepoDigests), func(a, b string) int { return isOther(a) - isOther(b) })
}
