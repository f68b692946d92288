package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// MaxSize is the limit on an SBOM in bytes, compressed and decompressed. It is
// three times the largest SBOM that BuildKit attaches.
const MaxSize = 128 << 20

// maxElements limits the total number of components, packages, files and
// relationships of a document, or of XML elements.
const maxElements = 1 << 20

const supportedFormats = "want CycloneDX 1.0 to 1.7 (JSON or XML), SPDX 2.1 to 2.3 (JSON or tag-value), SPDX 3.0 (JSON), or Syft JSON"

// Identify returns the format of a document. It reads no more of the document than
// it needs. If b is no SBOM, the error says what it is.
func Identify(b []byte) (sbom.Format, error) {
	d, err := open(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	return d.format, d.supported()
}

// Decode reads a document in any of the formats. The name, a path or reference, is
// used in errors. A document without packages is valid. Decode removes wrappers as
// [Unwrap] does.
func Decode(r io.Reader, name string) (*sbom.Document, error) {
	doc, err := decode(&bounded{r: r, left: MaxSize})
	if err != nil {
		return nil, fmt.Errorf("reading SBOM %s: %w", name, err)
	}
	return doc, nil
}

func decode(r io.Reader) (doc *sbom.Document, err error) {
	d, err := open(r)
	if err != nil {
		return nil, err
	}
	h, r := d.head, d.r
	if err := h.supported(); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil { // parser libraries may panic on malformed input
			doc, err = nil, fmt.Errorf("not valid %s: the parser panicked: %v", h, p)
		}
	}()
	var in *inventory
	switch {
	case h.form == xmlForm:
		in, err = decodeCycloneDXXML(r)
	case h.form == tagValueForm:
		in, err = decodeSPDXTagValue(r)
	case h.format == sbom.CycloneDX:
		in, err = decodeCycloneDX(r)
	case h.format == sbom.SPDX && strings.HasPrefix(h.spec, "SPDX-3"):
		in, err = decodeSPDX3(r)
	case h.format == sbom.SPDX:
		in, err = decodeSPDX(r)
	default:
		in, err = decodeSyft(r)
	}
	if err != nil {
		return nil, fmt.Errorf("not valid %s: %w", h, err)
	}
	in.doc.Format, in.doc.Spec = h.format, h.spec
	in.doc.About = append(d.about, in.doc.About...)
	return in.document(), nil
}

// Encode writes the document as JSON in format f. The output is deterministic:
// identifiers are derived from the content, and the time is the document's. SPDX
// requires a time, so it gets 1970-01-01 if none is known.
//
// A Document survives encoding and decoding in any format except for Format and
// Spec, which become those of the new document, and About and AllLayers, which are
// dropped: check them before encoding.
func Encode(w io.Writer, doc *sbom.Document, f sbom.Format) error {
	if doc == nil {
		return errors.New("writing an SBOM: the document is nil")
	}
	var err error
	switch f {
	case sbom.CycloneDX:
		err = encodeCycloneDX(w, doc)
	case sbom.SPDX:
		err = encodeSPDX(w, doc)
	case sbom.Syft:
		err = encodeSyft(w, doc)
	default:
		return fmt.Errorf("writing an SBOM: unknown format %q: want %s, %s or %s", f, sbom.CycloneDX, sbom.SPDX, sbom.Syft)
	}
	if err != nil {
		return fmt.Errorf("writing an SBOM as %s: %w", f, err)
	}
	return nil
}

var (
	errTooLarge = fmt.Errorf("larger than %d MiB", MaxSize>>20)
	errTooMany  = fmt.Errorf("more than %d elements", maxElements)
)

// A bounded reader returns an error after left bytes. An io.LimitedReader returns
// EOF, which looks like a truncated document.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
