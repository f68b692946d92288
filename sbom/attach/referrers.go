package attach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"

	"github.com/baseplan/baseplan/sbom"
)

// A candidate is a referrer that may be an SBOM or a declaration, or that will be listed.
type candidate struct {
	desc     ocispec.Descriptor
	subject  v1.Hash
	kind     kind
	format   sbom.Format // from the media type; empty: unknown
	attested bool
	why      string // reason to reject it
	manifest []byte // nil: not fetched yet
}

func candidateOf(d ocispec.Descriptor, subject v1.Hash) candidate {
	c := candidate{desc: d, subject: subject}
	c.kind, c.format, c.attested, c.why = kindOf(d)
	return c
}

// compare sorts better candidates first: signed ones if keys are given, then by rank of the
// format, bare before wrapped, newest first. The digest breaks ties, so that the order is
// deterministic.
func (r *search) compare(a, b candidate) int {
	attestedFirst := 0
	if r.trust.restricted() {
		attestedFirst = -compareBool(a.attested, b.attested)
	}
	return cmp.Or(attestedFirst,
		cmp.Compare(Rank(a.format), Rank(b.format)),
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

// A listing is a list of referrers, classified.
type listing struct {
	candidates []candidate // best first, at most Limits.Candidates
	unknown    []candidate // candidates without a type in the list, at most as many
	foreign    []candidate // the newest of unknown type
	others     []candidate // rejected, to be listed
	passed     int         // number of candidates over the limit
	unlisted   int         // number of rejected referrers over the limit of others
	err        error       // reason why the list is incomplete
}

// list reads the referrers of one subject and keeps only the best candidates.
func (r *search) list(ctx context.Context, subject v1.Hash) listing {
	var l listing
	seen := 0
	l.err = r.repo.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(subject.String())}, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			seen++
			r.sort(&l, candidateOf(d, subject))
		}
		l.passed += len(r.trim(&l.candidates, r.limits.Candidates)) + len(r.trim(&l.unknown, r.limits.Candidates))
		r.bound(&l)
		return nil
	})
	if errors.Is(l.err, errdef.ErrTooManyPages) {
		l.err = unreadable("the list of referrers is over the limit of %d pages: only the first %d entries were read", r.limits.Pages, seen)
	}
	return l
}

// sort adds a candidate to the list of its kind.
func (r *search) sort(l *listing, c candidate) {
	switch c.kind {
	case declarationKind:
		r.addDeclaration(c)
	case sbomKind:
		l.candidates = append(l.candidates, c)
	case untyped:
		l.unknown = append(l.unknown, c)
	case foreign:
		l.foreign = append(l.foreign, c)
	default:
		l.others = append(l.others, c)
	}
}

// bound limits the referrers of unknown type to the newest, and the number of those listed.
func (r *search) bound(l *listing) {
	for _, c := range r.trim(&l.foreign, maxForeign) {
		c.why = fmt.Sprintf("only the newest %d of unknown types are read", maxForeign)
		l.others = append(l.others, c)
	}
	l.unlisted += len(r.trim(&l.others, maxPassed))
}

// trim keeps the best candidates and returns the others.
func (r *search) trim(all *[]candidate, n int) []candidate {
	slices.SortStableFunc(*all, r.compare)
	n = min(len(*all), n)
	over := slices.Clone((*all)[n:])
	*all = (*all)[:n]
	return over
}

// fetchUntyped fetches concurrently the manifests of referrers whose type is not in the list, and
// returns those that may be SBOMs. It sorts the others by kind.
func (r *search) fetchUntyped(ctx context.Context, l *listing) []candidate {
	unknown := l.unknown
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
	_ = group.Wait() // unreadable ones stay candidates, and reading them reports why
	var classified listing
	for i, c := range unknown {
		m := manifests[i]
		if m == nil {
			classified.candidates = append(classified.candidates, c)
			continue
		}
		c.desc.Annotations, c.desc.ArtifactType = m.Annotations, cmp.Or(m.ArtifactType, m.Config.MediaType)
		known := candidateOf(c.desc, c.subject)
		known.manifest = c.manifest
		if known.kind == untyped {
			known.kind = foreign
			if len(parts(m, false)) > 0 {
				known.kind = sbomKind
			}
		}
		r.sort(&classified, known)
	}
	l.foreign, l.others = append(l.foreign, classified.foreign...), append(l.others, classified.others...)
	r.bound(l)
	slices.SortStableFunc(classified.candidates, r.compare)
	return classified.candidates
}

// referrers reads those of the manifest, then of the index; see the package comment for when
// it lists both concurrently.
func (r *search) referrers(ctx context.Context) []Finding {
	subjects := r.subjects()
	host := r.repo.Name.RegistryStr()
	list := func(i int) listing { return r.list(ctx, subjects[i]) }
	if _, known := r.finder.api.Load(host); known {
		_ = r.repo.SetReferrersCapability(true)
		if len(subjects) == 2 || r.all {
			lists := make([]listing, len(subjects))
			var wg sync.WaitGroup
			for i := range subjects {
				wg.Go(func() { lists[i] = r.list(ctx, subjects[i]) })
			}
			wg.Wait()
			list = func(i int) listing { return lists[i] }
		}
	}
	var all []Finding
	for i, subject := range subjects {
		l := list(i)
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

// readListed reads the candidates of a list, best first, and lists the rejected ones.
func (r *search) readListed(ctx context.Context, subject v1.Hash, l listing) []Finding {
	var all []Finding
	done := func() bool { return !r.all && slices.ContainsFunc(all, isFound) }
	read := func(some []candidate, read func(context.Context, candidate) []Finding) {
		for _, c := range some {
			switch {
			case !done():
				all = append(all, read(ctx, c)...)
			case c.kind == foreign:
				c.why = "it was not read, since an SBOM was found"
				l.others = append(l.others, c)
			}
		}
	}
	read(l.candidates, r.readCandidate)
	if len(l.unknown) > 0 && !done() {
		read(r.fetchUntyped(ctx, &l), r.readCandidate)
	}
	read(l.foreign, r.readForeign)
	list := artifact{Finding: Finding{Carrier: Referrer, Subject: subject, Reference: r.repo.at(subject.String())}}
	if l.passed > 0 && !done() {
		all = append(all, list.with(Unreadable, fmt.Sprintf("%d more artifacts that may be SBOMs were not read: the limit is %d", l.passed, r.limits.Candidates)))
	}
	for _, c := range l.others {
		all = append(all, r.rejected(c))
	}
	if l.unlisted > 0 {
		all = append(all, list.unlisted(l.unlisted))
	}
	if l.err != nil && !done() {
		return append(all, list.failed(ctx, l.err))
	}
	if len(all) == 0 {
		all = append(all, list.with(None, r.subjectName(subject)))
	}
	return all
}

// artifactOf returns the artifact of a referrer, as described by its list.
func (r *search) artifactOf(c candidate) artifact {
	return artifact{
		store:    r.repo,
		bound:    true,
		manifest: c.manifest,
		Finding: Finding{
			Carrier: Referrer, Subject: c.subject, Digest: hash(c.desc.Digest.String()),
			Reference: r.repo.at(c.desc.Digest.String()), MediaType: c.desc.ArtifactType,
		},
	}
}

func (r *search) readCandidate(ctx context.Context, c candidate) []Finding {
	a := r.artifactOf(c)
	if a.manifest == nil {
		var err error
		if a.manifest, err = r.fetch(ctx, c.desc); err != nil {
			return []Finding{a.failed(ctx, err)}
		}
	}
	return r.read(ctx, a)
}

// fetch returns the manifest of a descriptor.
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
