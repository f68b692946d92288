package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom/reference"
)

// Origin opens the image in the registry that a daemon's image was pulled from, or
// pushed to: the first of its RepoDigests that is there and has the daemon's image ID
// for its configuration, its manifest or its index. The repository that the image is
// named by comes first: a daemon lists all that have an image of this ID. The error
// wraps [ErrNotFound] where none is.
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

// same reports an error unless a daemon has the registry's image under the ID: the
// digest of its configuration, or with containerd's store of its manifest or index.
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

// namesakesFirst are the RepoDigests, those of the repository in the image's name first.
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
