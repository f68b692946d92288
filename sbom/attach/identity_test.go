package attach

import (
	"context"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
)

const (
	testIssuer  = "https://token.actions.example"
	testSubject = "https://github.example/acme/run-images/.github/workflows/publish.yml@refs/heads/main"
)

// An authorityOf verifies with the trusted root of one authority, in this process.
type authorityOf struct {
	*keylesstest.Authority
	t *testing.T
}

func newAuthority(t *testing.T) authorityOf {
	return authorityOf{keylesstest.New(), t}
}

func (a authorityOf) verify(ctx context.Context, bundle []byte, digest string) (keyless.Signer, error) {
	return sigstore.Verify(ctx, keyless.Request{TrustedRoot: a.TrustedRoot(), Bundle: bundle, Digest: digest})
}

func (a authorityOf) trust(identities ...Identity) Trust {
	return Trust{Identities: identities, Verify: a.verify}
}

// bundle attests a predicate about digests.
func (a authorityOf) bundle(s keylesstest.Signing, predicateType string, predicate any, digests ...string) []byte {
	s.Issuer, s.Subject = testIssuer, testSubject
	return a.Sign(keylesstest.Statement(predicateType, predicate, digests...), s)
}

// attest pushes a bundle as GitHub's attestations and cosign do.
func (w *world) attest(bundle []byte, predicateType string) {
	w.refer(w.subjectDesc(false), typeBundle, typeBundle, bundle, map[string]string{
		annotationBundleContent: "dsse-envelope", annotationBundlePredicate: predicateType, "org.opencontainers.image.created": "2026-11-01T00:00:00Z",
	})
}

var exactly = Identity{Issuer: testIssuer, Subject: testSubject}

func TestIdentities(t *testing.T) {
	a := newAuthority(t)
	cdx := fixtures(t)[sbom.CycloneDX]
	const predicate = predicateCycloneDX
	other := "sha256:" + strings.Repeat("2", 64)
	good := func(w *world) []byte {
		return a.bundle(keylesstest.Signing{}, predicate, raw(cdx), w.digest.String())
	}
	for name, c := range map[string]struct {
		trust  Trust
		bundle func(*world) []byte // nil: good
		want   Outcome
		detail string
	}{
		"exact":           {trust: a.trust(exactly), want: Found},
		"by patterns":     {trust: a.trust(Identity{IssuerPattern: `^https://token\.`, SubjectPattern: "^https://github.example/acme/run-images/.+$"}), want: Found},
		"the second":      {trust: a.trust(Identity{Issuer: testIssuer, Subject: "other"}, exactly), want: Found},
		"a key or this":   {trust: Trust{Keys: publicOf(ecdsaKey(t)), Identities: []Identity{exactly}, Verify: a.verify}, want: Found},
		"another subject": {trust: a.trust(Identity{Issuer: testIssuer, Subject: testSubject + "x"}), want: Unsigned, detail: "is signed by " + testSubject + " (" + testIssuer + "), which matches none of the given identities"},
		"another issuer":  {trust: a.trust(Identity{Issuer: "https://token.example", Subject: testSubject}), want: Unsigned, detail: "none of the given identities"},
		"a part of it":    {trust: a.trust(Identity{Issuer: testIssuer, Subject: testSubject[:20]}), want: Unsigned, detail: "none of the given identities"},
		"another pattern": {trust: a.trust(Identity{Issuer: testIssuer, SubjectPattern: "^https://github.example/other/"}), want: Unsigned, detail: "none of the given identities"},
		"no trusted root": {trust: Trust{Identities: []Identity{exactly}}, want: Unsigned, detail: "without Sigstore's trusted root"},
		"another's root":  {trust: newAuthority(t).trust(exactly), want: Unsigned, detail: "its certificate or signature is not valid"},
		"only a key":      {trust: Trust{Keys: publicOf(ecdsaKey(t))}, want: Unsigned, detail: "not by the key given"},
		"no SCT": {a.trust(exactly), func(w *world) []byte {
			return a.bundle(keylesstest.Signing{NoSCT: true}, predicate, raw(cdx), w.digest.String())
		}, Unsigned, "not valid"},
		"of another image": {a.trust(exactly), func(*world) []byte { return a.bundle(keylesstest.Signing{}, predicate, raw(cdx), other) }, WrongSubject, "is signed by " + testSubject},
		"by a key": {a.trust(exactly), func(w *world) []byte {
			return sigstoreBundle(t, ecdsaKey(t), inToto(t, statementV1, predicate, raw(cdx), w.digest.String()))
		}, Unsigned, "only identities are accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ggcrRegistry(true))
			bundle := c.bundle
			if bundle == nil {
				bundle = good
			}
			w.attest(bundle(w), predicate)
			r := must((&Finder{Trust: c.trust}).Find(shortCtx(t), w.subject()))(t)
			f := r.Searched[0]
			if f.Result != c.want || !strings.Contains(f.Detail, c.detail) {
				t.Fatalf("got %s %q, want %s %q", f.Result, f.Detail, c.want, c.detail)
			}
			if c.want != Found {
				return
			}
			source := r.Found
			if source.Identity == nil || *source.Identity != exactly || source.SignedBy != "" {
				t.Errorf("the report says it is signed by %v %q", source.Identity, source.SignedBy)
			}
			if err := c.trust.Check(source.Signature); err != nil {
				t.Errorf("a later phase: %v", err)
			}
			if err := a.trust(Identity{Issuer: testIssuer, Subject: "other"}).Check(source.Signature); err == nil {
				t.Error("a later phase with another identity believes it")
			}
		})
	}
}

