package attach

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
	"oras.land/oras-go/v2/errdef"
)

// Cosign's signatures (specs/SIGNATURE_SPEC.md of sigstore/cosign).
const (
	typeSimpleSigning   = "application/vnd.dev.cosign.simplesigning.v1+json"
	annotationSignature = "dev.cosignproject.cosign/signature"
	simpleSigningType   = "cosign container image signature"

	maxSignatures        = 16
	maxSignedPayload     = 64 << 10
	signatureTagSuffix   = ".sig"
	sbomTagSuffix        = ".sbom"
	attestationTagSuffix = ".att"
)

// ParseKeys parses public keys in PEM: one or more "PUBLIC KEY" blocks, ECDSA P-256 or
// Ed25519. The name is used in errors.
func ParseKeys(data []byte, name string) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE") {
			return nil, fmt.Errorf("reading public keys from %s: it contains a private key; use the public key", name)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading public keys from %s: a block %q: %w", name, block.Type, err)
		}
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("reading public keys from %s: %w", name, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("reading public keys from %s: it has no PEM block \"PUBLIC KEY\"", name)
	}
	return keys, nil
}

func checkKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
		return fmt.Errorf("an ECDSA key on curve %s: want P-256, or Ed25519", k.Curve.Params().Name)
	}
	return fmt.Errorf("a key of type %T: want ECDSA P-256 or Ed25519", key)
}

// Fingerprint returns a public key's fingerprint as ssh-keygen does: "SHA256:" and the digest
// in base64.
func Fingerprint(key crypto.PublicKey) (string, error) {
	id, err := dsse.SHA256KeyID(key)
	if err != nil {
		return "", fmt.Errorf("computing a key's fingerprint: %w", err)
	}
	return id, nil
}

type trustedKey struct {
	public      crypto.PublicKey
	verifier    signature.Verifier
	fingerprint string
}

// A keyring is the set of accepted keys; empty: everything is accepted.
type keyring []trustedKey

func newKeyring(keys []crypto.PublicKey) (keyring, error) {
	var ring keyring
	seen := map[string]bool{}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("loading a public key: %w", err)
		}
		fingerprint, err := Fingerprint(key)
		if err != nil {
			return nil, err
		}
		if seen[fingerprint] {
			continue
		}
		seen[fingerprint] = true
		verifier, err := signature.LoadVerifier(key, crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("loading public key %s: %w", fingerprint, err)
		}
		ring = append(ring, trustedKey{key, verifier, fingerprint})
	}
	return ring, nil
}

func (k keyring) wrongKey() error {
	if len(k) == 1 {
		return &trustError{Unsigned, "is signed, but not by the key given, " + k[0].fingerprint}
	}
	return &trustError{Unsigned, fmt.Sprintf("is signed, but by none of the %d keys given", len(k))}
}

// envelope verifies a DSSE envelope and returns the fingerprint of its key.
func (k keyring) envelope(ctx context.Context, e *dsse.Envelope) (string, error) {
	if e == nil || len(e.Signatures) == 0 {
		return "", &trustError{Unsigned, "carries no signature"}
	}
	if len(e.Signatures) > maxSignatures {
		return "", unreadable("%d signatures on one envelope are over the limit of %d", len(e.Signatures), maxSignatures)
	}
	bare := *e
	bare.Signatures = nil
	for _, s := range e.Signatures {
		bare.Signatures = append(bare.Signatures, dsse.Signature{Sig: s.Sig}) // the key ID is dropped: it is not signed
	}
	for _, key := range k {
		v, err := dsse.NewEnvelopeVerifier(&sigdsse.VerifierAdapter{SignatureVerifier: key.verifier, Pub: key.public})
		if err != nil {
			return "", err
		}
		if _, err := v.Verify(ctx, &bare); err == nil {
			return key.fingerprint, nil
		}
	}
	return "", k.wrongKey()
}

// message verifies a signature over plain bytes.
func (k keyring) message(sig, message []byte) (string, error) {
	for _, key := range k {
		if key.verifier.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message)) == nil {
			return key.fingerprint, nil
		}
	}
	return "", k.wrongKey()
}

// simpleSigning is the payload that cosign signs: a claim about a manifest's digest.
type simpleSigning struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

func decodeSimpleSigning(payload []byte) (digest string, err error) {
	var s simpleSigning
	if err := json.Unmarshal(payload, &s); err != nil {
		return "", fmt.Errorf("reading a cosign signature's payload: %w", err)
	}
	if s.Critical.Type != simpleSigningType {
		return "", unreadable("reading a cosign signature's payload: its type is %q, not %q", clip(s.Critical.Type), simpleSigningType)
	}
	return s.Critical.Image.Digest, nil
}

// manifest verifies cosign's signature over a manifest and returns the fingerprint of its key.
func (k keyring) manifest(ctx context.Context, repo *repository, digest v1.Hash) (string, error) {
	if len(k) == 0 {
		return "", &trustError{Unsigned, "carries no signature"}
	}
	tag := digestTag(digest, signatureTagSuffix)
	_, data, err := repo.manifest(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return "", &trustError{Unsigned, "carries no signature: there is no tag " + tag}
	}
	if err != nil {
		return "", err
	}
	layers, err := decodeManifest(data)
	if err != nil {
		return "", fmt.Errorf("reading signatures in tag %s: %w", tag, err)
	}
	worst := error(&trustError{Unsigned, "carries no signature: none is in tag " + tag})
	for i, layer := range layers.Layers {
		if i == maxSignatures {
			break
		}
		by, err := k.simple(ctx, repo, layer, digest.String())
		if err == nil {
			return by, nil
		}
		if e, ok := errors.AsType[*trustError](err); !ok || e.result == WrongSubject || i == 0 {
			worst = err
		}
	}
	return "", worst
}

// simple verifies one signature layer: first the signature, then the payload.
func (k keyring) simple(ctx context.Context, repo *repository, layer ocispec.Descriptor, digest string) (string, error) {
	if layer.MediaType != typeSimpleSigning {
		return "", &trustError{Unsigned, "has no supported signature: " + clip(layer.MediaType)}
	}
	sig, err := base64.StdEncoding.DecodeString(layer.Annotations[annotationSignature])
	if err != nil || len(sig) == 0 {
		return "", &trustError{Unsigned, "carries no signature: annotation " + annotationSignature + " is not one"}
	}
	payload, err := repo.blob(ctx, layer, maxSignedPayload)
	if err != nil {
		return "", err
	}
	by, err := k.message(sig, payload)
	if err != nil {
		return "", err
	}
	signed, err := decodeSimpleSigning(payload)
	if err != nil {
		return "", err
	}
	if signed != digest {
		return "", &trustError{WrongSubject, fmt.Sprintf("is signed by %s, but for %s", by, clip(signed))}
	}
	return by, nil
}
