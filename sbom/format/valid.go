package format

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient accepts an unpaired surrogate ("\udce9") as U+FFFD. A [validReader]
// rejects invalid UTF-8.
var lenient = jsontext.AllowInvalidUTF8(true)

var errNotUTF8 = errors.New("invalid UTF-8")

// A validReader returns an error at bytes that are not UTF-8.
type validReader struct {
	r    io.Reader
	rest []byte // the start of a character
}

func (v *validReader) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	b := p[:n]
	for len(v.rest) > 0 && len(b) > 0 {
		v.rest, b = append(v.rest, b[0]), b[1:]
		if utf8.FullRune(v.rest) {
			if !utf8.Valid(v.rest) {
				return 0, errNotUTF8
			}
			v.rest = v.rest[:0]
		}
	}
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i:]; utf8.RuneStart(c[0]) {
			if !utf8.FullRune(c) {
				v.rest, b = append(v.rest, c...), b[:len(b)-i]
			}
			break
		}
	}
	if !utf8.Valid(b) || errors.Is(err, io.EOF) && len(v.rest) > 0 {
		return 0, errNotUTF8
	}
	return n, err
}
