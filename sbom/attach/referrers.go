package attach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/baseplan/baseplan/sbom"
)

// A candidate is a referrer that may hold an SBOM, or a declaration.
type candidate struct {
	desc     ocispec.Descriptor
	subject  v1.Hash
	format   sbom.Format // as promised; empty: unknown
	attested bool
}

// candidateOf judges a referrer by its descriptor alone, so that what a list
// says need not be fetched.
func candidateOf(d ocispec.Descriptor, subject v1.Hash) (candidate, bool) {
	c := candidate{desc: d, subject: subject}
	var ok bool
	switch t := d.ArtifactType; {
	case t == typeCosignSBOM, t == "": // the list does not say what it is
		ok = true
	case t == typeInToto, t == typeEnvelope, t == typeBuildKit, strings.HasPrefix(t, typeBundlePrefix):
		c.attested = true
		c.format, ok = promised(d.Annotations)
	default:
		c.format, ok = bareFormat(t)
	}
	return c, ok
}

// compare puts the better candidate first: signed ones if keys are given, then
// by what the format can say, bare before wrapped, newest first. The digest
// decides where all that is equal, so that the order is always the same.
func (r *search) compare(a, b candidate) int {
	attestedFirst := 0
	if len(r.keys) > 0 {
		attestedFirst = -compareBool(a.attested, b.attested)
	}
	return cmp.Or(attestedFirst,
		cmp.Compare(rank(a.format), rank(b.format)),
		compareBool(a.attested, b.attested),
		cmp.Compare(b.desc.Annotations[ocispec.AnnotationCreated], a.desc.Annotations[ocispec.AnnotationCreated]),
		cmp.Compare(a.desc.Digest, b.desc.Digest))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// A listing is what a list of referrers came to.
type listing struct {
	candidates []candidate // best first, at most Limits.Candidates
	passed     int         // candidates beyond those
	err        error       // why the list is not whole
}

// list reads the referrers of one subject, keeping only the best candidates.
func (r *search) list(ctx context.Context, subject v1.Hash) listing {
	var l listing
	seen := 0
	trim := func() {
		slices.SortStableFunc(l.candidates, r.compare)
		if over := len(l.candidates) - r.limits.Candidates; over > 0 {
			l.candidates = l.candidates[:r.limits.Candidates]
			l.passed += over
		}
	}
	l.err = r.repo.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(subject.String())}, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			seen++
			if d.ArtifactType == DeclarationType {
				r.declared(candidate{desc: d, subject: subject})
			} else if c, ok := candidateOf(d, subject); ok {
				l.candidates = append(l.candidates, c)
			}
		}
		trim()
		return nil
	})
	if errors.Is(l.err, errdef.ErrTooManyPages) {
		l.err = unreadable("the list of referrers goes on after %d pages with %d entries: only those were looked at", r.limits.Pages, seen)
	}
	return l
}

// referrers looks at those of the manifest, then of the index; see the package
// comment for when it asks for both at once.
func (r *search) referrers(ctx context.Context) []Finding {
	subjects := r.subjects()
	host := r.repo.name.RegistryStr()
	if _, known := r.finder.api.Load(host); known {
		_ = r.repo.SetReferrersCapability(true)
		if len(subjects) == 2 || r.all {
			return r.referrersAtOnce(ctx, subjects)
		}
	}
	var all []Finding
	for _, subject := range subjects {
		l := r.list(ctx, subject)
		if l.err == nil && r.repo.SetReferrersCapability(true) == nil {
			r.finder.api.Store(host, true)
		}
		all = append(all, r.readListed(ctx, subject, l)...)
		if slices.ContainsFunc(all, isFound) && !r.all {
			break
		}
	}
	return all
}

func (r *search) referrersAtOnce(ctx context.Context, subjects []v1.Hash) []Finding {
	lists := make([]listing, len(subjects))
	var wg sync.WaitGroup
	for i, subject := range subjects {
		wg.Go(func() { lists[i] = r.list(ctx, subject) })
	}
	wg.Wait()
	var all []Finding
	for i, subject := range subjects {
		all = append(all, r.readListed(ctx, subject, lists[i])...)
		if slices.ContainsFunc(all, isFound) && !r.all {
			break
		}
	}
	return all
}

// readListed reads the candidates of a list, best first.
func (r *search) readListed(ctx context.Context, subject v1.Hash, l listing) []Finding {
	var all []Finding
	for _, c := range l.candidates {
		all = append(all, r.readCandidate(ctx, Referrer, c)...)
		if slices.ContainsFunc(all, isFound) && !r.all {
			return all
		}
	}
	about := artifact{Finding: Finding{Carrier: Referrer, Subject: subject, Reference: r.repo.at(subject.String())}}
	if l.passed > 0 {
		all = append(all, about.with(Unreadable, fmt.Sprintf("%d more artifacts that may be SBOMs were not looked at: %d is the limit", l.passed, r.limits.Candidates)))
	}
	if l.err != nil {
		return append(all, about.failed(ctx, l.err))
	}
	if len(all) == 0 {
		all = append(all, about.with(None, ""))
	}
	return all
}

func (r *search) readCandidate(ctx context.Context, carrier Carrier, c candidate) []Finding {
	a := artifact{
		store: r.repo,
		bound: true,
		Finding: Finding{
			Carrier: carrier, Subject: c.subject, Digest: hash(c.desc.Digest.String()),
			Reference: r.repo.at(c.desc.Digest.String()), MediaType: c.desc.ArtifactType,
		},
	}
	var err error
	if a.manifest, err = r.fetch(ctx, c.desc); err != nil {
		return []Finding{a.failed(ctx, err)}
	}
	return r.read(ctx, a)
}

// fetch gives the manifest that a descriptor names.
func (r *search) fetch(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, unreadable("the list of referrers holds %q: %w", clip(d.Digest.String()), err)
	}
	if d.Size > r.limits.Metadata {
		return nil, tooLarge("manifest", d.Size, r.limits.Metadata)
	}
	_, data, err := r.repo.manifest(ctx, d.Digest.String())
	return data, err
}
