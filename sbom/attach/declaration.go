package attach

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

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

// addDeclaration records a declaration found in a list of referrers.
func (r *search) addDeclaration(c candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.declarations = append(r.declarations, c)
	slices.SortFunc(r.declarations, func(a, b candidate) int {
		return cmp.Or(
			compareBool(a.subject != r.Digest, b.subject != r.Digest),
			cmp.Compare(b.desc.Annotations[ocispec.AnnotationCreated], a.desc.Annotations[ocispec.AnnotationCreated]),
			cmp.Compare(a.desc.Digest, b.desc.Digest))
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
