package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

const (
	maxWrappings = 8         // limit on nested wrappers
	maxWindow    = 128 << 20 // limits a zstd decoder's memory
	typeInToto   = "application/vnd.in-toto+json"
)

var errWrapped = fmt.Errorf("wrapped more than %d times", maxWrappings)

// Unwrap removes what surrounds the document in b: compression (gzip, zstd), a byte
// order mark, an attestation (Sigstore bundle, DSSE envelope, in-toto statement),
// or an object with the document under "sbom" or "SPDX". It returns b itself if
// nothing does. [Decode] and [Identify] accept wrapped documents too.
func Unwrap(b []byte) ([]byte, error) {
	d, err := open(bytes.NewReader(b))
	if err != nil || !d.wrapped {
		return b, err
	}
	return io.ReadAll(d.r)
}

// An unwrapped document has no wrappers left.
type unwrapped struct {
	head
	r       io.Reader
	about   []sbom.ImageIdentity // images named by the attestations around it
	wrapped bool                 // it had a wrapper
}

// open unwraps a document and identifies it. It reads no more of the document than
// it needs.
func open(r io.Reader) (*unwrapped, error) {
	d := &unwrapped{r: r}
	for range maxWrappings {
		again, err := d.unpack()
		if err != nil {
			return nil, err
		}
		if again {
			continue
		}
		if d.head, d.r, err = identify(d.r); err != nil {
			return nil, err
		}
		if d.form != wrapperForm {
			return d, nil
		}
		if err := d.unwrap(); err != nil {
			return nil, err
		}
	}
	return nil, errWrapped
}

// unpack removes one compression or byte order mark.
func (d *unwrapped) unpack() (bool, error) {
	in := bufio.NewReaderSize(d.r, 64<<10)
	d.r = in
	start, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		_, err = in.Discard(3)
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		var z *gzip.Reader
		if z, err = gzip.NewReader(in); err == nil {
			d.r = &bounded{r: decompressor{z}, left: MaxSize}
		}
	case bytes.HasPrefix(start, []byte("\x28\xb5\x2f\xfd")):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			d.r = &bounded{r: decompressor{z}, left: MaxSize}
		}
	default:
		return false, nil
	}
	d.wrapped = true
	if err != nil {
		return false, fmt.Errorf("decompressing: %w", err)
	}
	return true, nil
}

// A decompressor adds its operation to errors.
type decompressor struct{ r io.Reader }

func (d decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("decompressing: %w", err)
	}
	return n, err
}

// wrapperKeys are the keys of JSON objects that may contain a document.
var wrapperKeys = map[string]bool{"payload": true, "dsseEnvelope": true, "predicate": true, "Data": true, "sbom": true, "SPDX": true}

// A wrapper is a JSON object of any kind around a document.
type wrapper struct {
	envelope                 // DSSE
	Bundle    *envelope      `json:"dsseEnvelope"` // Sigstore
	Predicate jsontext.Value `json:"predicate"`    // in-toto
	Subject   []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	Data jsontext.Value `json:"Data"` // cosign's predicate of type custom
	SBOM jsontext.Value `json:"sbom"` // GitHub's API
	SPDX jsontext.Value `json:"SPDX"` // docker buildx imagetools inspect
}

type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     []byte `json:"payload"` // base64
}

// unwrap removes one JSON object.
func (d *unwrapped) unwrap() error {
	var w wrapper
	if err := json.UnmarshalRead(d.r, &w, lenient); err != nil {
		return fmt.Errorf("invalid JSON around the document: %w", err)
	}
	inner, err := w.inner()
	if err != nil {
		return err
	}
	var about imageClaim
	for _, subject := range w.Subject {
		for algorithm, digits := range subject.Digest {
			about.addDigest(reference.DigestIn(algorithm + ":" + strings.ToLower(digits)))
		}
	}
	if len(about.Digests) > 0 {
		d.about = append(d.about, sbom.ImageIdentity{Digests: sorted(about.Digests)})
	}
	d.r, d.wrapped = bytes.NewReader(inner), true
	return nil
}

// inner returns the wrapped document: an object, or the content of a string.
func (w *wrapper) inner() ([]byte, error) {
	e := w.envelope
	if w.Bundle != nil {
		e = *w.Bundle
	}
	if e.PayloadType != "" || len(e.Payload) > 0 {
		if e.PayloadType != typeInToto {
			return nil, fmt.Errorf("DSSE envelope of %q, not of an in-toto statement: %s", clip(e.PayloadType), supportedFormats)
		}
		return e.Payload, nil
	}
	for _, value := range []jsontext.Value{w.Predicate, w.Data, w.SBOM, w.SPDX} {
		switch value.Kind() {
		case '{':
			return value, nil
		case '"':
			var text string
			err := json.Unmarshal(value, &text, lenient)
			return []byte(text), err
		}
	}
	return nil, errors.New("the input is JSON, but contains no SBOM: " + supportedFormats)
}