// TestSignedArtifact: a declaration is signed by a bundle among its own referrers.
func TestSignedArtifact(t *testing.T) {
	a := newAuthority(t)
	key := ecdsaKey(t)
	declared := []byte(declaration)
	sign := signingPredicates[0]
	for name, c := range map[string]struct {
		trust  Trust
		bundle func(digest string) []byte
		counts bool
	}{
		"cosign's signature": {a.trust(exactly), func(d string) []byte { return a.bundle(keylesstest.Signing{}, sign, raw("{}"), d) }, true},
		"GitHub's provenance": {a.trust(exactly), func(d string) []byte {
			return a.bundle(keylesstest.Signing{}, signingPredicates[1], raw("{}"), d)
		}, true},
		"by a key":            {Trust{Keys: publicOf(key)}, func(d string) []byte { return sigstoreBundle(t, key, inToto(t, statementV1, sign, raw("{}"), d)) }, true},
		"by another key":      {Trust{Keys: publicOf(ecdsaKey(t))}, func(d string) []byte { return sigstoreBundle(t, key, inToto(t, statementV1, sign, raw("{}"), d)) }, false},
		"by another identity": {a.trust(Identity{Issuer: testIssuer, Subject: "other"}), func(d string) []byte { return a.bundle(keylesstest.Signing{}, sign, raw("{}"), d) }, false},
		"not valid":           {a.trust(exactly), func(d string) []byte { return a.bundle(keylesstest.Signing{NoSCT: true}, sign, raw("{}"), d) }, false},
		"something else": {a.trust(exactly), func(d string) []byte {
			return a.bundle(keylesstest.Signing{}, "https://cosign.sigstore.dev/attestation/vuln/v1", raw("{}"), d)
		}, false},
		"for another": {a.trust(exactly), func(string) []byte {
			return a.bundle(keylesstest.Signing{}, sign, raw("{}"), "sha256:"+strings.Repeat("2", 64))
		}, false},
		"with no trusted root": {Trust{Identities: []Identity{exactly}}, func(d string) []byte { return a.bundle(keylesstest.Signing{}, sign, raw("{}"), d) }, false},
	} {
		for kind, handler := range registries {
			t.Run(name+"/"+kind, func(t *testing.T) {
				w := newWorld(t, handler())
				d := w.refer(w.subjectDesc(false), DeclarationType, DeclarationType, declared, nil)
				w.refer(d, typeBundle, typeBundle, c.bundle(d.Digest.String()), nil)
				r := must((&Finder{Trust: c.trust}).Find(shortCtx(t), w.subject()))(t)
				if (r.Declaration != nil) != c.counts {
					t.Fatalf("the declaration counts: %t, want %t; %q", r.Declaration != nil, c.counts, r.Warnings)
				}
				if c.counts && (r.Declaration.By() == "" || c.trust.Check(r.Declaration.Signature) != nil) {
					t.Errorf("signed by %q", r.Declaration.By())
				}
			})
		}
	}
}

func TestIdentityCheck(t *testing.T) {
	for want, i := range map[string]Identity{
		`neither "issuer" nor "issuer-pattern"`:   {Subject: "x"},
		`neither "subject" nor "subject-pattern"`: {Issuer: "x"},
		`both "issuer" and "issuer-pattern"`:      {Issuer: "x", IssuerPattern: "x", Subject: "x"},
		`key "subject-pattern"`:                   {Issuer: "x", SubjectPattern: "("},
	} {
		if err := i.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", i, err, want)
		}
		if i.Matches("x", "x") {
			t.Errorf("%+v matches", i)
		}
	}
	if (Identity{Issuer: "x", SubjectPattern: ".*"}).Matches("x", "") {
		t.Error("a certificate without a subject matches")
	}
}

// raw is JSON as it stands.
type raw []byte

func (r raw) MarshalJSON() ([]byte, error) { return r, nil }
