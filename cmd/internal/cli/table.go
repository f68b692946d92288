package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table prints text in columns. It wraps the last column to fit the width, and never
// truncates.
type table struct {
	width int // of the terminal, in characters; 0: unlimited
	head  []string
	rows  [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table, or nothing if it is empty.
func (t *table) write(w io.Writer) {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.head))
	for _, r := range append([][]string{t.head}, t.rows...) {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	t.line(w, widths, t.head)
	for _, r := range t.rows {
		t.line(w, widths, r)
	}
}

// writeBelow prints the table below an empty line, or nothing if it is empty.
func (t *table) writeBelow(w io.Writer) {
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	t.write(w)
}

func (t *table) line(w io.Writer, widths []int, cells []string) {
	var before strings.Builder
	last := len(cells) - 1
	for i, c := range cells[:last] {
		before.WriteString(c + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
	}
	indent := utf8.RuneCountInString(before.String())
	for i, part := range wrap(cells[last], t.width-indent) {
		if i == 0 {
			fmt.Fprintln(w, strings.TrimRight(before.String()+part, " "))
		} else {
			fmt.Fprintln(w, strings.Repeat(" ", indent)+part)
		}
	}
}

// wrap breaks text at spaces into lines of at most width characters. A longer word is not
// broken. Below 20 characters the text is not wrapped.
func wrap(text string, width int) []string {
	words := strings.Fields(text)
	if width < 20 || len(words) == 0 {
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
