package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"
)

// A Console is where a command speaks: results to Out, everything else to Err.
type Console struct {
	Out, Err io.Writer
	Getenv   func(string) string // nil: an empty environment
	Now      func() time.Time    // the time of a build that is tried; nil: not known
}

func (c *Console) now() time.Time {
	if c.Now == nil {
		return time.Time{}
	}
	return c.Now()
}

func (c *Console) env(name string) string {
	if c.Getenv == nil {
		return ""
	}
	return c.Getenv(name)
}

// width is that of the terminal as COLUMNS tells it, else 100.
func (c *Console) width() int {
	if n, err := strconv.Atoi(c.env("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 100
}

// progress says what long work is under way, on a terminal only, and returns a
// func that wipes it away again.
func (c *Console) progress(format string, args ...any) (done func()) {
	if !terminal(c.Err) {
		return func() {}
	}
	fmt.Fprintf(c.Err, format+" …", args...)
	return func() { fmt.Fprint(c.Err, "\r\x1b[K") }
}

func (c *Console) warn(format string, args ...any) {
	fmt.Fprintf(c.Err, "warning: "+format+"\n", args...)
}

// log returns a logger whose warnings are printed as warn prints them.
func (c *Console) log() *slog.Logger { return slog.New(warnings{c}) }

// warnings is a [slog.Handler] that prints warnings and errors.
type warnings struct{ c *Console }

func (warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (w warnings) WithAttrs([]slog.Attr) slog.Handler             { return w }
func (w warnings) WithGroup(string) slog.Handler                  { return w }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	w.c.warn("%s", r.Message)
	return nil
}

// json prints one value, indented, as the whole of the output.
func (c *Console) json(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
