// Package keylesstest is a Sigstore for tests. Start with [New]: an [Authority] issues
// certificates, logs them, and signs as GitHub's attestations and cosign do.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package keylesstest

import (
	"bytes"
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
	"math/big"
	"net/url"
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
func New() (*Authority, error) {
	virtual, err := ca.NewVirtualSigstore()
	if err != nil {
		return nil, err
	}
	a := &Authority{VirtualSigstore: virtual}
	rootCert, rootKey, err := ca.GenerateRootCa()
	if err != nil {
		return nil, err
	}
	a.root = rootCert
	if a.intermediate, a.key, err = ca.GenerateFulcioIntermediate(rootCert, rootKey); err != nil {
		return nil, err
	}
	a.ctKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return a, err
}

// TrustedRoot is the authority's trusted root as JSON.
func (a *Authority) TrustedRoot() ([]byte, error) {
	id, err := keyID(a.ctKey.Public())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	log := &root.TransparencyLog{
		BaseURL: "https://ct.example", ID: id, ValidityPeriodStart: now.Add(-time.Hour), ValidityPeriodEnd: now.Add(time.Hour),
		HashFunc: crypto.SHA256, SignatureHashFunc: crypto.SHA256, PublicKey: a.ctKey.Public(),
	}
	rekor := a.RekorLogs()
	for id, l := range rekor {
		if l.ID, err = hex.DecodeString(id); err != nil {
			return nil, err
		}
	}
	authority := &root.FulcioCertificateAuthority{
		Root: a.root, Intermediates: []*x509.Certificate{a.intermediate}, URI: "https://ca.example",
		ValidityPeriodStart: now.Add(-time.Hour), ValidityPeriodEnd: now.Add(time.Hour),
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority},
		map[string]*root.TransparencyLog{hex.EncodeToString(id): log}, a.TimestampingAuthorities(), rekor)
	if err != nil {
		return nil, err
	}
	return trusted.MarshalJSON()
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
func (a *Authority) Sign(statement []byte, s Signing) ([]byte, error) {
	issuer, logger, log := or(s.Certificate, a), or(s.SCT, a), or(s.Log, a)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if s.NoSCT {
		logger = nil
	}
	leaf, err := issuer.leaf(s, key, logger)
	if err != nil {
		return nil, err
	}
	envelope, sig, err := sign(key, statement)
	if err != nil {
		return nil, err
	}
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: leaf.Raw}},
	}
	if !s.NoLog {
		logged, loggedSig := envelope, sig
		if s.OtherEntry {
			if logged, loggedSig, err = sign(key, append([]byte(" "), statement...)); err != nil {
				return nil, err
			}
		}
		entry, err := log.entry(leaf, logged, loggedSig, leaf.NotBefore.Add(s.LoggedAfter))
		if err != nil {
			return nil, err
		}
		material.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
		if s.NoLoggedTime {
			material.TlogEntries[0].IntegratedTime, material.TlogEntries[0].InclusionPromise = 0, nil
		}
	}
	if s.Timestamp != nil {
		stamp, err := s.Timestamp.TimestampResponse(sig)
		if err != nil {
			return nil, err
		}
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp}}}
	}
	return protojson.Marshal(&protobundle.Bundle{
		MediaType: BundleType, VerificationMaterial: material,
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: envelope.PayloadType, Signatures: []*protodsse.Signature{{Sig: sig}},
		}},
	})
}

// entry is what the log of signatures has of one.
func (a *Authority) entry(leaf *x509.Certificate, e *dsse.Envelope, sig []byte, at time.Time) (*protorekor.TransparencyLogEntry, error) {
	logged, err := a.GenerateTlogEntry(leaf, e, sig, at.Unix(), true)
	if err != nil {
		return nil, err
	}
	out := logged.TransparencyLogEntry()
	var head struct{ Kind, APIVersion string }
	if err := json.Unmarshal(out.CanonicalizedBody, &head); err != nil {
		return nil, err
	}
	out.KindVersion = &protorekor.KindVersion{Kind: head.Kind, Version: head.APIVersion}
	promise, err := a.RekorSignPayload(tlog.RekorPayload{
		LogID: hex.EncodeToString(out.LogId.KeyId), IntegratedTime: out.IntegratedTime, LogIndex: out.LogIndex, Body: base64.StdEncoding.EncodeToString(out.CanonicalizedBody),
	})
	out.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: promise}
	return out, err
}

