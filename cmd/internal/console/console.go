// Package console prints log records as plain lines: information to stdout, warnings and
// errors to stderr (platform.md, "Outputs").
//
// Start with [New].
package console

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// Colours of ANSI terminals.
const (
	red    = "\x1b[31;1m"
	yellow = "\x1b[33;1m"
	cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

// A Handler is a [slog.Handler] that prints records for people.
type Handler struct {
	Out, Err io.Writer
	Level    slog.Level
	Color    bool

	mu *sync.Mutex
}

// New returns a logger that prints to out and errOut. An unknown level means info.
func New(out, errOut io.Writer, level string, color bool) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}
	return slog.New(&Handler{Out: out, Err: errOut, Level: levels[level], Color: color, mu: &sync.Mutex{}})
}

// Enabled reports whether records of a level are printed.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.Level }

// Handle prints a record. A message of several lines stays so.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	w, prefix, color := h.Out, "", ""
	switch {
	case r.Level >= slog.LevelError:
		w, prefix, color = h.Err, "ERROR: ", red
	case r.Level >= slog.LevelWarn:
		w, prefix, color = h.Err, "Warning: ", yellow
	case strings.HasPrefix(text, "===> "):
		prefix, text, color = text, "", cyan
	}
	if h.Color && color != "" {
		prefix = color + prefix + reset
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(w, prefix+text+"\n")
	return err
}

// WithAttrs returns h: the attributes of a logger are not printed.
func (h *Handler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup returns h: groups are not printed.
func (h *Handler) WithGroup(string) slog.Handler { return h }
