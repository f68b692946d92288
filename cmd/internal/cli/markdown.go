package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// markdown prints the outcome in GitHub's Markdown, for summaries of CI jobs and comments.
func (o *outcome) markdown(w io.Writer) {
	fmt.Fprintf(w, "**%s**\n\n", markdownText(o.conclusion()))
	for _, f := range o.facts() {
		fmt.Fprintf(w, "- %s: %s\n", f.name, markdownText(f.value))
	}
	for _, t := range []*table{o.requirements(), verdictTable(o.record.Verdicts, 0)} {
		if len(t.rows) > 0 {
			fmt.Fprintln(w)
			t.markdown(w)
		}
	}
	if notes := o.notes(); len(notes) > 0 {
		fmt.Fprintln(w)
		for _, n := range notes {
			fmt.Fprintf(w, "- %s\n", markdownText(n))
		}
	}
}

// markdown prints the table in GitHub's Markdown.
func (t *table) markdown(w io.Writer) {
	line := func(cells []string) {
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	var head, rule []string
	for _, h := range t.head {
		head, rule = append(head, strings.ToLower(h)), append(rule, "---")
	}
	line(head)
	line(rule)
	for _, r := range t.rows {
		var cells []string
		for _, c := range r {
			cells = append(cells, markdownText(c))
		}
		line(cells)
	}
}

// markdownText escapes a text, which may be hostile, so that Markdown shows it as it is: no links, images, mentions or HTML.
func markdownText(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || !unicode.IsPrint(r):
			b.WriteByte(' ')
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_[]|~#!$", r):
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
