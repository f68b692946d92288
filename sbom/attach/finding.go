package attach

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// A Carrier is a way in which an SBOM travels with an image, by its name in
// run-image.toml.
type Carrier string

// The carriers. Cache and Generated are never found here: callers that keep or
// make inventories report them by these names.
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

// An Outcome is what came of looking at a carrier.
type Outcome string

// The outcomes.
const (
	Found         Outcome = "found"
	None          Outcome = "none"          // the carrier holds no SBOM
	Stale         Outcome = "stale"         // it describes an earlier state of the image
	Unsigned      Outcome = "unsigned"      // none of the keys has signed it
	Unbound       Outcome = "unbound"       // it is signed, but the signed bytes do not name the image
	WrongSubject  Outcome = "wrong-subject" // it speaks of another image
	Contradictory Outcome = "contradictory" // it cannot be true of any image, as with two versions of a package
	Unreadable    Outcome = "unreadable"    // it cannot be understood, or is too large
	Empty         Outcome = "empty"         // it lists no OS package, the image has a package database
	UnknownType   Outcome = "unknown-type"  // a referrer that is no SBOM, as far as its type or content tells
	Unreachable   Outcome = "unreachable"   // the registry did not give it
)

// A Finding is one carrier that was looked at, and what came of it.
type Finding struct {
	Carrier   Carrier
	Result    Outcome
	Detail    string  // why, for people; empty where Result says it all
	Digest    v1.Hash // of the artifact's manifest, or the layer's DiffID; zero: there is none
	Subject   v1.Hash // whose carrier it is: the manifest or the index; zero for a file
	Reference string  // where it is: "registry.example/run@sha256:…", a tag, a path
	MediaType string  // of the artifact or blob, where it has one
	Signature         // whose signature counted, if keys were given
	Unbound   bool    // the signed bytes do not name the image, and [Trust.Unbound] lets that count

	// Only where Result is Found.
	Document *sbom.Document
	SBOM     []byte // as found, without what was around it; see JSON
}

// JSON gives the SBOM in its format's JSON form, the one that the extension of
// [sbom.Format.Ext] promises: the bytes as found, or encoded anew where they
// were XML or tag-value.
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

// A Result is what a search came to.
type Result struct {
	Found       *Finding     // the SBOM to believe; nil: none is known
	Searched    []Finding    // everything that was looked at, in order; Found is among them
	Declaration *Declaration // what the publisher declares that the image provides; nil: nothing
	Warnings    []string     // declarations that were passed over and why; what counts though it is unbound
}

// A Declaration is the publisher's own word on what an image provides, as
// application/vnd.baseplan.provides.v1+json. It is not checked here.
type Declaration struct {
	Data      []byte
	Reference string // the label's name, or the artifact's reference
	Signature        // as in Finding
}

// ErrNoSBOM is why a build fails that may use attached SBOMs only.
var ErrNoSBOM = errors.New("no usable SBOM is attached")

// Missing is the error for an image without a usable SBOM, naming everything
// that was searched; nil if there is one.
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

// Created is when the SBOM that was found says it was made; zero: not said.
func (r *Result) Created() time.Time {
	if r.Found == nil {
		return time.Time{}
	}
	return r.Found.Document.Created
}
