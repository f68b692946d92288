package attach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/baseplan/baseplan/sbom/registry"
)

// ErrCannotDelete is wrapped by errors of [Attacher.Remove] for a registry that does not delete manifests.
var ErrCannotDelete = errors.New("the registry does not delete manifests")

// Remove removes what [Attacher.Prunable] returned from its repository. What is gone already is no error.
//
// With a referrer goes cosign's tag for its signatures; what else refers to it, such as bundles, stays, and counts for
// nothing. Of cosign's tag for attestations, other layers stay. With cosign's tag for SBOMs, its signatures stay: the
// tag of another image may have the same manifest. In a registry without the referrers API, the index that lists
// the referrers is changed first, with the same care as in [Attacher.Attach], and suffices if the registry does not
// delete.
func (a *Attacher) Remove(ctx context.Context, p Prunable) error {
	to := a.publisher(ctx, p.Target.Context())
	err := to.remove(ctx, p)
	if err != nil {
		return fmt.Errorf("removing %s: %w", p.Reference, err)
	}
	return nil
}

func (p *publisher) remove(ctx context.Context, x Prunable) error {
	if x.tag != "" {
		return p.removeLayers(ctx, x.tag, x.blob)
	}
	listed, err := p.referrersOf(ctx, x.subject)
	if err != nil {
		return err
	}
	if !listed.api {
		if _, _, err := p.mergeInto(ctx, digestTag(x.subject, ""), dropReferrer(x.Digest)); err != nil {
			return err
		}
	}
	if err := p.removeTag(ctx, digestTag(x.Digest, signatureTagSuffix)); err != nil && !errors.Is(err, ErrCannotDelete) {
		return err
	}
	err = p.delete(ctx, x.Digest.String())
	if errors.Is(err, ErrCannotDelete) && !listed.api {
		return nil // nothing leads to it
	}
	return err
}

// dropReferrer removes an entry from an index of referrers.
func dropReferrer(artifact v1.Hash) merge {
	return func(old *tagged) (*packed, error) {
		if old == nil {
			return nil, nil
		}
		var index ocispec.Index
		if err := json.Unmarshal(old.data, &index); err != nil {
			return nil, fmt.Errorf("reading the index of referrers in it: %w", err)
		}
		before := len(index.Manifests)
		index.Manifests = slices.DeleteFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.Digest.String() == artifact.String() })
		if len(index.Manifests) == before {
			return nil, nil
		}
		if index.Manifests == nil {
			index.Manifests = []ocispec.Descriptor{}
		}
		data, err := json.Marshal(index)
		if err != nil {
			return nil, fmt.Errorf("encoding the index of referrers: %w", err)
		}
		return &packed{desc: blobOf(ocispec.MediaTypeImageIndex, data).desc, data: data}, nil
	}
}

// removeLayers removes a layer from one of cosign's tags, and the tag if no other layer remains.
func (p *publisher) removeLayers(ctx context.Context, tag string, blob digest.Digest) error {
	empty := false
	at, _, err := p.mergeInto(ctx, tag, func(old *tagged) (*packed, error) {
		layers, err := old.layers()
		if err != nil || old == nil {
			return nil, err
		}
		left := slices.DeleteFunc(slices.Clone(layers), func(l ocispec.Descriptor) bool { return l.Digest == blob })
		if empty = len(left) == 0; empty || len(left) == len(layers) {
			return nil, nil
		}
		return packCosign(left, nil)
	})
	if err != nil || at == (v1.Hash{}) || !empty {
		return err
	}
	return p.removeTag(ctx, tag)
}

// removeTag removes a tag. Not every registry deletes tags, and another tag may have the same manifest. So if the
// registry does not, the tag gets a manifest of its own, which is deleted.
func (p *publisher) removeTag(ctx context.Context, tag string) error {
	there, err := p.repo.has(ctx, tag)
	if err != nil || !there {
		return err
	}
	if err := p.delete(ctx, tag); err != nil && !errors.Is(err, ErrCannotDelete) {
		return err
	}
	if there, err = p.repo.has(ctx, tag); err != nil || !there {
		return err
	}
	grave, err := unique(tag)
	if err != nil {
		return err
	}
	if err := p.delete(ctx, grave.desc.Digest.String()); err != nil { // which is not there: asks whether the registry deletes
		return err
	}
	if err := p.push(ctx, grave, tag); err != nil {
		return err
	}
	return p.delete(ctx, grave.desc.Digest.String())
}

// unique returns a manifest that no other tag has.
func unique(tag string) (*packed, error) {
	config := blobOf(typeEmpty, []byte("{}"))
	return packManifest(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config.desc, Layers: []ocispec.Descriptor{},
		Annotations: map[string]string{"baseplan.removed-tag": tag},
	}, config)
}

// delete deletes a manifest or a tag. What is gone already is no error.
func (p *publisher) delete(ctx context.Context, reference string) error {
	err := p.writes.DeleteReference(ctx, reference)
	switch registry.Status(err) {
	case http.StatusNotFound:
		return nil
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return fmt.Errorf("deleting %s: %w (status %d)", reference, ErrCannotDelete, registry.Status(err))
	}
	return err
}

// has reports whether a tag exists.
func (r *repository) has(ctx context.Context, tag string) (bool, error) {
	_, err := r.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) || registry.Status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
