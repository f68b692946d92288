package attach

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// ErrNoImage is wrapped by errors about an image that is not in the registry.
var ErrNoImage = errors.New("no such image")

// An Attacher attaches SBOMs and provides declarations to images in a registry. The
// zero value works anonymously.
type Attacher struct {
	Registry registry.Client

	// Settle is how long an entry in a shared tag must stand before it counts as
	// permanent; see [Attacher.Attach]. ≤ 0: 3 s.
	Settle time.Duration
}

// A Form is a way to attach an SBOM.
type Form string

// The forms.
const (
	AsReferrer Form = "referrer" // an artifact whose subject is the image; signed: a Sigstore bundle
	AsCosign   Form = "cosign"   // cosign's tag .sbom; signed: .att
	AsLayer    Form = "layer"    // the image's last layer and a label: a new image
)

// Options configure [Attacher.Attach].
type Options struct {
	// Material returns what to attach to one image. It is called for every target
	// before anything is pushed, and an error stops everything, so it is the place
	// for checks. Required.
	Material func(context.Context, Target) (Material, error)

	As       Form          // empty: AsReferrer
	Platform *v1.Platform  // the platform of an index; nil: all
	Sign     crypto.Signer // ECDSA P-256 or Ed25519 private key; nil: unsigned
	Created  time.Time     // creation time of artifacts (SOURCE_DATE_EPOCH); zero: the SBOM's, or none
	Tag      name.Tag      // AsLayer: tag of the new image; zero: the tag of the reference, if it has one
}

// A Target is an image to attach something to.
type Target struct {
	Ref      name.Digest
	Digest   v1.Hash
	Image    v1.Image
	Index    v1.ImageIndex // the index it was resolved from; may be nil
	Platform *v1.Platform  // as in the index; nil: not in an index
}

// Material is what to attach to one image.
type Material struct {
	SBOMs    [][]byte // JSON, at most one of each format
	Provides []byte   // a declaration (docs/reference/files.md, "label io.buildpacks.base.provides"); nil: none
}

// An Attached describes something that is attached, by this call or an earlier one.
type Attached struct {
	Target    name.Digest
	Platform  *v1.Platform
	What      string      // "sbom", "provides", "signature" or "image"
	Format    sbom.Format // of an SBOM
	Reference string      // its location
	Digest    v1.Hash     // digest of its manifest
	Changed   bool        // false: it already existed
}

