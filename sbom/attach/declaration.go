package attach

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DeclarationType is the artifact and media type of a provides declaration
// (docs/reference/files.md, "label io.buildpacks.base.provides").
const DeclarationType = "application/vnd.baseplan.provides.v1+json"

const (
	maxDeclaration  = 1 << 20
	maxDeclarations = 4 // limit for one image, newest first
)

// UnsignedLabel is the reason why a label is rejected if keys are given.
const UnsignedLabel = "a label carries no signature: attach a signed declaration (baseplan sbom attach --provides FILE --sign KEY)"

// compareDeclarations sorts the newest first. The digest breaks ties, so that the order is deterministic.
func compareDeclarations(a, b ocispec.Descriptor) int {
	return cmp.Or(cmp.Compare(b.Annotations[ocispec.AnnotationCreated], a.Annotations[ocispec.AnnotationCreated]), cmp.Compare(a.Digest, b.Digest))
}

// declare creates the declaration's referrer. If builds would use another one, it gets the current time, so that
// builds use this one (unless the registry lists no annotations); if they use the same declaration already, declare returns that one's digest.
func (p *plan) declare(ctx context.Context, to *publisher, listed *referrerList) (*packed, *v1.Hash, error) {
	layer := blobOf(DeclarationType, p.provides)
	a, err := p.pack(DeclarationType, layer, time.Time{}, nil)
	if err != nil {
		return nil, nil, err
	}
	var others []ocispec.Descriptor
	for _, d := range listed.entries {
		if d.ArtifactType == DeclarationType {
			others = append(others, d)
		}
	}
	if len(others) == 0 || !p.created.IsZero() {
		return a, nil, nil
	}
	used := slices.MinFunc(others, compareDeclarations)
	if used.Digest == a.desc.Digest {
		return a, nil, nil
	}
	if _, raw, err := to.repo.manifest(ctx, used.Digest.String()); err == nil {
		m, err := decodeManifest(raw)
		if err == nil && slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.Digest == layer.desc.Digest }) {
			h := hash(used.Digest.String())
			return nil, &h, nil
		}
	}
	now := time.Now()
	if created, err := time.Parse(time.RFC3339, used.Annotations[ocispec.AnnotationCreated]); err == nil && !created.Before(now.Truncate(time.Second)) {
		now = created.Add(time.Second)
	}
	a, err = p.pack(DeclarationType, layer, now, nil)
	return a, nil, err
}

// addDeclaration records a declaration found in a list of referrers.
func (r *search) addDeclaration(c candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.declarations = append(r.declarations, c)
	slices.SortFunc(r.declarations, func(a, b candidate) int {
		return cmp.Or(
			compareBool(a.subject != r.Digest, b.subject != r.Digest),
			compareDeclarations(a.desc, b.desc))
	})
	r.declarations = r.declarations[:min(len(r.declarations), maxDeclarations)]
}

// findDeclaration sets the publisher's declaration: one from the lists of referrers that were read
// anyway, since it was attached after the image was built; otherwise the label's. With keys it
// must be signed, which a label cannot be.
func (r *search) findDeclaration(ctx context.Context, result *Result) {
	for _, c := range r.declarations {
		data, by, err := r.readDeclaration(ctx, c)
		if err == nil {
			result.Declaration = &Declaration{Data: data, Reference: r.repo.at(c.desc.Digest.String()), Signature: by}
			return
		}
		_, why := explain(ctx, err)
		result.Warnings = append(result.Warnings, fmt.Sprintf("declaration %s: %s", r.repo.at(c.desc.Digest.String()), why))
	}
	config, err := r.config()
	if err != nil || config == nil {
		return // reported by the layer's stage
	}
	label := config.Config.Labels[ProvidesLabel]
	switch {
	case label == "":
	case r.trust.restricted():
		result.Warnings = append(result.Warnings, "label "+ProvidesLabel+": "+UnsignedLabel)
	case !json.Valid([]byte(label)):
		result.Warnings = append(result.Warnings, "label "+ProvidesLabel+": it is not JSON")
	default:
		result.Declaration = &Declaration{Data: []byte(label), Reference: "label " + ProvidesLabel}
	}
}

func (r *search) readDeclaration(ctx context.Context, c candidate) (data []byte, by Signature, err error) {
	raw := c.manifest
	if raw == nil {
		if raw, err = r.fetch(ctx, c.desc); err != nil {
			return nil, by, err
		}
	}
	m, err := decodeManifest(raw)
	if err != nil {
		return nil, by, err
	}
	if m.Subject == nil || !r.isSubject(m.Subject.Digest.String()) {
		return nil, by, &trustError{WrongSubject, "it does not name the image as its subject"}
	}
	if r.trust.restricted() {
		if by, err = r.trust.manifest(ctx, r.repo, hash(c.desc.Digest.String())); err != nil {
			return nil, by, err
		}
	}
	i := slices.IndexFunc(m.Layers, func(l ocispec.Descriptor) bool { return strings.HasPrefix(l.MediaType, DeclarationType) })
	if i < 0 {
		return nil, by, unreadable("it has no layer of type %s", DeclarationType)
	}
	if data, err = r.repo.blob(ctx, m.Layers[i], maxDeclaration); err != nil {
		return nil, by, err
	}
	if !json.Valid(data) {
		return nil, by, unreadable("it is not JSON")
	}
	return data, by, nil
}
