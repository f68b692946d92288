package attach

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/baseplan/baseplan/sbom"
)

// ParseSigner parses a private key in PEM: PKCS #8, SEC 1, or encrypted by cosign. The
// password function is called only for an encrypted key; if it is nil, such a key is rejected.
// The name is used in errors.
func ParseSigner(data []byte, name string, password func() ([]byte, error)) (crypto.Signer, error) {
	var ask cryptoutils.PassFunc
	if password != nil {
		ask = func(bool) ([]byte, error) { return password() }
	}
	key, err := cryptoutils.UnmarshalPEMToPrivateKey(data, ask)
	if err != nil {
		return nil, fmt.Errorf("reading a private key from %s: %w", name, err)
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("reading a private key from %s: a key of type %T cannot sign", name, key)
	}
	if err := checkKey(s.Public()); err != nil {
		return nil, fmt.Errorf("reading a private key from %s: %w", name, err)
	}
	return s, nil
}

// A signer signs statements, and recognizes statements that it signed before.
type signer struct {
	signature.Signer
	public crypto.PublicKey
	own    keyring
}

func newSigner(key crypto.Signer) (*signer, error) {
	own, err := newKeyring([]crypto.PublicKey{key.Public()})
	if err != nil {
		return nil, fmt.Errorf("loading the signing key: %w", err)
	}
	s, err := signature.LoadSigner(key, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("loading the signing key: %w", err)
	}
	return &signer{s, key.Public(), own}, nil
}

// envelope signs a statement.
func (s *signer) envelope(statement []byte) ([]byte, error) {
	data, err := sigdsse.WrapSigner(s.Signer, typeInToto).SignMessage(bytes.NewReader(statement))
	if err != nil {
		return nil, fmt.Errorf("signing a statement: %w", err)
	}
	return data, nil
}

// bundle wraps an envelope in a Sigstore bundle v0.3.
func (s *signer) bundle(envelope []byte) ([]byte, error) {
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, err
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return nil, err
	}
	sig, err := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(s.public)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(der)
	data, err := protojson.Marshal(&protobundle.Bundle{
		MediaType: typeBundle,
		VerificationMaterial: &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{
			PublicKey: &protocommon.PublicKeyIdentifier{Hint: base64.StdEncoding.EncodeToString(id[:])}}},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: payload, PayloadType: e.PayloadType, Signatures: []*protodsse.Signature{{Sig: sig}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a Sigstore bundle: %w", err)
	}
	var compact bytes.Buffer // protojson's white space is deliberately unstable
	err = json.Compact(&compact, data)
	return compact.Bytes(), err
}

// signed reports whether data is the statement, signed by this key.
func (s *signer) signed(ctx context.Context, data, statement []byte) bool {
	att, err := openAttestation(data)
	if err != nil || !bytes.Equal(att.payload, statement) {
		return false
	}
	_, err = s.own.envelope(ctx, att.envelope)
	return err == nil
}

// statement returns a statement that binds the SBOM to the image.
func (p *plan) statement(version string, d document) ([]byte, error) {
	data, err := json.Marshal(statement{
		Type:          version,
		Subject:       []statementSubject{{Name: p.target.Ref.Context().Name(), Digest: map[string]string{p.target.Digest.Algorithm: p.target.Digest.Hex}}},
		PredicateType: predicateOf(d.format),
		Predicate:     d.data,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding an in-toto statement: %w", err)
	}
	return data, nil
}

// bundle creates a signed document's referrer unless the same key has already signed the same
// statement: signatures are not deterministic.
func (p *plan) bundle(ctx context.Context, to *publisher, listed *referrerList, d document) (*packed, *v1.Hash, error) {
	statement, err := p.statement(statementV1, d)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range listed.entries {
		if hasType(r) && r.ArtifactType != typeBundle {
			continue
		}
		if t := r.Annotations[annotationBundlePredicate]; t != "" && t != predicateOf(d.format) {
			continue
		}
		if p.isSignedReferrer(ctx, to, r, statement) {
			h := hash(r.Digest.String())
			return nil, &h, nil
		}
	}
	envelope, err := p.signer.envelope(statement)
	if err != nil {
		return nil, nil, err
	}
	data, err := p.signer.bundle(envelope)
	if err != nil {
		return nil, nil, err
	}
	a, err := p.pack(typeBundle, blobOf(typeBundle, data), d.created, map[string]string{
		annotationBundleContent:   "dsse-envelope",
		annotationBundlePredicate: predicateOf(d.format),
	})
	return a, nil, err
}

func (p *plan) isSignedReferrer(ctx context.Context, to *publisher, r ocispec.Descriptor, statement []byte) bool {
	_, raw, err := to.repo.manifest(ctx, r.Digest.String())
	if err != nil {
		return false
	}
	m, err := decodeManifest(raw)
	if err != nil || m.ArtifactType != typeBundle {
		return false
	}
	return slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool {
		data, err := to.repo.blob(ctx, l, to.repo.limits.SBOM)
		return err == nil && p.signer.signed(ctx, data, statement)
	})
}

