//go:build linux

package main

import (
	"fmt"
	"html"
	"strings"
)

// markdown returns the table for docs/compatibility.md.
func (e *Expected) markdown() string {
	var b strings.Builder
	b.WriteString("| what differs | why | clause |\n|---|---|---|\n")
	for _, k := range e.Kinds {
		where := "`" + strings.NewReplacer(`\.`, ".", `\[\]`, "[]", "|", `\|`).Replace(k.Path) + "`"
		if k.Failed {
			where += " of failed builds"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", where, html.EscapeString(k.Reason), html.EscapeString(k.Clause))
	}
	for _, c := range e.CodesOnly {
		fmt.Fprintf(&b, "\nOf builds %s, only the exit codes are compared: %s.\n", strings.Trim(fmt.Sprint(c.Seeds), "[]"), c.Reason)
	}
	return b.String()
}
