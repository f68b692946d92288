package attach

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// Media types and artifact types of SBOMs.
const (
	typeBuildKit = "application/vnd.docker.attestation.manifest.v1+json"
	typeEmpty    = "application/vnd.oci.empty.v1+json"

	annotationScope           = "dev.sigstore.sbom.scope"
	annotationBundlePredicate = "dev.sigstore.bundle.predicateType"
	annotationBundleContent   = "dev.sigstore.bundle.content"
	annotationLayerPredicate  = "in-toto.io/predicate-type"
	annotationCosignPredicate = "predicateType"

	maxLayers = 256
)

// bareFormat returns the SBOM format of a media type; ok is false if the type is not an
// SBOM's. BuildKit, cosign, Trivy and the buildpack specification use different names.
func bareFormat(mediaType string) (f sbom.Format, ok bool) {
	switch mediaTypeOf(mediaType) {
	case "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+xml", "application/vnd.cyclonedx":
		return sbom.CycloneDX, true
	case "application/spdx+json", "application/spdx", "text/spdx+json", "text/spdx+xml", "text/spdx":
		return sbom.SPDX, true
	case "application/vnd.syft+json":
		return sbom.Syft, true
	}
	return "", false
}

// Rank orders formats by the information they have on packages: Syft's has virtual provides
// and owned files, CycloneDX has the distribution, SPDX neither distribution nor virtual
// provides. Of several SBOMs, builds use the one whose format has the lowest rank.
func Rank(f sbom.Format) int {
	switch f {
	case sbom.Syft:
		return 1
	case sbom.CycloneDX:
		return 2
	case sbom.SPDX:
		return 3
	}
	return 4
}

func decodeManifest(data []byte) (*ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("reading an artifact's manifest: %w", err)
	}
	if m.Config.Digest == "" && len(m.Layers) == 0 {
		return nil, unreadable("reading an artifact's manifest: it has neither config nor layers")
	}
	if len(m.Layers) > maxLayers {
		return nil, unreadable("reading an artifact's manifest: %d layers are over the limit of %d", len(m.Layers), maxLayers)
	}
	return &m, nil
}

// A store has manifests and blobs: it is a repository or the index of an image layout.
type store interface {
	manifest(ctx context.Context, reference string) (ocispec.Descriptor, []byte, error)
	blob(ctx context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error)
}

// An artifact is a manifest whose layers may be SBOMs. Every carrier in a registry is read as
// an artifact.
type artifact struct {
	Finding  // known before reading: Carrier, Digest, Subject, Reference
	store    store
	manifest []byte
	bound    bool   // its content must name its subject
	parts    []part // layers to read; nil: chosen by type
	named    bool   // its content names its subject
}

// A part is a layer that may hold an SBOM.
type part struct {
	desc     ocispec.Descriptor
	format   sbom.Format // from the media type; empty: unknown
	attested bool
	order    int
	data     []byte // nil: not fetched yet
}

// parts returns the layers that may be SBOMs, best first: by format, then the last one, since
// cosign appends. With anyType it ignores media types.
func parts(m *ocispec.Manifest, anyType bool) []part {
	var all []part
	for i, layer := range m.Layers {
		if layer.MediaType == typeEmpty {
			continue
		}
		p := part{desc: layer, order: i}
		var ok bool
		if p.format, ok = sbomFormat(layer.MediaType); !ok {
			// The artifact is an SBOM, so its layers may have any type.
			p.format, ok = sbomFormat(cmp.Or(m.ArtifactType, m.Config.MediaType))
		}
		ok = ok || anyType
		if layer.MediaType == typeInToto || layer.MediaType == typeEnvelope || strings.HasPrefix(layer.MediaType, typeBundlePrefix) {
			p.attested = true
			p.format, ok = promised(layer.Annotations, m.Annotations)
		}
		if scope := layer.Annotations[annotationScope]; scope != "" && scope != "all" {
			ok = false // describes a layer or path, not the image
		}
		if ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b part) int {
		return cmp.Or(cmp.Compare(Rank(a.format), Rank(b.format)), cmp.Compare(b.order, a.order))
	})
	return all
}

// promised returns the format of a predicate type in annotations. Without one an attestation
// may have any content.
func promised(annotations ...map[string]string) (sbom.Format, bool) {
	for _, a := range annotations {
		if t := predicateIn(a); t != "" {
			return predicateFormat(t)
		}
	}
	return "", true
}

// read returns a finding for each SBOM in the artifact, or one with the reason why there is
// none. It stops at the first usable SBOM unless all are wanted.
func (r *search) read(ctx context.Context, a artifact) []Finding {
	m, err := decodeManifest(a.manifest)
	if err != nil {
		return []Finding{a.failed(ctx, err)}
	}
	if m.Subject != nil && !r.isSubject(m.Subject.Digest.String()) {
		return []Finding{a.with(WrongSubject, "its subject is "+clip(m.Subject.Digest.String()))}
	}
	a.named = m.Subject != nil
	if a.bound && !a.named {
		return []Finding{a.with(WrongSubject, "it names no subject, though it is listed as a referrer")}
	}
	layers := a.parts
	if layers == nil {
		layers = parts(m, a.Carrier == CosignSBOM)
	}
	// BuildKit puts the image's SBOM first. SBOMs of build stages may follow, and their statements
	// name the image as well.
	firstOnly := a.Carrier == BuildKit || m.ArtifactType == typeBuildKit
	if firstOnly {
		slices.SortFunc(layers, func(a, b part) int { return cmp.Compare(a.order, b.order) })
	}
	var all []Finding
	for _, p := range layers {
		found, ok := r.readPart(ctx, a, p)
		if !ok {
			continue
		}
		all = append(all, found)
		if firstOnly || found.Result == Found && !r.all {
			break
		}
	}
	if len(all) == 0 {
		if a.Carrier == Referrer {
			return []Finding{a.with(UnknownType, typed(cmp.Or(m.ArtifactType, m.Config.MediaType), "it holds no SBOM of the image"))}
		}
		return []Finding{a.with(None, "the artifact holds no SBOM of the image")}
	}
	return all
}

