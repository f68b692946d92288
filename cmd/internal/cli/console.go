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

// A Console holds the streams of a command: results go to Out, everything else to Err.
type Console struct {
	Out, Err io.Writer
	Getenv   func(string) string // nil: an empty environment
	Now      func() time.Time    // the build time to assume; nil: unknown
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

// width returns the width of the terminal from COLUMNS, or 100.
func (c *Console) width() int {
	if n, err := strconv.Atoi(c.env("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return 100
}

// progress shows a message during long work, on a terminal only. The returned func
// removes it.
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

// log returns a logger that prints warnings like warn.
func (c *Console) log() *slog.Logger { return slog.New(warnings{c}) }

// warnings is a [slog.Handler] for warnings and errors.
type warnings struct{ c *Console }

func (warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (w warnings) WithAttrs([]slog.Attr) slog.Handler             { return w }
func (w warnings) WithGroup(string) slog.Handler                  { return w }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	w.c.warn("%s", r.Message)
	return nil
}

// json prints a value, indented, as the whole output.
func (c *Console) json(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// answer prints a command's answer, as JSON or by text, and returns an error for the exit code.
func (c *Console) answer(output string, document any, text func(w io.Writer, width int), enough bool) error {
	if output == "json" {
		if err := c.json(document); err != nil {
			return err
		}
	} else {
		text(c.Out, c.width())
	}
	if !enough {
		return errNotEnough
	}
	return nil
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
