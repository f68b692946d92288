// Package lifecycle holds the phases of a build: what the specification calls analyzer,
// detector, restorer, extender, builder, exporter, creator and rebaser (platform.md,
// "Lifecycle Interface").
//
// Start with [Analyzer], and with the example, which is a whole build. Each phase is a struct: its fields are the inputs, Run does the work and returns what a
// later phase needs as a value of package platform. Phases read no flags, no environment
// and no files of the platform; that is the work of cmd/lifecycle, which also does the
// writing. So its creator hands values from phase to phase, and a test needs no TOML.
//
// The API is stable from version 1.0 on; see docs/library.md.
package lifecycle

import (
	"io"
	"log/slog"
)

// logger is the phase's log, or one that drops everything.
func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// sink is where output goes, or one that drops everything.
func sink(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
