package attach

import (
	"context"
	"errors"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"oras.land/oras-go/v2/errdef"
)

// A cosignTag is a tag that cosign uses (specs/SBOM_SPEC.md and ATTESTATION_SPEC.md of
// sigstore/cosign).
type cosignTag struct {
	carrier Carrier
	subject v1.Hash
	tag     string
}

func (r *search) cosignTags() []cosignTag {
	var all []cosignTag
	for _, subject := range r.subjects() {
		all = append(all,
			cosignTag{CosignSBOM, subject, digestTag(subject, sbomTagSuffix)},
			cosignTag{CosignAttestation, subject, digestTag(subject, attestationTagSuffix)})
	}
	return all
}

// cosign reads cosign's tags concurrently, since checking whether they exist takes most of the
// time.
func (r *search) cosign(ctx context.Context) []Finding {
	tags := r.cosignTags()
	absent := r.absentTags(ctx, tags)
	manifests := make([]artifact, len(tags))
	errs := make([]error, len(tags))
	var wg sync.WaitGroup
	for i, t := range tags {
		manifests[i] = artifact{store: r.repo, Finding: Finding{Carrier: t.carrier, Subject: t.subject, Reference: r.repo.tagged(t.tag)}}
		if absent[t.tag] {
			errs[i] = errdef.ErrNotFound
			continue
		}
		wg.Go(func() {
			desc, data, err := r.repo.manifest(ctx, t.tag)
			manifests[i].manifest, manifests[i].Digest, errs[i] = data, hash(desc.Digest.String()), err
		})
	}
	wg.Wait()
	var all []Finding
	for i, a := range manifests {
		switch {
		case errors.Is(errs[i], errdef.ErrNotFound):
			all = append(all, a.with(None, r.subjectName(a.Subject)))
		case errs[i] != nil:
			all = append(all, a.failed(ctx, errs[i]))
		default:
			all = append(all, r.read(ctx, a)...)
		}
		if slices.ContainsFunc(all, isFound) && !r.all {
			break
		}
	}
	return all
}

// absentTags returns the tags that certainly do not exist. Without the referrers API the
// search of an index has already cost three requests, so the registry is asked for its list of
// tags instead of four times for a tag. The list counts only if it fits in one page.
func (r *search) absentTags(ctx context.Context, tags []cosignTag) map[string]bool {
	if len(tags) < 4 || r.all || r.repo.SetReferrersCapability(false) != nil {
		return nil
	}
	var listed []string
	whole := false
	stop := errors.New("one page is enough")
	err := r.repo.Tags(ctx, "", func(page []string) error {
		if whole {
			return stop // the list has more pages
		}
		listed, whole = page, true
		return nil
	})
	if err != nil || !whole || len(listed) >= r.repo.TagListPageSize {
		return nil
	}
	absent := map[string]bool{}
	for _, t := range tags {
		absent[t.tag] = !slices.Contains(listed, t.tag)
	}
	return absent
}
