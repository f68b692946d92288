package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom/reference"
)

// catalogued returns the images of a catalog for the platform, the best first. The best is one whose name still
// refers to the digest in the catalog; entries that are found to be stale before it are left out.
func (s *source) catalogued(ctx context.Context, ref string, names []string) ([]choice, error) {
	found, err := s.catalog(ctx, ref)
	if err != nil {
		return nil, err
	}
	all := s.answered(found, names)
	total, unread := len(all), []error(nil)
	for len(all) > 0 && all[0].Enough {
		now, err := s.digest(ctx, all[0].Image)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			unread = append(unread, err)
			s.console.warn("leaving out %s: %v", all[0].Image, err)
		case all[0].listed.Current(now):
			return all, nil
		default:
			s.console.warn("%s", base.Stale(*all[0].listed, now))
		}
		all = all[1:]
	}
	if len(all) == 0 && unread != nil {
		return nil, fmt.Errorf("the catalog %s has no current image for %s: of %s, %d cannot be read, the last because of: %w", ref, s.images.Platform, counted(total, "image", "images"), len(unread), unread[len(unread)-1])
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the catalog %s has no current image for %s", ref, s.images.Platform)
	}
	return all, nil
}

// answered returns the images for the platform in the order of `select`, with equal ones by name.
func (s *source) answered(found *base.Catalog, names []string) []choice {
	answers := make([][]provides.Answer, len(names))
	for i, text := range names {
		name, constraint := splitRequirement(text)
		answers[i] = found.Answers(name, constraint, s.mapping)
	}
	var all []choice
	for i := range found.Images {
		image := &found.Images[i]
		if image.OS != s.images.Platform.OS || image.Arch != s.images.Platform.Architecture || s.images.Platform.Variant != "" && image.Variant != s.images.Platform.Variant {
			continue
		}
		ch := choice{Image: image.Name, Digest: image.Digest, Enough: true, Packages: image.Packages, listed: image}
		for n, text := range names {
			a := answeredBy(answers[n][i], text)
			ch.Enough = ch.Enough && a.Met
			ch.Answers = append(ch.Answers, a)
		}
		all = append(all, ch)
	}
	slices.SortFunc(all, func(a, b choice) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), catalog.Smaller(*a.listed, *b.listed))
	})
	return all
}

// digest returns the digest that an image's name refers to now.
func (s *source) digest(ctx context.Context, image string) (string, error) {
	defer s.console.progress("asking for the digest of %s", image)()
	ref, err := s.images.Registry.Reference(reference.Parse(image))
	if err != nil {
		return "", err
	}
	return s.images.Registry.Digest(ctx, ref)
}