// Attach attaches material to an image, or to every platform of an index.
//
// Everything is created and checked before the first push, and manifests are pushed
// after what they name, so a failed check leaves nothing behind. Attaching the same
// material again changes nothing.
//
// If the registry has no referrers API, an index under the tag <algorithm>-<hex>
// lists the referrers, and all publishers write this tag; registries have no
// compare-and-swap. To keep concurrent publishers from losing entries, an entry is
// added to all that was ever seen in the tag, at most Settle/2 passes between
// reading and writing, and the entry must then stand for Settle or it is added
// again. Such publishers lose no entry as long as the registry performs a write
// within Settle/2 or not at all. A tool that does not wait may still lose its own
// entry between our read and write, and an entry that is deleted in that time comes
// back. Cosign's tags are written the same way.
func (a *Attacher) Attach(ctx context.Context, ref name.Reference, o Options) ([]Attached, error) {
	p, err := a.Prepare(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	return p.Attach(ctx)
}

// A Prepared is material that was created and checked for an image, or for every platform of an index, and is not
// pushed yet.
type Prepared struct {
	Digest  v1.Hash // of the image or index
	Targets []Target

	attacher *Attacher
	ref      name.Reference
	options  Options
	resolved *resolved
	plans    []*plan
}

// Prepare creates and checks everything that [Attacher.Attach] would push. It writes nothing.
func (a *Attacher) Prepare(ctx context.Context, ref name.Reference, o Options) (*Prepared, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, err := a.resolve(ctx, ref, o.Platform)
	if err != nil {
		return nil, err
	}
	var s *signer
	if o.Sign != nil {
		if s, err = newSigner(o.Sign); err != nil {
			return nil, err
		}
	}
	plans := make([]*plan, len(r.targets))
	for i, t := range r.targets {
		m, err := o.Material(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("attaching to %s: %w", t.Ref, err)
		}
		if plans[i], err = newPlan(t, m, o, s); err != nil {
			return nil, fmt.Errorf("attaching to %s: %w", t.Ref, err)
		}
	}
	return &Prepared{r.desc.Digest, r.targets, a, ref, o, r, plans}, nil
}

// Attach pushes the material. See [Attacher.Attach].
func (p *Prepared) Attach(ctx context.Context) ([]Attached, error) {
	if p.options.As == AsLayer {
		return p.attacher.layers(ctx, p.ref, p.resolved, p.plans, p.options)
	}
	to := p.attacher.publisher(ctx, p.ref.Context())
	done := make([][]Attached, len(p.plans))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, plan := range p.plans {
		group.Go(func() error {
			var err error
			if done[i], err = plan.publish(ctx, to); err != nil {
				return fmt.Errorf("attaching to %s: %w", plan.target.Ref, err)
			}
			return nil
		})
	}
	err := group.Wait()
	var all []Attached
	for _, d := range done {
		all = append(all, d...)
	}
	return all, err
}

func (o *Options) check() error {
	switch o.As {
	case "":
		o.As = AsReferrer
	case AsReferrer, AsCosign:
	case AsLayer:
		if o.Sign != nil {
			return errors.New("attaching as a layer: a layer has no signature; sign the image itself, or attach as a referrer")
		}
	default:
		return fmt.Errorf("attaching: unknown form %q; want %s, %s or %s", o.As, AsReferrer, AsCosign, AsLayer)
	}
	if o.Material == nil {
		return errors.New("attaching: no material is given")
	}
	return nil
}

// A resolved is what a reference resolves to.
type resolved struct {
	desc    *remote.Descriptor
	index   v1.ImageIndex // nil: a single image
	targets []Target
}

func (a *Attacher) resolve(ctx context.Context, ref name.Reference, platform *v1.Platform) (*resolved, error) {
	ctx, resolving := watch.Until(ctx, a.Registry.Stall, "resolving the image")
	defer resolving()
	desc, err := remote.Get(ref, a.Registry.Options(ctx, ref.Context())...)
	if registry.Status(err) == http.StatusNotFound {
		return nil, fmt.Errorf("resolving %s: %w", ref, ErrNoImage)
	}
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", ref, a.Registry.Refused(ref.Context(), watch.Cause(ctx, err)))
	}
	r := &resolved{desc: desc}
	switch {
	case desc.MediaType.IsImage():
		image, err := desc.Image()
		if err != nil {
			return nil, fmt.Errorf("resolving %s: %w", ref, err)
		}
		r.targets = []Target{{Ref: ref.Context().Digest(desc.Digest.String()), Digest: desc.Digest, Image: image}}
		return r, nil
	case !desc.MediaType.IsIndex():
		return nil, fmt.Errorf("resolving %s: it is neither an image nor an index: %s", ref, desc.MediaType)
	}
	if r.index, err = desc.ImageIndex(); err != nil {
		return nil, fmt.Errorf("resolving %s: %w", ref, err)
	}
	r.targets, err = platforms(ref, r.index, platform)
	return r, err
}

// platforms lists the images of an index, without attestations.
func platforms(ref name.Reference, index v1.ImageIndex, only *v1.Platform) ([]Target, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", ref, err)
	}
	var all []Target
	for _, d := range registry.Images(m.Manifests) {
		if only != nil && (d.Platform == nil || !d.Platform.Satisfies(*only)) {
			continue
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			return nil, fmt.Errorf("resolving %s: %w", ref, err)
		}
		all = append(all, Target{Ref: ref.Context().Digest(d.Digest.String()), Digest: d.Digest, Image: image, Index: index, Platform: d.Platform})
	}
	if len(all) == 0 && only != nil {
		return nil, fmt.Errorf("resolving %s: its index has no image for %s", ref, only)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("resolving %s: its index has no image", ref)
	}
	return all, nil
}
