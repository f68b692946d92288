// Package sigstore verifies bundles that a certificate of Sigstore signed. It is
// the only importer of sigstore-go's verifier, and only the program
// baseplan-verifier imports it: see package keyless, which starts that program.
//
// Start with [Verify]. It looks at no network and no clock: all keys come from a
// trusted root, and the time of the signature from a log or a timestamp authority.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package sigstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/baseplan/baseplan/sbom/keyless"
)

// Verify checks that a bundle holds an in-toto statement about a digest, signed
// with the key of a certificate, and tells whose certificate that is. One entry
// of a transparency log, one timestamp and one SCT in the certificate must be
// valid by the trusted root.
func Verify(_ context.Context, r keyless.Request) (keyless.Signer, error) {
	v, err := newVerifier(r.TrustedRoot)
	if err != nil {
		return keyless.Signer{}, err
	}
	var b bundle.Bundle
	if err := b.UnmarshalJSON(r.Bundle); err != nil {
		return keyless.Signer{}, fmt.Errorf("reading the bundle: %w", err)
	}
	algorithm, text, _ := strings.Cut(r.Digest, ":")
	digest, err := hex.DecodeString(text)
	if err != nil || len(digest) == 0 {
		return keyless.Signer{}, fmt.Errorf("reading digest %q: want algorithm:hex", r.Digest)
	}
	result, err := v.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest(algorithm, digest), verify.WithoutIdentitiesUnsafe())) // the caller matches identities
	if err != nil {
		return keyless.Signer{}, err
	}
	if result.Signature == nil || result.Signature.Certificate == nil || result.Statement == nil {
		return keyless.Signer{}, errors.New("it is not a statement that a certificate signed")
	}
	c := result.Signature.Certificate
	return keyless.Signer{Issuer: c.Issuer, Subject: c.SubjectAlternativeName}, nil
}

func newVerifier(trustedRoot []byte) (*verify.Verifier, error) {
	material, err := root.NewTrustedRootFromJSON(trustedRoot)
	if err != nil {
		return nil, fmt.Errorf("reading the trusted root: %w", err)
	}
	return verify.NewVerifier(material, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
}
