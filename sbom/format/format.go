package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// MaxSize is how many bytes an SBOM may have, compressed and decompressed: three
// times what BuildKit attaches at most.
const MaxSize = 128 << 20

// maxElements is how many components, packages, files and relationships a
// document may have in all, or how many elements of XML.
const maxElements = 1 << 20

const wanted = "want CycloneDX 1.0 to 1.7 (JSON or XML), SPDX 2.1 to 2.3 (JSON or tag-value), SPDX 3.0 (JSON), or Syft JSON"

// Identify tells the format of a document from its content, without reading more
// of it than that takes. The error says what was found instead.
func Identify(b []byte) (sbom.Format, error) {
	d, err := open(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	return d.format, d.supported()
}

// Decode reads a document in any of the formats. The name is that of its source,
// for errors: a path or a reference. A document without packages is no error.
// What may be around a document is described at [Unwrap].
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
		if p := recover(); p != nil { // libraries that read foreign bytes are not trusted to end in an error
			doc, err = nil, fmt.Errorf("it is not valid %s: its parser ended in a panic: %v", h, p)
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
		return nil, fmt.Errorf("it is not valid %s: %w", h, err)
	}
	in.doc.Format, in.doc.Spec = h.format, h.spec
	in.doc.About = append(d.about, in.doc.About...)
	return in.document(), nil
}

// Encode writes the document as JSON of format f. The same document gives the
// same bytes: identifiers come from the content, the time is that of the
// document. Where none is known, SPDX (which must have one) gets 1970-01-01.
//
// Everything of a Document survives being encoded and decoded, in any format, but
// for Format and Spec, which are those of the new document, and About and
// AllLayers: whether they are true is to be found out before.
func Encode(w io.Writer, doc *sbom.Document, f sbom.Format) error {
	if doc == nil {
		return errors.New("writing an SBOM: there is no document")
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
		return fmt.Errorf("writing an SBOM: format %q is unknown: want %s, %s or %s", f, sbom.CycloneDX, sbom.SPDX, sbom.Syft)
	}
	if err != nil {
		return fmt.Errorf("writing an SBOM as %s: %w", f, err)
	}
	return nil
}

var (
	errTooLarge = fmt.Errorf("it is larger than %d MiB", MaxSize>>20)
	errTooMany  = fmt.Errorf("it has more than %d elements", maxElements)
)

// A bounded reader gives an error where another would go on. An io.LimitedReader
// ends there, which looks like a document that breaks off.
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
