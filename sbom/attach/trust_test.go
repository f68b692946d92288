package attach

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/baseplan/baseplan/sbom"
)

// sigstoreBundle is a bundle as sigstore-go writes it.
func sigstoreBundle(t *testing.T, key crypto.Signer, statement []byte) []byte {
	t.Helper()
	var e dsse.Envelope
	check(t, json.Unmarshal(envelope(t, key, statement), &e))
	sig := must(base64.StdEncoding.DecodeString(e.Signatures[0].Sig))(t)
	b := must(bundle.NewBundle(&protobundle.Bundle{
		MediaType: typeBundle,
		VerificationMaterial: &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{
			PublicKey: &protocommon.PublicKeyIdentifier{Hint: "a hint"}}},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: typeInToto, Signatures: []*protodsse.Signature{{Sig: sig, Keyid: "a hint too"}}}},
	}))(t)
	return must(b.MarshalJSON())(t)
}

func publicOf(keys ...crypto.Signer) []crypto.PublicKey {
	var all []crypto.PublicKey
	for _, k := range keys {
		all = append(all, k.Public())
	}
	return all
}

// TestTrust signs with sigstore's libraries, in every way that counts.
func TestTrust(t *testing.T) {
	other := "sha256:" + strings.Repeat("2", 64)
	cdx := func(t *testing.T) json.RawMessage { return fixtures(t)[sbom.CycloneDX] }
	dashed := func(digest, suffix string) string { return strings.Replace(digest, ":", "-", 1) + suffix }
	ways := map[string]struct {
		carrier Carrier
		put     func(t *testing.T, w *world, key crypto.Signer, about string)
	}{
		".att": {CosignAttestation, func(t *testing.T, w *world, key crypto.Signer, about string) {
			w.cosignTag(dashed(w.digest.String(), ".att"), layerOf(envelope(t, key, inToto(t, statementV01, predicateCycloneDX, cdx(t), about)), typeEnvelope, map[string]string{"predicateType": predicateCycloneDX}))
		}},
		"bundle": {Referrer, func(t *testing.T, w *world, key crypto.Signer, about string) {
			w.refer(w.subjectDesc(false), typeBundle, typeBundle, sigstoreBundle(t, key, inToto(t, statementV1, predicateCycloneDX, cdx(t), about)), nil)
		}},
		"DSSE referrer": {Referrer, func(t *testing.T, w *world, key crypto.Signer, about string) {
			w.refer(w.subjectDesc(false), typeInToto, typeEnvelope, envelope(t, key, inToto(t, statementV1, predicateCycloneDX, cdx(t), about)), nil)
		}},
		".sbom with .sig": {CosignSBOM, func(t *testing.T, w *world, key crypto.Signer, about string) {
			d := w.cosignTag(dashed(w.digest.String(), ".sbom"), layerOf(cdx(t), sbom.CycloneDX.MediaType(), nil)).String()
			signed := d
			if about != w.digest.String() {
				signed = about
			}
			w.cosignTag(dashed(d, ".sig"), simpleSigned(t, key, signed))
		}},
		"artifact with .sig": {Referrer, func(t *testing.T, w *world, key crypto.Signer, about string) {
			d := w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), cdx(t), nil).Digest.String()
			signed := d
			if about != w.digest.String() {
				signed = about
			}
			w.cosignTag(dashed(d, ".sig"), simpleSigned(t, key, signed))
		}},
	}
	for way, c := range ways {
		for kind, key := range testKeys(t) {
			t.Run(way+"/"+kind, func(t *testing.T) {
				find := func(w *world, keys ...crypto.Signer) (*Result, Finding) {
					r := must((&Finder{Trust: Trust{Keys: publicOf(keys...), Unbound: true}}).Find(shortCtx(t), w.subject()))(t)
					for _, f := range r.Searched {
						if f.Carrier == c.carrier && f.Result != None {
							return r, f
						}
					}
					t.Fatalf("no word of %s: %v", c.carrier, r.Missing("run"))
					return nil, Finding{}
				}
				w := newWorld(t, ggcrRegistry(true))
				c.put(t, w, key, w.digest.String())
				stranger := ecdsaKey(t)
				fingerprint := must(Fingerprint(key.Public()))(t)
				if r, f := find(w, stranger, key); r.Found == nil || r.Found.SignedBy != fingerprint {
					t.Errorf("signed by a key given: got %s %q by %q", f.Result, f.Detail, f.SignedBy)
				}
				if r, f := find(w, stranger); r.Found != nil || f.Result != Unsigned || !strings.Contains(f.Detail, "not by the key given") {
					t.Errorf("wrongly signed: got %s %q", f.Result, f.Detail)
				}
				w = newWorld(t, ggcrRegistry(true))
				c.put(t, w, key, other)
				if r, f := find(w, key); r.Found != nil || f.Result != WrongSubject || !strings.Contains(f.Detail, "is signed by "+fingerprint+", but for "+other) {
					t.Errorf("signed for another: got %s %q", f.Result, f.Detail)
				}
			})
		}
	}
}

