package attach

import (
	"context"
	"fmt"
	"regexp"

	"github.com/baseplan/baseplan/sbom/keyless"
)

// An Identity matches certificates by issuer and subject. In a [Signature] it is the signer,
// with Issuer and Subject set. Patterns are regular expressions that match anywhere, as
// cosign's do; use ^ and $ to anchor them.
type Identity struct {
	Issuer         string `toml:"issuer,omitempty" json:"issuer,omitempty"`                   // URL of the identity provider
	IssuerPattern  string `toml:"issuer-pattern,omitempty" json:"issuer-pattern,omitempty"`   // instead of issuer
	Subject        string `toml:"subject,omitempty" json:"subject,omitempty"`                 // an email address or a URI, such as a workflow's
	SubjectPattern string `toml:"subject-pattern,omitempty" json:"subject-pattern,omitempty"` // instead of subject
}

// Check returns an error if a key is missing or invalid.
func (i Identity) Check() error {
	for _, part := range []struct{ key, exact, pattern string }{
		{"issuer", i.Issuer, i.IssuerPattern}, {"subject", i.Subject, i.SubjectPattern},
	} {
		switch {
		case part.exact == "" && part.pattern == "":
			return fmt.Errorf("neither %q nor %q is set", part.key, part.key+"-pattern")
		case part.exact != "" && part.pattern != "":
			return fmt.Errorf("both %q and %q are set: choose one", part.key, part.key+"-pattern")
		}
		if _, err := regexp.Compile(part.pattern); err != nil {
			return fmt.Errorf("key %q: %w", part.key+"-pattern", err)
		}
	}
	return nil
}

// Matches reports whether the identity matches a signer.
func (i Identity) Matches(issuer, subject string) bool {
	return i.Check() == nil && matches(i.Issuer, i.IssuerPattern, issuer) && matches(i.Subject, i.SubjectPattern, subject)
}

func matches(exact, pattern, value string) bool {
	if pattern == "" {
		return value != "" && value == exact
	}
	matched, err := regexp.MatchString(pattern, value)
	return err == nil && matched && value != ""
}

// errNoRoot is the reason why no identity can count.
var errNoRoot = &trustError{Unsigned, "is signed with a certificate, which cannot be verified without Sigstore's trusted root (CNB_TRUSTED_ROOT, trusted-root in the policy, --trusted-root)"}

// certificate verifies a bundle that was signed with a certificate.
func (t trust) certificate(ctx context.Context, bundle []byte, digest string) (Signature, error) {
	if t.verify == nil {
		return Signature{}, errNoRoot
	}
	signer, err := t.verify(ctx, bundle, digest)
	if ctx.Err() != nil {
		return Signature{}, context.Cause(ctx)
	}
	if err != nil {
		return Signature{}, &trustError{Unsigned, "its certificate or signature is not valid: " + clip(err.Error())}
	}
	for _, i := range t.identities {
		if i.Matches(signer.Issuer, signer.Subject) {
			return Signature{Identity: &Identity{Issuer: signer.Issuer, Subject: signer.Subject}}, nil
		}
	}
	return Signature{}, &trustError{Unsigned, fmt.Sprintf("is signed by %s (%s), which matches none of the given identities", clip(signer.Subject), clip(signer.Issuer))}
}

// A VerifyBundle verifies the certificate and signature of a Sigstore bundle for a digest,
// like [keyless.Program.Verify].
type VerifyBundle func(ctx context.Context, bundle []byte, digest string) (keyless.Signer, error)
