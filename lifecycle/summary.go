package lifecycle

import (
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/extensions"
)

// summary describes the verdict on each extension, one line each, and what only the run image
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
		parts[id] = append(parts[id], describeVerdict(v))
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

// describeVerdict describes the verdict on a Dockerfile with its first reason.
func describeVerdict(v extensions.Verdict) string {
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
