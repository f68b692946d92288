package attach

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// A Carrier is a way to attach an SBOM to an image, by its name in run-image.toml.
type Carrier string

// The carriers. Cache and Generated are set only by callers that cache or generate
// inventories.
const (
	Platform          Carrier = "platform"
	Cache             Carrier = "cache"
	Referrer          Carrier = "referrer"
	CosignSBOM        Carrier = "cosign-sbom"
	CosignAttestation Carrier = "cosign-attestation"
	BuildKit          Carrier = "buildkit"
	Layer             Carrier = "layer"
	Generated         Carrier = "generated"
)

// An Outcome is the outcome of reading a carrier.
type Outcome string

// The outcomes.
const (
	Found         Outcome = "found"
	None          Outcome = "none"          // the carrier holds no SBOM
	Stale         Outcome = "stale"         // it describes an earlier state of the image
	Unsigned      Outcome = "unsigned"      // not signed by any of the keys
	Unbound       Outcome = "unbound"       // signed, but the signed bytes do not name the image
	WrongSubject  Outcome = "wrong-subject" // describes another image
	Contradictory Outcome = "contradictory" // cannot describe any image, such as two versions of a package
	Unreadable    Outcome = "unreadable"    // invalid, or too large
	Empty         Outcome = "empty"         // lists no OS package although the image has a package database
	UnknownType   Outcome = "unknown-type"  // a referrer that is not an SBOM by type or content
	Unreachable   Outcome = "unreachable"   // the registry did not return it
)

// A Finding is a carrier that was searched, and its outcome.
type Finding struct {
	Carrier   Carrier
	Result    Outcome
	Detail    string  // reason, for people; empty if Result is enough
	Digest    v1.Hash // of the artifact's manifest, or the layer's DiffID; zero: none
	Subject   v1.Hash // the manifest or index that the carrier belongs to; zero for a file
	Reference string  // location: "registry.example/run@sha256:…", a tag, a path
	MediaType string  // of the artifact or blob, if any
	Signature         // the accepted signature, if keys were given
	Unbound   bool    // the signed bytes do not name the image, which [Trust.Unbound] allows

	// Set only if Result is Found.
	Document *sbom.Document
	SBOM     []byte // as found, without its envelope; see JSON

	blob     digest.Digest // of the SBOM or its envelope in an artifact
	attested bool          // it is in an attestation
	format   sbom.Format   // if it was decoded, even if it is not used
}

// JSON returns the SBOM in the JSON form of its format, which matches the extension that
// [sbom.Format.Ext] returns: as found, or re-encoded from XML or tag-value.
func (f *Finding) JSON() ([]byte, error) {
	if f.Document == nil {
		return nil, fmt.Errorf("encoding the SBOM of carrier %s: it was not found (%s)", f.Carrier, f.Result)
	}
	if t := bytes.TrimSpace(f.SBOM); len(t) > 0 && t[0] == '{' {
		return f.SBOM, nil
	}
	var b bytes.Buffer
	if err := format.Encode(&b, f.Document, f.Document.Format); err != nil {
		return nil, fmt.Errorf("encoding the SBOM of %s as JSON: %w", f.Reference, err)
	}
	return b.Bytes(), nil
}

// A Result is the result of a search.
type Result struct {
	Found       *Finding     // the SBOM to use; nil: none
	Searched    []Finding    // everything that was searched, in order, including Found
	Declaration *Declaration // what the publisher declares that the image provides; nil: none
	Warnings    []string     // rejected declarations with the reason; unbound signatures that were accepted
}

// A Declaration is the publisher's statement on what an image provides, as
// application/vnd.baseplan.provides.v1+json. It is not validated here.
type Declaration struct {
	Data      []byte
	Reference string // the label's name, or the artifact's reference
	Signature        // as in Finding
}

// ErrNoSBOM is the error of a build that requires an attached SBOM.
var ErrNoSBOM = errors.New("no usable SBOM is attached")

// Missing returns an error that names everything that was searched if the image has no usable
// SBOM, else nil.
func (r *Result) Missing(image string) error {
	if r.Found != nil {
		return nil
	}
	var lines strings.Builder
	for _, f := range r.Searched {
		fmt.Fprintf(&lines, "\n  %s: %s", f.Carrier, f.Result)
		if f.Digest.Hex != "" {
			lines.WriteString(" " + f.Digest.String())
		}
		if f.Detail != "" {
			lines.WriteString(": " + f.Detail)
		}
	}
	return fmt.Errorf("looking for the SBOM of %s: %w; searched:%s", image, ErrNoSBOM, &lines)
}

// Created returns the creation time in the SBOM; zero: unknown.
func (r *Result) Created() time.Time {
	if r.Found == nil {
		return time.Time{}
	}
	return r.Found.Document.Created
}
