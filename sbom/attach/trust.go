package attach

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Trust is the set of accepted signers (docs/design.md, "Trust"). The zero value
// accepts unsigned SBOMs.
type Trust struct {
	Keys       []crypto.PublicKey // ECDSA P-256 or Ed25519
	Identities []Identity         // accepted certificate identities; see [Identity.Check]
	Verify     VerifyBundle       // verifies for Identities; nil: no trusted root, so no identity counts

	// Unbound accepts signatures whose signed bytes do not name the image, such as
	// over an SBOM in cosign's tag .sbom.
	Unbound bool
}

// Restricted reports whether only signed SBOMs count.
func (t Trust) Restricted() bool { return len(t.Keys)+len(t.Identities) > 0 }

// A Signature is the signer, as far as it was verified.
type Signature struct {
	SignedBy string    `toml:"signed-by,omitempty" json:"signed-by,omitempty"` // fingerprint of the key, "SHA256:…"
	Identity *Identity `toml:"identity,omitempty" json:"identity,omitempty"`   // issuer and subject of a certificate
}

// By names the signer for messages, or returns "" if there is no accepted one.
func (s Signature) By() string {
	if s.Identity != nil {
		return fmt.Sprintf("%s (%s)", s.Identity.Subject, s.Identity.Issuer)
	}
	return s.SignedBy
}

// errUnsigned is the reason why a recorded result of an earlier phase does not
// count.
var errUnsigned = errors.New("no key or identity of the policy signed it")

// Check returns an error if a signature recorded by another phase is not accepted. Without
// keys and identities, unsigned SBOMs are accepted.
func (t Trust) Check(s Signature) error {
	if !t.Restricted() {
		return nil
	}
	for _, key := range t.Keys {
		fingerprint, err := Fingerprint(key)
		if err != nil {
			return err
		}
		if fingerprint == s.SignedBy {
			return nil
		}
	}
	by := s.Identity
	if by != nil && slices.ContainsFunc(t.Identities, func(i Identity) bool { return i.Matches(by.Issuer, by.Subject) }) {
		return nil
	}
	return errUnsigned
}

// trust is a Trust prepared for verification.
type trust struct {
	keys       keyring
	identities []Identity
	verify     VerifyBundle
	unbound    bool
}

func newTrust(t Trust) (trust, error) {
	keys, err := newKeyring(t.Keys)
	if err != nil {
		return trust{}, err
	}
	for n, i := range t.Identities {
		if err := i.Check(); err != nil {
			return trust{}, fmt.Errorf("reading identity %d: %w", n+1, err)
		}
	}
	return trust{keys: keys, identities: t.Identities, verify: t.Verify, unbound: t.Unbound}, nil
}

func (t trust) restricted() bool { return len(t.keys)+len(t.identities) > 0 }

// attestation verifies the signature of an attestation about a digest.
func (t trust) attestation(ctx context.Context, a *attestation, digest string) (Signature, error) {
	if a.certified() && len(t.identities) > 0 {
		return t.certificate(ctx, a.bundle, digest)
	}
	if len(t.keys) == 0 {
		return Signature{}, &trustError{Unsigned, "has no Sigstore certificate, and only identities are accepted"}
	}
	by, err := t.keys.envelope(ctx, a.envelope)
	return Signature{SignedBy: by}, err
}

// manifest searches for a signature over a manifest.
func (t trust) manifest(ctx context.Context, repo *repository, digest v1.Hash) (Signature, error) {
	if repo == nil {
		return Signature{}, &trustError{Unsigned, "carries no signature"}
	}
	by, err := t.keys.manifest(ctx, repo, digest)
	if err == nil {
		return Signature{SignedBy: by}, nil
	}
	s, bundleErr := t.bundles(ctx, repo, digest)
	if bundleErr != nil && len(t.keys) > 0 {
		if e, ok := errors.AsType[*trustError](bundleErr); ok && e == errNoBundle {
			bundleErr = err
		}
	}
	return s, bundleErr
}

// A trustError is the reason why a signature does not make something count.
type trustError struct {
	result Outcome
	why    string
}

func (e *trustError) Error() string { return e.why }

func (r *search) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}
