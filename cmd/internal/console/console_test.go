package console_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/cmd/internal/console"
)

func TestStreamsAndPrefixes(t *testing.T) {
	for _, test := range []struct {
		level        string
		color        bool
		stdout, errs string
	}{
		{"debug", false, "detail\n===> BUILDING\ninfo a=1\n", "Warning: careful\nERROR: failed to build: no\n"},
		{"info", true, "\x1b[36m===> BUILDING\x1b[0m\ninfo a=1\n", "\x1b[33;1mWarning: \x1b[0mcareful\n\x1b[31;1mERROR: \x1b[0mfailed to build: no\n"},
		{"nonsense", false, "===> BUILDING\ninfo a=1\n", "Warning: careful\nERROR: failed to build: no\n"},
		{"warn", false, "", "Warning: careful\nERROR: failed to build: no\n"},
		{"error", false, "", "ERROR: failed to build: no\n"},
	} {
		var out, errs bytes.Buffer
		log := console.New(&out, &errs, test.level, test.color)
		log.Debug("detail")
		log.Info("===> BUILDING")
		log.Info("info", slog.Int("a", 1))
		log.Warn("careful")
		log.Error("failed to build: no")
		if diff := cmp.Diff([]string{test.stdout, test.errs}, []string{out.String(), errs.String()}); diff != "" {
			t.Errorf("%s: %s", test.level, diff)
		}
	}
}