func TestUnsignedDoesNotCount(t *testing.T) {
	cases := carriedCases()
	f := &Finder{Trust: Trust{Keys: publicOf(ecdsaKey(t))}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, ggcrRegistry(true))
			c.put(t, w, false)
			r := must(f.Find(shortCtx(t), w.subject()))(t)
			if r.Found != nil {
				t.Fatalf("believed %s %s", r.Found.Carrier, r.Found.Reference)
			}
			said := 0
			for _, f := range r.Searched {
				if f.Result == Unsigned && f.Detail != "" {
					said++
				}
			}
			if said == 0 {
				t.Errorf("want an unsigned carrier in the report, got %v", r.Missing("run"))
			}
		})
	}
}

// TestUnbound replays the signed SBOM of one image as another's.
func TestUnbound(t *testing.T) {
	key := ecdsaKey(t)
	fingerprint := must(Fingerprint(key.Public()))(t)
	w := newWorld(t, ggcrRegistry(true))
	d := w.cosignTag(strings.Replace(w.digest.String(), ":", "-", 1)+".sbom", layerOf(fixtures(t)[sbom.CycloneDX], sbom.CycloneDX.MediaType(), nil)).String()
	w.cosignTag(strings.Replace(d, ":", "-", 1)+".sig", simpleSigned(t, key, d))
	find := func(trust Trust) (*Result, Finding) {
		r := must((&Finder{Trust: trust}).Find(shortCtx(t), w.subject()))(t)
		i := slices.IndexFunc(r.Searched, func(f Finding) bool { return f.Carrier == CosignSBOM })
		return r, r.Searched[i]
	}
	r, f := find(Trust{Keys: publicOf(key)})
	if r.Found != nil || f.Result != Unbound || !strings.Contains(f.Detail, "is signed by "+fingerprint) || !strings.Contains(f.Detail, "unbound = true") {
		t.Errorf("with a key: got %s %q", f.Result, f.Detail)
	}
	r, f = find(Trust{Keys: publicOf(ecdsaKey(t)), Unbound: true})
	if r.Found != nil || f.Result != Unsigned {
		t.Errorf("allowed, with another key: got %s %q", f.Result, f.Detail)
	}
	r, f = find(Trust{Keys: publicOf(key), Unbound: true})
	if f.Result != Found || !f.Unbound || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "do not name the image") {
		t.Errorf("allowed: got %s %q, unbound %t, warnings %q", f.Result, f.Detail, f.Unbound, r.Warnings)
	}
	if r.Found == nil || !r.Found.Unbound || r.Found.By() != fingerprint {
		t.Errorf("allowed: found %+v, want what a later phase needs to refuse it", r.Found)
	}
	if r, _ = find(Trust{}); r.Found == nil || r.Found.Unbound || len(r.Warnings) != 0 {
		t.Errorf("without keys: got %v, warnings %q", r.Missing("run"), r.Warnings)
	}
}

