// Package lifecycle implements the phases of a build: analyzer, detector, restorer, extender,
// builder, exporter, creator and rebaser (platform.md, "Lifecycle Interface").
//
// Start with [Creator], which runs a whole build, as in the example, or with [Analyzer], the first phase. Each
// phase is a struct: its fields are the inputs, and Run does the work and returns what a later phase
// needs as a value of package platform. Phases read no flags, no environment and no files of the platform, and write
// none: cmd/lifecycle does that.
//
// The API is stable from version 1.0 on; see docs/library.md.
package lifecycle

import (
	"io"
	"log/slog"
)

// logger returns l, or a logger that discards everything.
func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// sink returns w, or a writer that discards everything.
func sink(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
