// Package keylesstest is a Sigstore for tests. Start with [New]: an [Authority] issues
// certificates, logs them, and signs as GitHub's attestations and cosign do. Functions panic if something
// cannot be made, which is an error in the test.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package keylesstest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	ct "github.com/google/certificate-transparency-go"
	cttls "github.com/google/certificate-transparency-go/tls"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
	"google.golang.org/protobuf/encoding/protojson"
)

// BundleType is the media type of the bundles.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// An Authority is a certificate authority, a log of certificates, a log of
// signatures and a timestamp authority. Make one with New.
type Authority struct {
	*ca.VirtualSigstore // the log of signatures, and timestamps

	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey // the intermediate's
	ctKey              *ecdsa.PrivateKey
}

// New makes an authority.
func New() *Authority {
	a := &Authority{VirtualSigstore: must(ca.NewVirtualSigstore()), ctKey: newKey()}
	rootCert, rootKey, err := ca.GenerateRootCa()
	check(err)
	a.root = rootCert
	a.intermediate, a.key, err = ca.GenerateFulcioIntermediate(rootCert, rootKey)
	check(err)
	return a
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("keylesstest: %v", err))
	}
}

// TrustedRoot is the authority's trusted root as JSON.
func (a *Authority) TrustedRoot() []byte {
	id := keyID(a.ctKey.Public())
	now := time.Now()
	log := &root.TransparencyLog{
		BaseURL: "https://ct.example", ID: id, ValidityPeriodStart: now.Add(-time.Hour), ValidityPeriodEnd: now.Add(time.Hour),
		HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256, PublicKey: a.ctKey.Public(),
	}
	rekor := a.RekorLogs()
	for id, l := range rekor {
		l.ID = must(hex.DecodeString(id))
	}
	authority := &root.FulcioCertificateAuthority{
		Root: a.root, Intermediates: []*x509.Certificate{a.intermediate}, URI: "https://ca.example",
		ValidityPeriodStart: now.Add(-time.Hour), ValidityPeriodEnd: now.Add(time.Hour),
	}
	trusted := must(root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority},
		map[string]*root.TransparencyLog{hex.EncodeToString(id): log}, a.TimestampingAuthorities(), rekor))
	return must(trusted.MarshalJSON())
}

// A Signing is how something is signed, with everything that can be wrong with it.
type Signing struct {
	Issuer, Subject string
	Certificate     *Authority    // that issues the certificate; nil: the authority itself
	SCT             *Authority    // that logs the certificate; nil: the authority itself
	NoSCT           bool          // nobody does
	Log             *Authority    // that logs the signature; nil: the authority itself
	NoLog           bool          // nobody does
	OtherEntry      bool          // the entry is of another signature
	LoggedAfter     time.Duration // the certificate was issued
	Timestamp       *Authority    // that gives a timestamp besides the log's; nil: nobody
	NoLoggedTime    bool          // the log tells no time, as Rekor 2 does
}

// Sign signs an in-toto statement and gives the bundle as JSON.
func (a *Authority) Sign(statement []byte, s Signing) []byte {
	issuer, logger, log := cmp.Or(s.Certificate, a), cmp.Or(s.SCT, a), cmp.Or(s.Log, a)
	if s.NoSCT {
		logger = nil
	}
	key := newKey()
	leaf := issuer.leaf(s, key, logger)
	envelope, sig := sign(key, statement)
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: leaf.Raw}},
	}
	if !s.NoLog {
		logged, loggedSig := envelope, sig
		if s.OtherEntry {
			logged, loggedSig = sign(key, append([]byte(" "), statement...))
		}
		entry := log.entry(leaf, logged, loggedSig, leaf.NotBefore.Add(s.LoggedAfter))
		if s.NoLoggedTime {
			entry.IntegratedTime, entry.InclusionPromise = 0, nil
		}
		material.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
	}
	if s.Timestamp != nil {
		stamp := must(s.Timestamp.TimestampResponse(sig))
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp}}}
	}
	return must(protojson.Marshal(&protobundle.Bundle{
		MediaType: BundleType, VerificationMaterial: material,
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: envelope.PayloadType, Signatures: []*protodsse.Signature{{Sig: sig}},
		}},
	}))
}

