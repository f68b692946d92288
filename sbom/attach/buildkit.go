package attach

import (
	"context"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/baseplan/baseplan/sbom/registry"
)

// BuildKit's annotations on an attestation manifest in an image index
// (moby/buildkit, attestation-storage.md).
const (
	annotationReferenceType   = registry.AnnotationReferenceType
	annotationReferenceDigest = "vnd.docker.reference.digest"
	attestationManifest       = "attestation-manifest"
)

// buildkit reads the attestation manifests that the index lists for the image.
func (r *search) buildkit(ctx context.Context) []Finding {
	if r.Index == nil {
		return []Finding{{Carrier: BuildKit, Result: None, Detail: "the image is not in an index"}}
	}
	var from store = layoutStore{r.Index, r.limits.Metadata}
	at := func(digest string) string { return digest }
	if r.repo != nil {
		from, at = r.repo, r.repo.at
	}
	list := artifact{store: from, Finding: Finding{Carrier: BuildKit, Subject: r.index, Reference: at(r.index.String())}}
	index, err := r.Index.IndexManifest()
	if err != nil {
		return []Finding{list.failed(ctx, err)}
	}
	var all []Finding
	for _, d := range index.Manifests {
		if d.Annotations[annotationReferenceType] != attestationManifest || d.Annotations[annotationReferenceDigest] != r.Digest.String() {
			continue
		}
		a := list
		a.Digest, a.Reference = d.Digest, at(d.Digest.String())
		if r.trust.restricted() && r.repo == nil {
			all = append(all, a.with(Unsigned, "BuildKit signs nothing"))
			continue
		}
		if _, a.manifest, err = from.manifest(ctx, d.Digest.String()); err != nil {
			all = append(all, a.failed(ctx, err))
			continue
		}
		all = append(all, r.read(ctx, a)...)
		if slices.ContainsFunc(all, isFound) && !r.all {
			break
		}
	}
	if len(all) == 0 {
		all = append(all, list.with(None, ""))
	}
	return all
}

// A layoutStore reads the blobs of an index without a registry, such as from an OCI layout.
type layoutStore struct {
	index v1.ImageIndex
	limit int64
}

func (s layoutStore) manifest(_ context.Context, reference string) (ocispec.Descriptor, []byte, error) {
	h, err := v1.NewHash(reference)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	image, err := s.index.Image(h)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	data, err := image.RawManifest()
	if err == nil && int64(len(data)) > s.limit {
		err = tooLarge("manifest", int64(len(data)), s.limit)
	}
	return ocispec.Descriptor{Digest: digest.Digest(reference), Size: int64(len(data))}, data, err
}

func (s layoutStore) blob(_ context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if desc.Size > limit || desc.Size < 0 {
		return nil, tooLarge("blob", desc.Size, limit)
	}
	h, err := v1.NewHash(desc.Digest.String())
	if err != nil {
		return nil, err
	}
	blob, err := s.open(h)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", h, err)
	}
	defer blob.Close()
	return content.ReadAll(blob, desc)
}

// open opens a blob from any image of the index that has it as a layer.
func (s layoutStore) open(h v1.Hash) (io.ReadCloser, error) {
	index, err := s.index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range index.Manifests {
		if d.Annotations[annotationReferenceType] != attestationManifest {
			continue
		}
		image, err := s.index.Image(d.Digest)
		if err != nil {
			continue
		}
		if layer, err := image.LayerByDigest(h); err == nil {
			return layer.Compressed()
		}
	}
	return nil, fmt.Errorf("no attestation in the index has it")
}
