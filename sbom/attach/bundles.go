package attach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// signingPredicates are the predicate types of bundles that sign an artifact but contain no
// SBOM: cosign's signature and GitHub's provenance attestation.
var signingPredicates = []string{"https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1"}

// maxBundle limits the size of a bundle that signs an artifact.
const maxBundle = 4 << 20

var errNoBundle = &trustError{Unsigned, "carries no signature"}

// bundles searches an artifact's referrers for a Sigstore bundle that signs it.
func (t trust) bundles(ctx context.Context, repo *repository, of v1.Hash) (Signature, error) {
	var all []ocispec.Descriptor
	err := repo.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(of.String())}, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			if !hasType(d) || strings.HasPrefix(d.ArtifactType, typeBundlePrefix) {
				all = append(all, d)
			}
		}
		slices.SortFunc(all, func(a, b ocispec.Descriptor) int {
			return cmp.Or(cmp.Compare(b.Annotations[ocispec.AnnotationCreated], a.Annotations[ocispec.AnnotationCreated]), cmp.Compare(a.Digest, b.Digest))
		})
		all = all[:min(len(all), maxSignatures)]
		return nil
	})
	if err != nil && !errors.Is(err, errdef.ErrNotFound) {
		return Signature{}, err
	}
	worst := error(errNoBundle)
	for _, d := range all {
		by, err := t.bundle(ctx, repo, d, of.String())
		if err == nil || ctx.Err() != nil {
			return by, err
		}
		worst = err
	}
	return Signature{}, worst
}

// bundle verifies one bundle.
func (t trust) bundle(ctx context.Context, repo *repository, d ocispec.Descriptor, of string) (Signature, error) {
	if err := d.Digest.Validate(); err != nil {
		return Signature{}, unreadable("the list of referrers holds %q: %w", clip(d.Digest.String()), err)
	}
	_, data, err := repo.manifest(ctx, d.Digest.String())
	if err != nil {
		return Signature{}, err
	}
	m, err := decodeManifest(data)
	if err != nil {
		return Signature{}, err
	}
	i := slices.IndexFunc(m.Layers, func(l ocispec.Descriptor) bool { return strings.HasPrefix(l.MediaType, typeBundlePrefix) })
	if i < 0 {
		return Signature{}, errNoBundle
	}
	if data, err = repo.blob(ctx, m.Layers[i], maxBundle); err != nil {
		return Signature{}, err
	}
	a, err := openAttestation(data)
	if err != nil {
		return Signature{}, err
	}
	s, err := decodeStatement(a.payload)
	if err != nil {
		return Signature{}, err
	}
	if !slices.Contains(signingPredicates, s.PredicateType) {
		return Signature{}, &trustError{Unsigned, fmt.Sprintf("carries no signature: an attestation of type %s is not one", clip(s.PredicateType))}
	}
	by, err := t.attestation(ctx, a, of)
	if err != nil {
		return Signature{}, err
	}
	if !slices.Contains(s.digests(), of) {
		return Signature{}, &trustError{WrongSubject, fmt.Sprintf("is signed by %s, but for %s", by.By(), clip(strings.Join(s.digests(), ", ")))}
	}
	return by, nil
}