func or(other, a *Authority) *Authority {
	if other != nil {
		return other
	}
	return a
}

// Statement is an in-toto statement about digests, "sha256:…".
func Statement(predicateType string, predicate any, digests ...string) ([]byte, error) {
	type subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	var subjects []subject
	for _, d := range digests {
		algorithm, text, _ := bytes.Cut([]byte(d), []byte(":"))
		subjects = append(subjects, subject{"registry.example/run", map[string]string{string(algorithm): string(text)}})
	}
	return json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": predicateType, "predicate": predicate,
	})
}

func sign(key crypto.Signer, statement []byte) (*dsse.Envelope, []byte, error) {
	signer, err := signature.LoadSigner(key, crypto.SHA256)
	if err != nil {
		return nil, nil, err
	}
	enveloped, err := dsse.NewEnvelopeSigner(&sigdsse.SignerAdapter{SignatureSigner: signer, Pub: key.Public()})
	if err != nil {
		return nil, nil, err
	}
	envelope, err := enveloped.SignPayload(context.Background(), "application/vnd.in-toto+json", statement)
	if err != nil {
		return nil, nil, err
	}
	sig, err := base64.StdEncoding.DecodeString(envelope.Signatures[0].Sig)
	return envelope, sig, err
}

// Extensions of certificates.
var (
	oidIssuer = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidSCTs   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
)

// leaf issues a certificate for ten minutes, with an SCT of a log; nil: without.
func (a *Authority) leaf(s Signing, key *ecdsa.PrivateKey, log *Authority) (*x509.Certificate, error) {
	subject, err := url.Parse(s.Subject)
	if err != nil {
		return nil, err
	}
	from := time.Now().Add(-time.Second).Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), URIs: []*url.URL{subject}, NotBefore: from, NotAfter: from.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: oidIssuer, Value: []byte(s.Issuer)}},
	}
	issue := func() (*x509.Certificate, error) {
		der, err := x509.CreateCertificate(rand.Reader, template, a.intermediate, key.Public(), a.key)
		if err != nil {
			return nil, err
		}
		return x509.ParseCertificate(der)
	}
	bare, err := issue()
	if err != nil || log == nil {
		return bare, err
	}
	list, err := log.sct(bare, a.intermediate)
	if err != nil {
		return nil, err
	}
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidSCTs, Value: list})
	return issue()
}

// sct is the extension by which a log promises to have a certificate (RFC 6962, section 3.3).
func (a *Authority) sct(bare, issuer *x509.Certificate) ([]byte, error) {
	id, err := keyID(a.ctKey.Public())
	if err != nil {
		return nil, err
	}
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, Timestamp: uint64(time.Now().UnixMilli())} // it is after 1970
	copy(sct.LogID.KeyID[:], id)
	entry := ct.LogEntry{Leaf: ct.MerkleTreeLeaf{Version: ct.V1, LeafType: ct.TimestampedEntryLeafType, TimestampedEntry: &ct.TimestampedEntry{
		Timestamp: sct.Timestamp, EntryType: ct.PrecertLogEntryType,
		PrecertEntry: &ct.PreCert{IssuerKeyHash: sha256.Sum256(issuer.RawSubjectPublicKeyInfo), TBSCertificate: bare.RawTBSCertificate},
	}}}
	input, err := ct.SerializeSCTSignatureInput(sct, entry)
	if err != nil {
		return nil, err
	}
	signed, err := cttls.CreateSignature(*a.ctKey, cttls.SHA256, input)
	if err != nil {
		return nil, err
	}
	sct.Signature = ct.DigitallySigned(signed)
	data, err := cttls.Marshal(sct)
	if err != nil {
		return nil, err
	}
	list := append([]byte{byte((len(data) + 2) >> 8), byte(len(data) + 2), byte(len(data) >> 8), byte(len(data))}, data...) // an SCT is short
	return asn1.Marshal(list)
}

func keyID(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	sum := sha256.Sum256(der)
	return sum[:], err
}
