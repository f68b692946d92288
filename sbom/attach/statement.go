package attach

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/baseplan/baseplan/sbom"
)

// Media and predicate types of attestations.
const (
	typeInToto       = "application/vnd.in-toto+json"
	typeEnvelope     = "application/vnd.dsse.envelope.v1+json"
	typeBundle       = "application/vnd.dev.sigstore.bundle.v0.3+json"
	typeBundlePrefix = "application/vnd.dev.sigstore.bundle"

	predicateSPDX      = "https://spdx.dev/Document"
	predicateCycloneDX = "https://cyclonedx.org/bom"
	predicateSyft      = "https://syft.dev/bom"
	predicateCustom    = "https://cosign.sigstore.dev/attestation/v1" // cosign's default: anything, wrapped

	statementV01 = "https://in-toto.io/Statement/v0.1"
	statementV1  = "https://in-toto.io/Statement/v1"
)

// A statement is an in-toto statement, with the fields used here.
type statement struct {
	Type          string             `json:"_type"`
	Subject       []statementSubject `json:"subject"`
	PredicateType string             `json:"predicateType"`
	Predicate     json.RawMessage    `json:"predicate"`
}

type statementSubject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

// digests returns the subjects' digests as "algorithm:hex", sorted.
func (s statement) digests() []string {
	var all []string
	for _, subject := range s.Subject {
		for algorithm, hex := range subject.Digest {
			all = append(all, algorithm+":"+strings.ToLower(hex))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// predicateFormat returns the SBOM format of a predicate type, or "" if it is unknown. ok
// reports whether the predicate can be an SBOM.
func predicateFormat(predicateType string) (f sbom.Format, ok bool) {
	versioned := func(base string) bool {
		return predicateType == base || strings.HasPrefix(predicateType, base+"/")
	}
	switch {
	case versioned(predicateSPDX):
		return sbom.SPDX, true
	case versioned(predicateCycloneDX), strings.HasPrefix(predicateType, "https://cyclonedx.org/schema"):
		return sbom.CycloneDX, true
	case versioned(predicateSyft):
		return sbom.Syft, true
	}
	return "", predicateType == predicateCustom
}

func predicateOf(f sbom.Format) string {
	switch f {
	case sbom.SPDX:
		return predicateSPDX
	case sbom.CycloneDX:
		return predicateCycloneDX
	case sbom.Syft:
		return predicateSyft
	}
	return predicateCustom
}

// An attestation is a statement and its envelope; nil: a bare statement.
type attestation struct {
	payload  []byte
	envelope *dsse.Envelope
	bundle   []byte // a Sigstore bundle with a certificate; nil: none
}

// certified reports whether it was signed with a certificate instead of a key.
func (a *attestation) certified() bool { return a.bundle != nil }

// openAttestation detects the container of a statement: a Sigstore bundle, a DSSE envelope, or
// none.
func openAttestation(data []byte) (*attestation, error) {
	var shape struct {
		PayloadType   json.RawMessage `json:"payloadType"`
		PredicateType json.RawMessage `json:"predicateType"`
		Bundle        json.RawMessage `json:"dsseEnvelope"`
		Message       json.RawMessage `json:"messageSignature"`
	}
	if err := json.Unmarshal(data, &shape); err != nil {
		return nil, fmt.Errorf("reading an attestation: want a Sigstore bundle, a DSSE envelope or an in-toto statement: %w", err)
	}
	switch {
	case shape.Bundle != nil:
		return openBundle(data)
	case shape.PayloadType != nil:
		var e dsse.Envelope
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, fmt.Errorf("reading a DSSE envelope: %w", err)
		}
		return openEnvelope(&e)
	case shape.PredicateType != nil:
		return &attestation{payload: data}, nil
	case shape.Message != nil:
		return nil, unreadable("reading a Sigstore bundle: it signs a message, not a statement")
	}
	return nil, unreadable("reading an attestation: want a Sigstore bundle, a DSSE envelope or an in-toto statement")
}

func openBundle(data []byte) (*attestation, error) {
	var b protobundle.Bundle
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &b); err != nil {
		return nil, unreadable("reading a Sigstore bundle: %w", err)
	}
	inner := b.GetDsseEnvelope()
	if inner == nil {
		return nil, unreadable("reading a Sigstore bundle: it holds no DSSE envelope")
	}
	e := &dsse.Envelope{PayloadType: inner.GetPayloadType(), Payload: base64.StdEncoding.EncodeToString(inner.GetPayload())}
	for _, s := range inner.GetSignatures() {
		e.Signatures = append(e.Signatures, dsse.Signature{KeyID: s.GetKeyid(), Sig: base64.StdEncoding.EncodeToString(s.GetSig())})
	}
	a, err := openEnvelope(e)
	if m := b.GetVerificationMaterial(); err == nil && (m.GetCertificate() != nil || m.GetX509CertificateChain() != nil) {
		a.bundle = data
	}
	return a, err
}

func openEnvelope(e *dsse.Envelope) (*attestation, error) {
	if e.PayloadType != typeInToto {
		return nil, unreadable("reading a DSSE envelope: its payload is %q, not an in-toto statement", clip(e.PayloadType))
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return nil, unreadable("reading a DSSE envelope: %w", err)
	}
	return &attestation{payload: payload, envelope: e}, nil
}

func decodeStatement(payload []byte) (*statement, error) {
	var s statement
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, fmt.Errorf("reading an in-toto statement: %w", err)
	}
	if s.Type != statementV01 && s.Type != statementV1 {
		return nil, unreadable("reading an in-toto statement: its type %q is neither v0.1 nor v1", clip(s.Type))
	}
	return &s, nil
}

var errNoPredicate = errors.New("reading an in-toto statement: it has no predicate")

// decodePredicate returns the SBOM in a predicate: an object; a string, as written by cosign's
// --type spdx; or either in {Data, Timestamp}, as written by older cosign and its type custom.
func decodePredicate(raw json.RawMessage) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, &unreadableError{errNoPredicate}
	}
	var wrapped struct {
		Data json.RawMessage `json:"Data"`
	}
	if raw[0] == '{' {
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(raw, &keys); err != nil {
			return nil, fmt.Errorf("reading a predicate: %w", err)
		}
		wrapped.Data = keys["Data"] // case-sensitive: "data" may be a key of the document
		if wrapped.Data == nil {
			return raw, nil
		}
		raw = bytes.TrimSpace(wrapped.Data)
	}
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("reading a predicate: %w", err)
		}
		return []byte(text), nil
	}
	if len(raw) == 0 || raw[0] != '{' {
		return nil, unreadable("reading a predicate: want an object or a string")
	}
	return raw, nil
}
