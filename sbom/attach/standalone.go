package attach

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// A Standalone is an artifact with one layer that belongs to no image, such as a
// catalog of run images.
type Standalone struct {
	Digest    v1.Hash
	Data      []byte    // content of the layer
	Signature Signature // zero if signatures are not required
}

// Standalone reads the artifact of a type that a reference names. If keys or
// identities are given, one of them must have signed its manifest, as cosign sign
// does.
func (f *Finder) Standalone(ctx context.Context, ref name.Reference, artifactType string) (*Standalone, error) {
	trust, err := newTrust(f.Trust)
	if err != nil {
		return nil, err
	}
	limits := f.Limits.orDefault()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Stage, fmt.Errorf("it took longer than %s", limits.Stage))
	defer cancel()
	repo := newRepository(ref.Context(), &f.Registry, limits)
	repo.Dial(ctx)
	s, err := readStandalone(ctx, trust, repo, ref, artifactType)
	if err == nil {
		return s, nil
	}
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, fmt.Errorf("reading %s: there is no such artifact", ref)
	}
	if _, ok := errors.AsType[*trustError](err); !ok {
		_, why := explain(ctx, err)
		err = errors.New(why)
	}
	return nil, fmt.Errorf("reading %s: %w", ref, err)
}

func readStandalone(ctx context.Context, trust trust, repo *repository, ref name.Reference, artifactType string) (*Standalone, error) {
	desc, data, err := repo.manifest(ctx, ref.Identifier())
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(data)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType == artifactType })
	if m.ArtifactType != artifactType || i < 0 {
		return nil, &trustError{UnknownType, fmt.Sprintf("it is not an artifact of type %s", artifactType)}
	}
	s := &Standalone{Digest: hash(desc.Digest.String())}
	if trust.restricted() {
		if s.Signature, err = trust.manifest(ctx, repo, s.Digest); err != nil {
			return nil, err
		}
	}
	s.Data, err = repo.blob(ctx, m.Layers[i], repo.limits.SBOM)
	return s, err
}

// ErrOtherArtifact is wrapped by errors of [Attacher.Push] for a tag that has an image or an artifact of another type.
var ErrOtherArtifact = errors.New("the tag has something else")

// PushOptions configure [Attacher.Push].
type PushOptions struct {
	Sign    crypto.Signer // ECDSA P-256 or Ed25519 private key; nil: unsigned
	Created time.Time     // creation time (SOURCE_DATE_EPOCH); zero: none
}

// Push pushes an artifact with one layer of its own type to a tag. The same data
// gives the same digest, and pushing it again changes nothing. A tag of something else
// is not overwritten. The signature is pushed before the tag, so the tag never names an artifact without it.
func (a *Attacher) Push(ctx context.Context, tag name.Tag, artifactType string, data []byte, o PushOptions) (Attached, error) {
	out, err := a.pushStandalone(ctx, tag, artifactType, data, o)
	if err != nil {
		return out, fmt.Errorf("pushing %s: %w", tag, a.Registry.Refused(tag.Context(), err))
	}
	return out, nil
}

func (a *Attacher) pushStandalone(ctx context.Context, tag name.Tag, artifactType string, data []byte, o PushOptions) (Attached, error) {
	p := &plan{created: o.Created}
	packed, err := p.pack(artifactType, blobOf(artifactType, data), time.Time{}, nil)
	if err != nil {
		return Attached{}, err
	}
	p.target.Ref = tag.Context().Digest(packed.desc.Digest.String())
	if o.Sign != nil {
		if p.signer, err = newSigner(o.Sign); err != nil {
			return Attached{}, err
		}
	}
	to := a.publisher(ctx, tag.Context())
	now, raw, err := to.repo.manifest(ctx, tag.TagStr())
	switch {
	case errors.Is(err, errdef.ErrNotFound):
	case err != nil:
		return Attached{}, err
	default:
		if m, err := decodeManifest(raw); err != nil || m.ArtifactType != artifactType {
			return Attached{}, ErrOtherArtifact
		}
	}
	digest := hash(packed.desc.Digest.String())
	out := p.attached("artifact", "", p.target.Ref.Name(), digest, now.Digest != packed.desc.Digest)
	if out.Changed {
		if err := to.push(ctx, packed, ""); err != nil {
			return out, err
		}
	}
	if p.signer != nil {
		signed, err := p.sign(ctx, to, digest)
		if out.Changed = out.Changed || signed.Changed; err != nil {
			return out, err
		}
	}
	if now.Digest != packed.desc.Digest {
		return out, to.push(ctx, packed, tag.TagStr())
	}
	return out, nil
}
