package lifecycle

import (
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/extensions"
)

// summary says what became of each extension, a line each, and what the run image alone
// provides.
func summary(out *Generation) []string {
	var lines []string
	var order []string
	parts := map[string][]string{}
	for _, v := range out.Judged.Verdicts {
		id := v.Dockerfile.Extension.ID
		if _, seen := parts[id]; !seen {
			order = append(order, id)
		}
		parts[id] = append(parts[id], fate(v))
	}
	for _, id := range order {
		lines = append(lines, id+": "+strings.Join(parts[id], "; "))
	}
	for _, r := range out.Resolution.Requirements {
		if r.OnlyRunImage() {
			lines = append(lines, fmt.Sprintf("%s, required by %s: provided by the run image", strings.TrimSpace(r.Name+" "+r.Version), r.RequiredBy))
		}
	}
	return lines
}

// fate is what becomes of one Dockerfile, and the first reason.
func fate(v extensions.Verdict) string {
	what := map[extensions.Outcome]string{
		extensions.Superseded: "skipped",
		extensions.Satisfied:  "skipped",
		extensions.NoEffect:   "skipped",
		extensions.Switch:     "switches the run image to " + v.SwitchTo,
		extensions.Pending:    "applied unless the run image turns out to have it",
		extensions.Apply:      fmt.Sprintf("to be applied to the %s image", v.Dockerfile.Image),
	}[v.Outcome]
	if len(v.Reasons) == 0 || v.Outcome == extensions.Switch && v.Dockerfile.OnlySwitches() {
		return what
	}
	return what + " (" + v.Reasons[0] + ")"
}