// publishTags attaches SBOMs as cosign does: to .att if signed, else .sbom.
func (p *plan) publishTags(ctx context.Context, to *publisher) ([]Attached, error) {
	var all []Attached
	if p.signer == nil {
		if len(p.documents) == 0 {
			return nil, nil
		}
		tag := digestTag(p.target.Digest, sbomTagSuffix)
		at, changed, err := to.mergeInto(ctx, tag, p.sbomTag())
		for _, d := range p.documents {
			all = append(all, p.attached("sbom", d.format, to.repo.tagged(tag), at, changed))
		}
		return all, err
	}
	if len(p.documents) == 0 {
		return nil, nil
	}
	var layers []layerToAdd
	for _, d := range p.documents {
		l, err := p.attestationLayer(ctx, to, d)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	tag := digestTag(p.target.Digest, attestationTagSuffix)
	at, changed, err := to.mergeInto(ctx, tag, appendLayers(layers...))
	for _, d := range p.documents {
		all = append(all, p.attached("sbom", d.format, to.repo.tagged(tag), at, changed))
	}
	return all, err
}

// sbomTag adds each document to the tag, replacing one of its media type. Once written, it
// does not replace that of a concurrent publisher.
func (p *plan) sbomTag() merge {
	written := false
	return func(old *tagged) (*packed, error) {
		layers, err := old.layers()
		if err != nil {
			return nil, err
		}
		var blobs []packedBlob
		for _, d := range p.documents {
			b := blobOf(d.format.MediaType(), d.data)
			i := slices.IndexFunc(layers, func(l ocispec.Descriptor) bool { return l.MediaType == b.desc.MediaType })
			switch {
			case i >= 0 && (written || layers[i].Digest == b.desc.Digest):
				continue
			case i >= 0:
				layers[i] = b.desc
			default:
				layers = append(layers, b.desc)
			}
			blobs = append(blobs, b)
		}
		written = true
		if len(blobs) == 0 {
			return nil, nil
		}
		return packCosign(layers, blobs)
	}
}

// attestationLayer returns a signed statement for the tag unless the tag already has it.
func (p *plan) attestationLayer(ctx context.Context, to *publisher, d document) (layerToAdd, error) {
	statement, err := p.statement(statementV01, d)
	if err != nil {
		return layerToAdd{}, err
	}
	envelope, err := p.signer.envelope(statement)
	if err != nil {
		return layerToAdd{}, err
	}
	if err := checkSize(envelope); err != nil {
		return layerToAdd{}, fmt.Errorf("packing an attestation: %w", err)
	}
	b := blobOf(typeEnvelope, envelope)
	b.desc.Annotations = map[string]string{annotationCosignPredicate: predicateOf(d.format)}
	return layerToAdd{b, func(l ocispec.Descriptor) bool {
		if l.Annotations[annotationCosignPredicate] != predicateOf(d.format) {
			return false
		}
		data, err := to.repo.blob(ctx, l, to.repo.limits.SBOM)
		return err == nil && p.signer.signed(ctx, data, statement)
	}}, nil
}

// sign adds cosign's signature over a manifest to its tag .sig.
func (p *plan) sign(ctx context.Context, to *publisher, of v1.Hash) (Attached, error) {
	var claim simpleSigning
	claim.Critical.Identity.Reference = p.target.Ref.Context().Name()
	claim.Critical.Image.Digest = of.String()
	claim.Critical.Type = simpleSigningType
	payload, err := json.Marshal(claim)
	if err != nil {
		return Attached{}, fmt.Errorf("encoding a signature: %w", err)
	}
	sig, err := p.signer.SignMessage(bytes.NewReader(payload))
	if err != nil {
		return Attached{}, fmt.Errorf("signing %s: %w", of, err)
	}
	b := blobOf(typeSimpleSigning, payload)
	b.desc.Annotations = map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(sig)}
	tag := digestTag(of, signatureTagSuffix)
	at, changed, err := to.mergeInto(ctx, tag, appendLayers(layerToAdd{b, func(l ocispec.Descriptor) bool {
		_, err := p.signer.own.simple(ctx, to.repo, l, of.String())
		return err == nil
	}}))
	return p.attached("signature", sbom.Format(""), to.repo.tagged(tag), at, changed), err
}

// A layerToAdd is a layer to add to a tag unless an existing layer is equivalent.
type layerToAdd struct {
	packedBlob
	equals func(ocispec.Descriptor) bool
}

// appendLayers appends layers to a tag, except existing ones.
func appendLayers(add ...layerToAdd) merge {
	for i, l := range add {
		add[i].equals = remember(l)
	}
	return func(old *tagged) (*packed, error) {
		layers, err := old.layers()
		if err != nil {
			return nil, err
		}
		var blobs []packedBlob
		for _, l := range add {
			if !slices.ContainsFunc(layers, l.equals) {
				layers, blobs = append(layers, l.desc), append(blobs, l.packedBlob)
			}
		}
		if len(blobs) == 0 {
			return nil, nil
		}
		if len(layers) > maxLayers {
			return nil, fmt.Errorf("it is full: the limit is %d layers", maxLayers)
		}
		return packCosign(layers, blobs)
	}
}

// remember caches the answers for layers of a tag that is read repeatedly.
func remember(l layerToAdd) func(ocispec.Descriptor) bool {
	known := map[digest.Digest]bool{l.desc.Digest: true}
	return func(d ocispec.Descriptor) bool {
		if _, ok := known[d.Digest]; !ok {
			known[d.Digest] = l.equals(d)
		}
		return known[d.Digest]
	}
}
