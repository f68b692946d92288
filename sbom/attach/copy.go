package attach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/baseplan/baseplan/sbom/registry"
)

// Errors of [Attacher.Copy] about the destination.
var (
	ErrNotThere   = errors.New("the image is not there")
	ErrOtherImage = errors.New("it is another image")
)

// Copying configures [Attacher.Copy].
type Copying struct {
	Platform *v1.Platform // the platform of an index; nil: all
	Image    bool         // copy the image or index as well, and replace what the destination's tag has
}

// A Copied is the image, or an artifact that is attached to it, in the source and the destination.
type Copied struct {
	Subject   v1.Hash // what it belongs to: the image, its index, or an artifact that is signed
	Platform  *v1.Platform
	What      string // "image", "sbom", "attestation", "signature", "provides" or "artifact"
	Type      string // its artifact type, if any
	Reference string // at the destination
	Digest    v1.Hash
	Changed   bool   // false: it already existed
	Left      string // why it was not copied; empty: it was
}

// Copy copies what is attached to an image, or to an index and all its platforms, to the same image in another
// repository: referrers, cosign's tags, and what refers to them in turn, such as signatures. What is in the image or
// the index itself is part of it. Tags that the destination has get what they lack; referrers that are images, charts
// and the like are left.
//
// With an error, it returns what was copied before. The tag of the image is written last.
func (a *Attacher) Copy(ctx context.Context, from, to name.Reference, o Copying) ([]Copied, error) {
	r, err := a.resolve(ctx, from, o.Platform)
	if err != nil {
		return nil, err
	}
	there, tagged, err := a.destination(ctx, r, to, o)
	if err != nil {
		return nil, fmt.Errorf("copying to %s: %w", to, err)
	}
	var image []Copied
	if o.Image {
		image = []Copied{{Subject: there, What: "image", Type: string(r.desc.MediaType), Reference: to.Name(), Digest: there, Changed: !tagged}}
	}
	c := &copier{from: newRepository(from.Context(), &a.Registry, limitsOfPruning), to: a.publisher(ctx, to.Context())}
	c.from.Dial(ctx)
	subjects := r.targets
	if r.index != nil && there == r.desc.Digest {
		subjects = append(slices.Clone(subjects), Target{Digest: r.desc.Digest})
	}
	done := make([][]Copied, len(subjects))
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, t := range subjects {
		group.Go(func() error {
			var err error
			if done[i], err = c.subject(each, t.Digest, 0); err != nil {
				return fmt.Errorf("copying what is attached to %s: %w", c.from.at(t.Digest.String()), err)
			}
			for k := range done[i] {
				done[i][k].Platform = t.Platform
			}
			return nil
		})
	}
	if err = group.Wait(); err != nil {
		return slices.Concat(done...), err
	}
	if tag, ok := to.(name.Tag); ok && !tagged {
		if err := remote.Tag(tag, r.desc, a.Registry.Options(ctx, to.Context())...); err != nil {
			return slices.Concat(done...), fmt.Errorf("copying to %s: %w", to, a.Registry.Refused(to.Context(), err))
		}
	}
	return slices.Concat(image, slices.Concat(done...)), nil
}

// destination returns the digest of the image at the destination, and whether the reference names it already. If it
// does not, the image is copied without its tag, so that readers of the tag never find it without what is attached.
func (a *Attacher) destination(ctx context.Context, r *resolved, to name.Reference, o Copying) (there v1.Hash, tagged bool, err error) {
	digests := []v1.Hash{r.desc.Digest}
	if o.Platform != nil {
		for _, t := range r.targets {
			digests = append(digests, t.Digest)
		}
	}
	found, err := remote.Head(to, a.Registry.Options(ctx, to.Context())...)
	switch {
	case err == nil && slices.Contains(digests, found.Digest):
		return found.Digest, true, nil
	case err != nil && registry.Status(err) != http.StatusNotFound:
		return v1.Hash{}, false, a.Registry.Refused(to.Context(), err)
	case !o.Image && err != nil:
		return v1.Hash{}, false, ErrNotThere
	case !o.Image:
		return v1.Hash{}, false, fmt.Errorf("%w: %s, not %s", ErrOtherImage, found.Digest, r.desc.Digest)
	}
	byDigest := to.Context().Digest(r.desc.Digest.String())
	if d, ok := to.(name.Digest); ok && d.DigestStr() != byDigest.DigestStr() {
		return v1.Hash{}, false, fmt.Errorf("%w: %s, not %s", ErrOtherImage, d.DigestStr(), r.desc.Digest)
	}
	var image remote.Taggable = r.index
	if r.index == nil {
		image = r.targets[0].Image
	}
	if err := remote.Push(byDigest, image, a.Registry.Options(ctx, to.Context(), r.targets[0].Ref.Context())...); err != nil {
		return v1.Hash{}, false, a.Registry.Refused(to.Context(), err)
	}
	return r.desc.Digest, false, nil
}

