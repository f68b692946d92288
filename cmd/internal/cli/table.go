package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table prints text in columns, and wraps the last one to fit the width. If that has too little
// space, or a word in it has, the last column is below the others; if these do not fit either, each row is a
// list. Nothing is truncated, and no word that fits the width is broken.
type table struct {
	width int // of the terminal, in characters; 0: unlimited
	head  []string
	rows  [][]string
}

// narrow is the least width of the last column, below its indentation below the others.
const (
	narrow = 20
	below  = 4
)

// row adds a row. Each cell is one line of plain text.
func (t *table) row(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = oneLine(c)
	}
	t.rows = append(t.rows, row)
}

// write prints the table, or nothing if it is empty.
func (t *table) write(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.head))
	word := 0 // the longest of the last column
	for _, r := range append([][]string{t.head}, t.rows...) {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
		for _, c := range strings.Fields(r[len(r)-1]) {
			word = max(word, utf8.RuneCountInString(c))
		}
	}
	last := len(widths) - 1
	before := 0
	for _, n := range widths[:last] {
		before += n + 2
	}
	row := t.beside
	switch need := max(word, min(narrow, widths[last])); {
	case t.width == 0 || before+need <= t.width:
	case before-2 <= t.width && last > 0:
		row = t.under
	default:
		t.list(w)
		return
	}
	for _, r := range append([][]string{t.head}, t.rows...) {
		row(w, widths, r)
	}
}

// writeBelow prints the table below an empty line, or nothing if it is empty.
func (t *table) writeBelow(w io.Writer) {
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	t.write(w)
}

// beside prints a row with the last column beside the others.
func (t *table) beside(w io.Writer, widths []int, cells []string) {
	var before strings.Builder
	last := len(cells) - 1
	for i, c := range cells[:last] {
		fmt.Fprintf(&before, "%-*s  ", widths[i], c)
	}
	t.hang(w, before.String(), cells[last])
}

// under prints a row with the last column below the others.
func (t *table) under(w io.Writer, widths []int, cells []string) {
	last := len(cells) - 1
	(&table{}).beside(w, widths, cells[:last])
	if cells[last] != "" {
		t.hang(w, strings.Repeat(" ", below), cells[last])
	}
}

// list prints each row as lines of a heading and its cell.
func (t *table) list(w io.Writer) {
	label := 0
	for _, h := range t.head {
		label = max(label, utf8.RuneCountInString(h))
	}
	for i, r := range t.rows {
		if i > 0 {
			fmt.Fprintln(w)
		}
		for k, c := range r {
			if c != "" {
				t.hang(w, fmt.Sprintf("%-*s  ", label, t.head[k]), c)
			}
		}
	}
}

// hang prints text after a prefix, and further lines with the same indentation, less if a word does not fit.
func (t *table) hang(w io.Writer, prefix, text string) {
	indent := utf8.RuneCountInString(prefix)
	width := 0
	if t.width > 0 {
		width = max(1, t.width-indent)
	}
	for _, part := range wrap(text, width) {
		if beyond := indent + utf8.RuneCountInString(part) - t.width; t.width > 0 && beyond > 0 {
			if strings.TrimSpace(prefix) != "" {
				fmt.Fprintln(w, strings.TrimRight(prefix, " "))
			}
			prefix = strings.Repeat(" ", max(0, indent-beyond))
		}
		fmt.Fprintln(w, strings.TrimRight(prefix+part, " "))
		prefix = strings.Repeat(" ", indent)
	}
}

// wrap breaks text at spaces into lines of at most width characters. A longer word is not
// broken. If width is not positive, the text is not wrapped.
func wrap(text string, width int) []string {
	words := strings.Fields(text)
	if width <= 0 || len(words) == 0 {
		return []string{text}
	}
	lines := []string{words[0]}
	for _, word := range words[1:] {
		end := len(lines) - 1
		if utf8.RuneCountInString(lines[end])+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, word)
		} else {
			lines[end] += " " + word
		}
	}
	return lines
}