func (a artifact) with(result Outcome, detail string) Finding {
	f := a.Finding
	f.Result, f.Detail = result, detail
	return f
}

func (a artifact) failed(ctx context.Context, err error) Finding {
	if e, ok := errors.AsType[*trustError](err); ok {
		return a.with(e.result, e.why)
	}
	return a.with(explain(ctx, err))
}

// readPart reads one layer; ok is false if it turns out not to be an SBOM.
func (r *search) readPart(ctx context.Context, a artifact, p part) (f Finding, ok bool) {
	a.MediaType, a.blob, a.Finding.attested = p.desc.MediaType, p.desc.Digest, p.attested
	if r.trust.restricted() && !p.attested {
		var err error
		repo, _ := a.store.(*repository)
		if a.Signature, err = r.trust.manifest(ctx, repo, a.Digest); err != nil {
			return a.failed(ctx, err), true
		}
		if a.Unbound = !a.named; a.Unbound && !r.trust.unbound {
			return a.with(Unbound, fmt.Sprintf("is signed by %s, but the signed bytes do not name the image: use a referrer or an attestation, or allow it (--allow-unbound, unbound = true in the policy)", a.By())), true
		}
	}
	data, err := p.data, error(nil)
	if data == nil {
		data, err = a.store.blob(ctx, p.desc, r.limits.SBOM)
	}
	if err != nil {
		return a.failed(ctx, err), true
	}
	if p.attested {
		s, by, err := r.attested(ctx, data)
		if err != nil {
			return a.failed(ctx, err), true
		}
		if _, ok := predicateFormat(s.PredicateType); !ok {
			return Finding{}, false
		}
		a.Signature = by
		if err := r.namesSubject(s, by); err != nil {
			return a.failed(ctx, err), true
		}
		if data, err = decodePredicate(s.Predicate); err != nil {
			return a.failed(ctx, err), true
		}
		if s.PredicateType == predicateCustom {
			if _, err := format.Identify(data); err != nil {
				return Finding{}, false
			}
		}
	}
	f = r.evaluate(ctx, a.Finding, data)
	if f.Unbound && f.Result == Found {
		r.warn(fmt.Sprintf("SBOM %s counts although the bytes that %s signed do not name the image", f.Reference, f.By()))
	}
	return f, true
}

// attested decodes an attestation and, if keys are given, verifies its signature.
func (r *search) attested(ctx context.Context, data []byte) (*statement, Signature, error) {
	var by Signature
	att, err := openAttestation(data)
	if err != nil {
		return nil, by, err
	}
	s, err := decodeStatement(att.payload)
	if err != nil {
		return nil, by, err
	}
	if r.trust.restricted() {
		by, err = r.trust.attestation(ctx, att, r.signedDigest(s))
	}
	return s, by, err
}

// signedDigest returns the digest in a statement to verify the signature for: the image's, or any if
// the image's is missing, so that the signer can be reported.
func (r *search) signedDigest(s *statement) string {
	digests := s.digests()
	if i := slices.IndexFunc(digests, r.isSubject); i >= 0 {
		return digests[i]
	}
	if len(digests) > 0 {
		return digests[0]
	}
	return r.Digest.String()
}

func (r *search) namesSubject(s *statement, by Signature) error {
	digests := s.digests()
	if slices.ContainsFunc(digests, r.isSubject) {
		return nil
	}
	of := "no digest"
	if len(digests) > 0 {
		of = clip(strings.Join(digests, ", "))
	}
	if by.By() != "" {
		return &trustError{WrongSubject, fmt.Sprintf("is signed by %s, but for %s", by.By(), of)}
	}
	return &trustError{WrongSubject, "its statement is about " + of}
}

// evaluate decodes an SBOM and checks whether it can describe the image.
func (r *search) evaluate(ctx context.Context, f Finding, data []byte) Finding {
	doc, err := format.Decode(bytes.NewReader(data), f.Reference)
	if err != nil {
		f.Result, f.Detail = Unreadable, clip(err.Error())
		return f
	}
	f.format = doc.Format
	bare, err := format.Unwrap(data)
	if err != nil {
		f.Result, f.Detail = Unreadable, clip(err.Error())
		return f
	}
	if f.Result, f.Detail = r.doubt(ctx, f.Carrier, doc); f.Result != "" {
		return f
	}
	f.Result, f.Detail, f.Document, f.SBOM = Found, "", doc, bare
	return f
}

// contradicts returns why a document without operating system packages is rejected, or "".
func (r *search) contradicts(ctx context.Context) string {
	if r.HasDatabase == nil {
		return "it lists no operating system package, and whether the image has a package database is not known"
	}
	has, err := r.HasDatabase(ctx)
	switch {
	case err != nil:
		return clip("it lists no operating system package, and looking for a package database in the image: " + err.Error())
	case has:
		return "it lists no operating system package, but the image has a package database"
	}
	return ""
}

// hash parses a digest; the zero Hash if it is invalid.
func hash(digest string) v1.Hash {
	h, err := v1.NewHash(digest)
	if err != nil {
		return v1.Hash{}
	}
	return h
}