// A copier copies from one repository to another.
type copier struct {
	from *repository
	to   *publisher
	seen sync.Map // subjects (v1.Hash)
}

// maxDepth limits how far artifacts are followed: an SBOM, its signature, the signature's timestamp.
const maxDepth = 3

// subject copies what refers to a manifest.
func (c *copier) subject(ctx context.Context, of v1.Hash, depth int) ([]Copied, error) {
	if _, again := c.seen.LoadOrStore(of, true); again {
		return nil, nil
	}
	if depth > maxDepth {
		return c.tooDeep(ctx, of)
	}
	all, err := c.referrers(ctx, of)
	if err != nil {
		return all, err
	}
	for _, suffix := range []string{sbomTagSuffix, attestationTagSuffix, signatureTagSuffix} {
		one, err := c.tag(ctx, of, suffix)
		if err != nil {
			return all, err
		}
		if one != nil {
			all = append(all, *one)
		}
	}
	for _, x := range slices.Clone(all) {
		if x.Left != "" {
			continue
		}
		more, err := c.subject(ctx, x.Digest, depth+1)
		all = append(all, more...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// tooDeep returns what refers to a manifest, and is not copied.
func (c *copier) tooDeep(ctx context.Context, of v1.Hash) ([]Copied, error) {
	var all []Copied
	left := fmt.Sprintf("it is over %d artifacts away from the image", maxDepth)
	err := c.from.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(of.String())}, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			all = append(all, Copied{Subject: of, What: "artifact", Type: d.ArtifactType, Reference: c.to.repo.at(d.Digest.String()), Digest: hash(d.Digest.String()), Left: left})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the referrers: %w", err)
	}
	for _, suffix := range slices.Sorted(maps.Keys(tagKinds)) {
		has, err := c.from.has(ctx, digestTag(of, suffix))
		if err != nil {
			return nil, err
		}
		if has {
			all = append(all, Copied{Subject: of, What: tagKinds[suffix], Reference: c.to.repo.tagged(digestTag(of, suffix)), Left: left})
		}
	}
	return all, nil
}

// tagKinds are what cosign's tags have.
var tagKinds = map[string]string{sbomTagSuffix: "sbom", attestationTagSuffix: "attestation", signatureTagSuffix: "signature"}

// referrers copies the referrers of a manifest.
func (c *copier) referrers(ctx context.Context, of v1.Hash) ([]Copied, error) {
	var listed []ocispec.Descriptor
	err := c.from.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(of.String())}, "", func(page []ocispec.Descriptor) error {
		listed = append(listed, page...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the referrers: %w", err)
	}
	if len(listed) == 0 {
		return nil, nil
	}
	there, err := c.to.referrersOf(ctx, of)
	if err != nil {
		return nil, err
	}
	var all []Copied
	var entries []ocispec.Descriptor
	for _, d := range listed {
		x, desc, err := c.referrer(ctx, of, d, there)
		if err != nil {
			return all, err
		}
		all = append(all, x)
		if x.Left == "" {
			entries = append(entries, desc)
		}
	}
	if there.api || !slices.ContainsFunc(all, func(x Copied) bool { return x.Changed }) {
		return all, nil
	}
	if _, _, err = c.to.mergeInto(ctx, digestTag(of, ""), mergeReferrers(entries)); err != nil {
		return nil, err // nothing leads to them
	}
	return all, nil
}

// referrer copies one referrer, and returns its entry for a list of referrers.
func (c *copier) referrer(ctx context.Context, of v1.Hash, d ocispec.Descriptor, there *referrerList) (Copied, ocispec.Descriptor, error) {
	x := Copied{Subject: of, Digest: hash(d.Digest.String()), Reference: c.to.repo.at(d.Digest.String()), Type: d.ArtifactType}
	if err := d.Digest.Validate(); err != nil {
		x.Left = "the list of referrers holds an invalid digest"
		return x, d, nil
	}
	desc, raw, err := c.from.manifest(ctx, d.Digest.String())
	if errors.Is(err, errdef.ErrNotFound) {
		x.Left = "it is listed, but missing"
		return x, d, nil
	}
	if err != nil {
		return x, d, fmt.Errorf("reading %s: %w", c.from.at(d.Digest.String()), err)
	}
	m, err := decodeManifest(raw)
	if err != nil || m.Subject == nil || m.Subject.Digest.String() != of.String() {
		x.Left = "it is listed, but refers to something else"
		return x, d, nil
	}
	desc.ArtifactType, desc.Annotations = cmp.Or(m.ArtifactType, m.Config.MediaType), m.Annotations
	x.Type = desc.ArtifactType
	if x.What, x.Left = kindOfCopy(desc); x.Left != "" {
		return x, desc, nil
	}
	if slices.ContainsFunc(there.entries, func(e ocispec.Descriptor) bool { return e.Digest == desc.Digest }) {
		return x, desc, nil
	}
	x.Changed = true
	return x, desc, c.graph(ctx, desc)
}

// kindOfCopy says what an artifact is, and why it is not copied if it is nothing that describes an image.
func kindOfCopy(d ocispec.Descriptor) (what, left string) {
	kind, _, attested, why := kindOf(d)
	switch {
	case kind == declarationKind:
		return "provides", ""
	case attested:
		return "attestation", ""
	case kind == sbomKind:
		return "sbom", ""
	case kind == other && why == "a signature":
		return "signature", ""
	case kind == other && !strings.HasPrefix(why, "the result") && !strings.HasPrefix(why, "a statement") && !strings.HasPrefix(why, "a note"):
		return "artifact", "it is " + why
	}
	return "artifact", ""
}

// graph copies a manifest with its blobs, without its subject.
func (c *copier) graph(ctx context.Context, desc ocispec.Descriptor) error {
	bare := ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
	err := oras.CopyGraph(ctx, c.from.Repository, c.to.writes.Repository, bare, oras.CopyGraphOptions{
		FindSuccessors: func(ctx context.Context, fetcher content.Fetcher, node ocispec.Descriptor) ([]ocispec.Descriptor, error) {
			all, err := content.Successors(ctx, fetcher, node)
			if err != nil || node.MediaType != ocispec.MediaTypeImageManifest {
				return all, err
			}
			raw, err := content.FetchAll(ctx, fetcher, node)
			if err != nil {
				return nil, err
			}
			m, err := decodeManifest(raw)
			if err != nil || m.Subject == nil {
				return all, err
			}
			return slices.DeleteFunc(all, func(d ocispec.Descriptor) bool { return d.Digest == m.Subject.Digest }), nil
		},
	})
	if err != nil {
		return fmt.Errorf("copying %s: %w", c.from.at(desc.Digest.String()), err)
	}
	return nil
}

// tag copies one of cosign's tags; nil: the source does not have it.
func (c *copier) tag(ctx context.Context, of v1.Hash, suffix string) (*Copied, error) {
	tag := digestTag(of, suffix)
	desc, raw, err := c.from.manifest(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.from.tagged(tag), err)
	}
	x := &Copied{Subject: of, Digest: hash(desc.Digest.String()), Reference: c.to.repo.tagged(tag), Type: desc.MediaType}
	x.What = tagKinds[suffix]
	ours := &tagged{desc, raw}
	layers, err := ours.layers()
	if err != nil {
		x.Left = err.Error()
		return x, nil
	}
	if err := c.graph(ctx, desc); err != nil {
		return nil, err
	}
	_, x.Changed, err = c.to.mergeInto(ctx, tag, func(old *tagged) (*packed, error) {
		if old == nil {
			return &packed{desc: desc, data: raw}, nil
		}
		has, err := old.layers()
		if err != nil {
			return nil, err
		}
		var lacks []ocispec.Descriptor
		for _, l := range layers {
			if !slices.ContainsFunc(has, func(h ocispec.Descriptor) bool { return h.Digest == l.Digest }) {
				lacks = append(lacks, l)
			}
		}
		switch {
		case len(lacks) == 0:
			return nil, nil
		case suffix == sbomTagSuffix: // its signature is over the manifest
			x.Left = "the destination's tag has another SBOM"
			return nil, nil
		}
		return packCosign(append(has, lacks...), nil)
	})
	return x, err
}
