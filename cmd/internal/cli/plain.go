package cli

import (
	"io"
	"strings"
	"unicode"
)

// plain returns text that is safe to print on a terminal: what is neither graphic nor the end of a line becomes U+FFFD. Texts
// of images, such as names in labels, may be hostile.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n' || unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// A plainWriter makes each text that is written plain.
type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(text []byte) (int, error) {
	if _, err := io.WriteString(p.w, plain(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// oneLine returns plain text of one line.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return plain(strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": "))
}
