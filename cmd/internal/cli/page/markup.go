package page

import (
	"bytes"
	"html"
	"strconv"
	"unicode"
)

// A markup writes HTML that is also well-formed XML. It escapes text and attribute values; names of elements and
// attributes are trusted. (Package html/template does more, but keeps the linker from removing unused methods, which
// is a third of the program.)
type markup struct{ bytes.Buffer }

// attrs are alternating names and values of attributes.
type attrs []string

// element writes an element with the content that inside writes; nil: empty.
func (m *markup) element(name string, a attrs, inside func()) {
	m.WriteString("<" + name)
	for i := 0; i+1 < len(a); i += 2 {
		m.WriteString(" " + a[i] + `="`)
		m.text(a[i+1])
		m.WriteString(`"`)
	}
	if inside == nil {
		m.WriteString("/>")
		return
	}
	m.WriteString(">")
	inside()
	m.WriteString("</" + name + ">")
}

// say writes an element with text and an optional class.
func (m *markup) say(name, class, text string) {
	m.element(name, classed(class), func() { m.text(text) })
}

func classed(class string) attrs {
	if class == "" {
		return nil
	}
	return attrs{"class", class}
}

// block writes an element on lines of its own.
func (m *markup) block(name string, a attrs, inside func()) {
	m.element(name, a, func() {
		m.WriteString("\n")
		inside()
	})
	m.WriteString("\n")
}

func (m *markup) text(s string) {
	m.WriteString(html.EscapeString(string(bytes.Map(harmless, []byte(s)))))
}

// harmless replaces characters that are invalid in HTML or change the text direction by U+FFFD.
func harmless(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == 0xFFFE, r == 0xFFFF:
		return unicode.ReplacementChar
	}
	return r
}

// define writes a row of a definition list, unless text is empty.
func (m *markup) define(term, class, text string) {
	if text == "" {
		return
	}
	m.say("dt", "", term)
	m.say("dd", class, text)
	m.WriteString("\n")
}

// A cell writes one cell of a table.
type cell struct {
	class  string
	inside func()
}

// table writes a table. In a narrow window each cell is below its label.
func (m *markup) table(labels []string, rows [][]cell) {
	m.block("table", nil, func() {
		m.element("thead", nil, func() {
			m.element("tr", nil, func() {
				for _, l := range labels {
					m.say("th", "", l)
				}
			})
		})
		m.WriteString("\n")
		m.block("tbody", nil, func() {
			for _, row := range rows {
				m.block("tr", nil, func() {
					for i, c := range row {
						m.element("td", append(attrs{"data-label", labels[i]}, classed(c.class)...), c.inside)
						m.WriteString("\n")
					}
				})
			}
		})
	})
}

// cell returns a cell with text.
func (m *markup) cell(class, text string) cell {
	return cell{class, func() { m.text(text) }}
}

// lines returns a cell with one line for each text.
func (m *markup) lines(class string, texts []string) cell {
	return cell{class, func() {
		for i, t := range texts {
			if i > 0 {
				m.element("br", nil, nil)
			}
			m.text(t)
		}
	}}
}

func number(n int) string { return strconv.Itoa(n) }
