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
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"

	"github.com/baseplan/baseplan/sbom"
)

// A candidate is a referrer that may hold an SBOM, or a declaration.
type candidate struct {
	desc     ocispec.Descriptor
	subject  v1.Hash
	format   sbom.Format // as promised; empty: unknown
	attested bool
	manifest []byte // nil: not fetched yet
}

// candidateOf judges a referrer by its descriptor alone, so that what a list
// says need not be fetched.
func candidateOf(d ocispec.Descriptor, subject v1.Hash) (candidate, bool) {
	c := candidate{desc: d, subject: subject}
	var ok bool
	switch t := d.ArtifactType; {
	case t == typeCosignSBOM:
		ok = true
	case t == typeInToto, t == typeEnvelope, t == typeBuildKit, strings.HasPrefix(t, typeBundlePrefix):
		c.attested = true
		c.format, ok = promised(d.Annotations)
	default:
		c.format, ok = bareFormat(t)
	}
	return c, ok
}

// says reports whether a list tells what the referrer is. Some registries give
// the type of its configuration instead, or nothing.
func says(d ocispec.Descriptor) bool {
	return d.ArtifactType != "" && d.ArtifactType != typeEmpty && d.ArtifactType != ocispec.MediaTypeImageConfig
}

// compare puts the better candidate first: signed ones if keys are given, then
// by what the format can say, bare before wrapped, newest first. The digest
// decides where all that is equal, so that the order is always the same.
func (r *search) compare(a, b candidate) int {
	attestedFirst := 0
	if r.trust.restricted() {
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
	unknown    []candidate // those of which the list does not say what they are, as many again
	passed     int         // how many were left out
	err        error       // why the list is not whole
}

// list reads the referrers of one subject, keeping only the best candidates.
func (r *search) list(ctx context.Context, subject v1.Hash) listing {
	var l listing
	seen := 0
	l.err = r.repo.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(subject.String())}, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			seen++
			c, ok := candidateOf(d, subject)
			switch {
			case d.ArtifactType == DeclarationType:
				r.declared(c)
			case ok:
				l.candidates = append(l.candidates, c)
			case !says(d):
				l.unknown = append(l.unknown, c)
			}
		}
		l.passed += r.trim(&l.candidates) + r.trim(&l.unknown)
		return nil
	})
	if errors.Is(l.err, errdef.ErrTooManyPages) {
		l.err = unreadable("the list of referrers goes on after %d pages with %d entries: only those were looked at", r.limits.Pages, seen)
	}
	return l
}

// trim keeps the best candidates and says how many it left out.
func (r *search) trim(all *[]candidate) int {
	slices.SortStableFunc(*all, r.compare)
	keep := min(len(*all), r.limits.Candidates)
	over := len(*all) - keep
	*all = (*all)[:keep]
	return over
}

// ask fetches the manifests of referrers that the list says nothing of, side by
// side, and keeps those that may be SBOMs.
func (r *search) ask(ctx context.Context, unknown []candidate) []candidate {
	manifests := make([]*ocispec.Manifest, len(unknown))
	var group errgroup.Group
	group.SetLimit(4)
	for i := range unknown {
		group.Go(func() error {
			var err error
			if unknown[i].manifest, err = r.fetch(ctx, unknown[i].desc); err == nil {
				manifests[i], _ = decodeManifest(unknown[i].manifest)
			}
			return nil
		})
	}
	_ = group.Wait() // what cannot be read stays a candidate, so that reading it reports why
	var all []candidate
	for i, c := range unknown {
		m := manifests[i]
		if m == nil {
			all = append(all, c)
			continue
		}
		c.desc.Annotations, c.desc.ArtifactType = m.Annotations, cmp.Or(m.ArtifactType, m.Config.MediaType)
		known, ok := candidateOf(c.desc, c.subject)
		known.manifest = c.manifest
		switch {
		case c.desc.ArtifactType == DeclarationType:
			r.declared(known)
		case ok, !says(c.desc) && len(parts(m)) > 0:
			all = append(all, known)
		}
	}
	slices.SortStableFunc(all, r.compare)
	return all
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
	read := func(some []candidate) (found bool) {
		for _, c := range some {
			all = append(all, r.readCandidate(ctx, c)...)
			if found = slices.ContainsFunc(all, isFound); found && !r.all {
				return true
			}
		}
		return found
	}
	if read(l.candidates) && !r.all || len(l.unknown) > 0 && read(r.ask(ctx, l.unknown)) && !r.all {
		return all
	}
	about := artifact{Finding: Finding{Carrier: Referrer, Subject: subject, Reference: r.repo.at(subject.String())}}
	if l.passed > 0 {
		all = append(all, about.with(Unreadable, fmt.Sprintf("%d more artifacts that may be SBOMs were not looked at: %d is the limit", l.passed, r.limits.Candidates)))
	}
	if l.err != nil {
		return append(all, about.failed(ctx, l.err))
	}
	if len(all) == 0 {
		all = append(all, about.with(None, r.side(subject)))
	}
	return all
}

func (r *search) readCandidate(ctx context.Context, c candidate) []Finding {
	a := artifact{
		store:    r.repo,
		bound:    true,
		manifest: c.manifest,
		Finding: Finding{
			Carrier: Referrer, Subject: c.subject, Digest: hash(c.desc.Digest.String()),
			Reference: r.repo.at(c.desc.Digest.String()), MediaType: c.desc.ArtifactType,
		},
	}
	if a.manifest == nil {
		var err error
		if a.manifest, err = r.fetch(ctx, c.desc); err != nil {
			return []Finding{a.failed(ctx, err)}
		}
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
