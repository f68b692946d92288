package format

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/baseplan/baseplan/sbom"
)

// A form is the syntax of a document.
type form string

const (
	jsonForm     form = "JSON"
	xmlForm      form = "XML"
	tagValueForm form = "tag-value"
	wrapperForm  form = "wrapper" // JSON that may contain a document
)

// A head is the format and version that a document declares.
type head struct {
	format sbom.Format
	form   form
	spec   string // as spelled in the document: "1.6", "SPDX-2.3", "16.1.10"
}

func (h head) String() string {
	switch h.format {
	case sbom.SPDX:
		return fmt.Sprintf("%s %s", h.spec, h.form)
	case sbom.Syft:
		return "Syft JSON " + h.spec
	}
	return fmt.Sprintf("CycloneDX %s %s", h.spec, h.form)
}

// supported returns an error if this version cannot be read. A later minor version
// only adds to a format; a later major version may change it.
func (h head) supported() error {
	major, rest, _ := strings.Cut(strings.TrimPrefix(h.spec, "SPDX-"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	x, errX := strconv.Atoi(major)
	y, errY := strconv.Atoi(minor)
	ok := errX == nil && errY == nil
	switch h.format {
	case sbom.CycloneDX:
		ok = ok && x == 1
	case sbom.SPDX:
		ok = ok && (x == 2 && y >= 1 && y <= 3 || x == 3)
	case sbom.Syft:
		ok = ok && x >= 2 && x <= 16
	}
	if !ok {
		return fmt.Errorf("unsupported %s version %q: %s", h.format, h.spec, supportedFormats)
	}
	return nil
}

// identify detects the format of r. The returned reader has all of r.
func identify(r io.Reader) (head, io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	start, err := in.Peek(16 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return head{}, nil, err
	}
	if what := notSBOM(start); what != "" {
		return head{}, nil, fmt.Errorf("the input is %s: %s", what, supportedFormats)
	}
	var seen bytes.Buffer
	tee := io.TeeReader(in, &seen)
	valid := &validReader{r: tee}
	var h head
	switch bytes.TrimLeft(start, " \t\r\n")[0] {
	case '{':
		h, err = jsonHead(jsontext.NewDecoder(valid, lenient))
	case '<':
		h, err = xmlHead(xml.NewDecoder(tee))
	default:
		h, err = tagValueHead(start)
	}
	if err != nil {
		return head{}, nil, err
	}
	if h.form == jsonForm || h.form == wrapperForm {
		valid.r = in // continue after the bytes already read
		return h, io.MultiReader(&seen, valid), nil
	}
	return h, io.MultiReader(&seen, in), nil
}

// notSBOM names what the input is if it cannot be an SBOM; otherwise it returns "".
func notSBOM(start []byte) string {
	text := bytes.ToLower(bytes.TrimLeft(start, " \t\r\n"))
	has := func(prefix string) bool { return bytes.HasPrefix(start, []byte(prefix)) }
	switch {
	case len(text) == 0 && len(start) == 0:
		return "empty"
	case len(text) == 0:
		return "only white space"
	case has("PK\x03\x04"), has("BZh"), has("\xfd7zXZ\x00"):
		return "compressed, but with neither gzip nor zstd"
	case has("\xfe\xff"), has("\xff\xfe"), bytes.IndexByte(text[:min(len(text), 4)], 0) >= 0:
		return "UTF-16 or binary, not UTF-8"
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")):
		return "an HTML page"
	case text[0] == '[' || text[0] == '"':
		return "JSON, but not an object"
	}
	return ""
}

// A schema is the version that Syft JSON declares.
type schema struct {
	Version string `json:"version"`
	URL     string `json:"url"`
}

// jsonHead reads top-level keys until the format and version are known. In
// CycloneDX they usually come first, in SPDX anywhere, in Syft JSON last.
func jsonHead(d *jsontext.Decoder) (head, error) {
	h := head{form: jsonForm}
	wraps := false
	if _, err := d.ReadToken(); err != nil {
		return h, notJSON(err)
	}
	for d.PeekKind() == '"' && (h.format == "" || h.spec == "") {
		key, err := d.ReadToken()
		if err != nil {
			return h, notJSON(err)
		}
		name := key.String()
		wraps = wraps || wrapperKeys[name]
		if err := h.read(name, d); err != nil {
			return h, notJSON(err)
		}
	}
	if h.format != "" && h.spec != "" {
		return h, nil
	}
	if _, err := d.ReadToken(); err != nil { // the closing brace, or the token that stopped PeekKind
		return h, notJSON(err)
	}
	if h.format == "" && wraps {
		h.form = wrapperForm
		return h, nil
	}
	if h.format == "" {
		return h, fmt.Errorf("the input is JSON, but not an SBOM (no bomFormat, spdxVersion or schema): %s", supportedFormats)
	}
	return h, nil
}

func notJSON(err error) error {
	return fmt.Errorf("the input starts as JSON, but is not valid (%w): %s", err, supportedFormats)
}

// read reads the value of a top-level key.
func (h *head) read(key string, d *jsontext.Decoder) error {
	switch key {
	case "bomFormat":
		var bomFormat string
		if err := json.UnmarshalDecode(d, &bomFormat); err != nil {
			return err
		}
		if bomFormat != "CycloneDX" {
			return fmt.Errorf("bomFormat is %q, not CycloneDX", clip(bomFormat))
		}
		h.format = sbom.CycloneDX
	case "specVersion":
		return json.UnmarshalDecode(d, &h.spec)
	case "spdxVersion":
		h.format = sbom.SPDX
		return json.UnmarshalDecode(d, &h.spec)
	case "@context": // SPDX 3 is JSON-LD
		value, err := d.ReadValue()
		if version := spdx3Version(value); err == nil && version != "" {
			h.format, h.spec = sbom.SPDX, "SPDX-"+version
		}
		return err
	case "schema":
		var s schema
		if err := json.UnmarshalDecode(d, &s); err != nil {
			return err
		}
		if strings.Contains(s.URL, "syft") {
			h.format, h.spec = sbom.Syft, s.Version
		}
	default:
		return d.SkipValue()
	}
	return nil
}

// spdx3Version returns the version in the context of an SPDX 3 document,
// "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", or "".
func spdx3Version(context []byte) string {
	_, rest, ok := bytes.Cut(context, []byte("spdx.org/rdf/"))
	version, _, end := bytes.Cut(rest, []byte("/"))
	if !ok || !end {
		return ""
	}
	return clip(strings.TrimPrefix(string(version), "v"))
}

// namespace is the namespace of CycloneDX XML without the version.
const namespace = "http://cyclonedx.org/schema/bom/"

func xmlHead(d *xml.Decoder) (head, error) {
	for range 100 { // comments and processing instructions may come first
		token, err := d.RawToken()
		if err != nil {
			return head{}, fmt.Errorf("the input starts as XML, but is not valid (%w): %s", err, supportedFormats)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			version, ok := strings.CutPrefix(a.Value, namespace)
			if ok && start.Name.Local == "bom" && (a.Name.Local == "xmlns" || a.Name.Space == "xmlns") {
				return head{format: sbom.CycloneDX, form: xmlForm, spec: version}, nil
			}
		}
		return head{}, fmt.Errorf("the input is XML, but not an SBOM (<%s>): %s", clip(start.Name.Local), supportedFormats)
	}
	return head{}, fmt.Errorf("the input is XML without an element: %s", supportedFormats)
}

func tagValueHead(start []byte) (head, error) {
	for line := range strings.Lines(string(start)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if version, ok := strings.CutPrefix(line, "SPDXVersion:"); ok {
			return head{format: sbom.SPDX, form: tagValueForm, spec: strings.TrimSpace(version)}, nil
		}
		break
	}
	return head{}, fmt.Errorf("the input is neither JSON nor XML and does not start with SPDXVersion: %s", supportedFormats)
}

// clip shortens text from a document for use in an error.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
