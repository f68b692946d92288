package lifecycle

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/resolver"
)

// TestUnreportedGroupsAreCounted: groups that are not logged are counted, before the last one.
func TestUnreportedGroupsAreCounted(t *testing.T) {
	tries := make([]resolver.Try, 2)
	for tried, want := range map[int]string{2: "", 3: "(1 more groups)", 7: "(5 more groups)"} {
		r := &detecting{log: &replay{log: slog.New(slog.DiscardHandler)}}
		r.tries(tries, tried)
		at := slices.IndexFunc(r.log.lines, func(line string) bool { return strings.Contains(line, "more groups") })
		if want == "" {
			if at >= 0 {
				t.Errorf("%d of %d: %q", len(tries), tried, r.log.lines)
			}
			continue
		}
		if at < 0 || r.log.lines[at] != want || !slices.Contains(r.log.lines[:at], "Resolving plan... (try #1)") || slices.Contains(r.log.lines[:at], "Resolving plan... (try #2)") {
			t.Errorf("%d of %d: %q", len(tries), tried, r.log.lines)
		}
	}
}