// entry is what the log of signatures has of one.
func (a *Authority) entry(leaf *x509.Certificate, e *dsse.Envelope, sig []byte, at time.Time) *protorekor.TransparencyLogEntry {
	out := must(a.GenerateTlogEntry(leaf, e, sig, at.Unix(), true)).TransparencyLogEntry()
	var head struct{ Kind, APIVersion string }
	check(json.Unmarshal(out.CanonicalizedBody, &head))
	out.KindVersion = &protorekor.KindVersion{Kind: head.Kind, Version: head.APIVersion}
	out.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: must(a.RekorSignPayload(tlog.RekorPayload{
		LogID: hex.EncodeToString(out.LogId.KeyId), IntegratedTime: out.IntegratedTime, LogIndex: out.LogIndex, Body: base64.StdEncoding.EncodeToString(out.CanonicalizedBody),
	}))}
	return out
}

// Statement is an in-toto statement about digests, "sha256:…".
func Statement(predicateType string, predicate any, digests ...string) []byte {
	type subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	var subjects []subject
	for _, d := range digests {
		algorithm, text, _ := strings.Cut(d, ":")
		subjects = append(subjects, subject{"registry.example/run", map[string]string{algorithm: text}})
	}
	return must(json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": predicateType, "predicate": predicate,
	}))
}

func sign(key crypto.Signer, statement []byte) (*dsse.Envelope, []byte) {
	signer := must(signature.LoadSigner(key, crypto.SHA256))
	enveloped := must(dsse.NewEnvelopeSigner(&sigdsse.SignerAdapter{SignatureSigner: signer, Pub: key.Public()}))
	envelope := must(enveloped.SignPayload(context.Background(), "application/vnd.in-toto+json", statement))
	return envelope, must(base64.StdEncoding.DecodeString(envelope.Signatures[0].Sig))
}

// Extensions of certificates.
var (
	oidIssuer = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidSCTs   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
)

// leaf issues a certificate for ten minutes, with an SCT of a log; nil: without.
func (a *Authority) leaf(s Signing, key *ecdsa.PrivateKey, log *Authority) *x509.Certificate {
	subject := must(url.Parse(s.Subject))
	from := time.Now().Add(-time.Second).Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), URIs: []*url.URL{subject}, NotBefore: from, NotAfter: from.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: oidIssuer, Value: []byte(s.Issuer)}},
	}
	issue := func() *x509.Certificate {
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, a.intermediate, key.Public(), a.key))))
	}
	bare := issue()
	if log == nil {
		return bare
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidSCTs, Value: log.sct(bare, a.intermediate)})
	return issue()
}

// sct is the extension by which a log promises to have a certificate (RFC 6962, section 3.3).
func (a *Authority) sct(bare, issuer *x509.Certificate) []byte {
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, Timestamp: uint64(time.Now().UnixMilli())} // it is after 1970
	copy(sct.LogID.KeyID[:], keyID(a.ctKey.Public()))
	entry := ct.LogEntry{Leaf: ct.MerkleTreeLeaf{Version: ct.V1, LeafType: ct.TimestampedEntryLeafType, TimestampedEntry: &ct.TimestampedEntry{
		Timestamp: sct.Timestamp, EntryType: ct.PrecertLogEntryType,
		PrecertEntry: &ct.PreCert{IssuerKeyHash: sha256.Sum256(issuer.RawSubjectPublicKeyInfo), TBSCertificate: bare.RawTBSCertificate},
	}}}
	input := must(ct.SerializeSCTSignatureInput(sct, entry))
	sct.Signature = ct.DigitallySigned(must(cttls.CreateSignature(*a.ctKey, cttls.SHA256, input)))
	data := must(cttls.Marshal(sct))
	list := append([]byte{byte((len(data) + 2) >> 8), byte(len(data) + 2), byte(len(data) >> 8), byte(len(data))}, data...) // an SCT is short
	return must(asn1.Marshal(list))
}

func keyID(key crypto.PublicKey) []byte {
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(key)))
	return sum[:]
}
