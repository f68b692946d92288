package attach

import (
	"context"
	"fmt"
	"regexp"

	"github.com/baseplan/baseplan/sbom/keyless"
)

// An Identity is whose certificates count, and in a [Signature] whose
// certificate it was: there Issuer and Subject are set. A pattern is a regular
// expression and matches anywhere, as cosign's do: ^ and $ bind it.
type Identity struct {
	Issuer         string `toml:"issuer,omitempty" json:"issuer,omitempty"`                   // who vouches for the subject, a URL
	IssuerPattern  string `toml:"issuer-pattern,omitempty" json:"issuer-pattern,omitempty"`   // instead of issuer
	Subject        string `toml:"subject,omitempty" json:"subject,omitempty"`                 // an address or a URI, as that of a workflow
	SubjectPattern string `toml:"subject-pattern,omitempty" json:"subject-pattern,omitempty"` // instead of subject
}

// Check says which key an identity lacks, or has wrongly.
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

// Matches reports whether a signer is the one meant.
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

// errNoRoot is why an identity cannot count.
var errNoRoot = &trustError{Unsigned, "is signed with a certificate, which nothing verifies here: give Sigstore's trusted root (CNB_TRUSTED_ROOT, trusted-root in the policy, --trusted-root)"}

// certificate checks a bundle that a certificate signed.
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
	return Signature{}, &trustError{Unsigned, fmt.Sprintf("is signed by %s (%s), which is none of the identities given", clip(signer.Subject), clip(signer.Issuer))}
}

// A VerifyBundle verifies that a certificate signed a Sigstore bundle about a
// digest, as [keyless.Program.Verify] does.
type VerifyBundle func(ctx context.Context, bundle []byte, digest string) (keyless.Signer, error)
