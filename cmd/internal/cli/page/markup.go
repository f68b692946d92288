package page

import (
	"bytes"
	"html"
	"strconv"
	"strings"
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

// code writes an identifier, which may wrap where no word breaks.
func (m *markup) code(text string) { m.element("code", nil, func() { m.breakable(text) }) }

// breakable writes a text that may also wrap inside names and digests; see [parts].
func (m *markup) breakable(text string) {
	all := parts(text, false) // browsers wrap after hyphens
	for i, part := range all {
		m.text(part)
		if i < len(all)-1 && !strings.HasSuffix(part, " ") {
			m.element("wbr", nil, nil)
		}
	}
}

// section writes a section that folds.
func (m *markup) section(heading string, open bool, inside func()) {
	m.fold("section", open, func() { m.say("h2", "", heading) }, inside)
}

// fold writes a part that is hidden unless it is open.
func (m *markup) fold(class string, open bool, summary, inside func()) {
	a := attrs{"class", class}
	if open {
		a = append(a, "open", "open")
	}
	m.block("details", a, func() {
		m.element("summary", nil, summary)
		m.WriteString("\n")
		inside()
	})
}

// define writes a row of a definition list, unless text is empty.
func (m *markup) define(term, text string) {
	if text == "" {
		return
	}
	m.say("dt", "", term)
	m.element("dd", nil, func() { m.breakable(text) })
	m.WriteString("\n")
}

// defineCode writes a row of a definition list with an identifier, unless it is empty.
func (m *markup) defineCode(term, text string) {
	if text == "" {
		return
	}
	m.say("dt", "", term)
	m.element("dd", nil, func() { m.code(text) })
	m.WriteString("\n")
}

// A cell writes one cell of a table.
type cell func()

// table writes a table. A row with a single cell is as wide as the table. In a narrow window each cell is below its
// label; in others, a table that is too wide scrolls.
func (m *markup) table(labels []string, rows [][]cell) {
	m.block("div", attrs{"class", "scroll"}, func() {
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
					m.row(labels, row)
				}
			})
		})
	})
}

func (m *markup) row(labels []string, row []cell) {
	m.block("tr", nil, func() {
		for i, inside := range row {
			a := attrs{"data-label", labels[i]}
			if len(row) == 1 {
				a = attrs{"class", "all", "colspan", number(len(labels))}
			}
			m.element("td", a, inside)
			m.WriteString("\n")
		}
	})
}

// cell returns a cell with text.
func (m *markup) cell(text string) cell {
	return func() { m.breakable(text) }
}

// marked returns a cell with text of a class.
func (m *markup) marked(class, text string) cell {
	return func() { m.say("span", class, text) }
}

// codes returns a cell with one line for each identifier.
func (m *markup) codes(names ...string) cell {
	return func() {
		for i, name := range names {
			if i > 0 {
				m.element("br", nil, nil)
			}
			if name != "" {
				m.code(name)
			}
		}
	}
}

func number(n int) string { return strconv.Itoa(n) }