// TestTrustRecorded: a signature that another phase recorded counts only under the keys of this one.
func TestTrustRecorded(t *testing.T) {
	ours, theirs := ecdsaKey(t), ecdsaKey(t)
	by := func(key crypto.Signer) Signature { return Signature{SignedBy: must(Fingerprint(key.Public()))(t)} }
	trust := Trust{Keys: publicOf(ours)}
	for name, c := range map[string]struct {
		trust  Trust
		by     Signature
		counts bool
	}{
		"no keys":   {Trust{}, Signature{}, true},
		"unsigned":  {trust, Signature{}, false},
		"ours":      {trust, by(ours), true},
		"another's": {trust, by(theirs), false},
	} {
		if err := c.trust.Check(c.by); (err == nil) != c.counts {
			t.Errorf("%s: got %v, want that it counts: %t", name, err, c.counts)
		}
	}
}

// A signature stands for the bytes that were signed and for nothing else.
func TestTamperedEnvelope(t *testing.T) {
	key := ecdsaKey(t)
	ring := must(newKeyring(publicOf(key)))(t)
	var e dsse.Envelope
	check(t, json.Unmarshal(envelope(t, key, inToto(t, statementV1, predicateSPDX, map[string]string{}, "sha256:00")), &e))
	if _, err := ring.envelope(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	for name, tamper := range map[string]func(*dsse.Envelope){
		"payload": func(e *dsse.Envelope) { e.Payload = base64.StdEncoding.EncodeToString([]byte("{}")) },
		"type":    func(e *dsse.Envelope) { e.PayloadType = "text/plain" },
		"none":    func(e *dsse.Envelope) { e.Signatures = nil },
		"empty":   func(e *dsse.Envelope) { e.Signatures = []dsse.Signature{{}} },
	} {
		bad := e
		tamper(&bad)
		if by, err := ring.envelope(t.Context(), &bad); err == nil {
			t.Errorf("%s: accepted, by %s", name, by)
		}
	}
}

func TestParseKeys(t *testing.T) {
	var pem []byte
	for _, key := range testKeys(t) {
		pem = append(pem, must(cryptoutils.MarshalPublicKeyToPEM(key.Public()))(t)...)
	}
	if keys := must(ParseKeys(pem, "keys.pem"))(t); len(keys) != 2 {
		t.Errorf("got %d keys, want 2", len(keys))
	}
	private := must(cryptoutils.MarshalPrivateKeyToPEM(ecdsaKey(t)))(t)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing": {[]byte("hello"), `no PEM block "PUBLIC KEY"`},
		"private": {private, "use the public key"},
		"P-384":   {must(cryptoutils.MarshalPublicKeyToPEM(p384.Public()))(t), "want P-256"},
		"RSA":     {must(cryptoutils.MarshalPublicKeyToPEM(rsaKey.Public()))(t), "want ECDSA P-256 or Ed25519"},
	} {
		if _, err := ParseKeys(c.data, "keys.pem"); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "keys.pem") {
			t.Errorf("%s: got %v, want %q with the name", name, err, c.want)
		}
	}
}

func TestParseSigner(t *testing.T) {
	password := func(bool) ([]byte, error) { return []byte("secret"), nil }
	private, public, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), password) // as cosign generates it
	check(t, err)
	s := must(ParseSigner(private, "cosign.key", func() ([]byte, error) { return []byte("secret"), nil }))(t)
	if got := must(cryptoutils.MarshalPublicKeyToPEM(s.Public()))(t); !bytes.Equal(got, public) {
		t.Error("another key came out than went in")
	}
	if _, err := ParseSigner(private, "cosign.key", func() ([]byte, error) { return []byte("wrong"), nil }); err == nil {
		t.Error("a wrong password was accepted")
	}
	if _, err := ParseSigner(private, "cosign.key", nil); err == nil {
		t.Error("an encrypted key was read without a password")
	}
}
