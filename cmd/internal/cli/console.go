package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"
)

// A Console holds the streams of a command: results go to Out, everything else to Err.
type Console struct {
	Out, Err io.Writer
	In       io.Reader           // for the file "-"; nil: empty
	Getenv   func(string) string // nil: an empty environment
	Now      func() time.Time    // the build time to assume; nil: unknown

	columns int  // width of the terminal of Out; 0: there is none
	asJSON  bool // errors and warnings are JSON too
	quiet   bool // neither warnings nor progress
	debug   bool
	status  status
	closers []func() // called when the command ends
}

// A checkedWriter remembers the first error of another writer.
type checkedWriter struct {
	to  io.Writer
	err error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.err = cmp.Or(w.err, err)
	return n, err
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

// width returns the width of the terminal: COLUMNS, or what the terminal says, or 0 if there is
// none, so that a line stays a line for other programs.
func (c *Console) width() int {
	if n, err := strconv.Atoi(c.env("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return c.columns
}

// columnsOf returns the width of a terminal, or 0 if w is none.
func columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// progress shows a message during long work, on a terminal only. The returned func
// removes it. With --debug, it logs how long the work took.
func (c *Console) progress(format string, args ...any) (done func()) {
	message := plain(fmt.Sprintf(format, args...))
	c.status.add(message)
	started := time.Now()
	return func() {
		c.status.remove(message)
		if c.debug {
			c.message("debug", fmt.Sprintf("%s: %v", message, time.Since(started).Round(time.Millisecond)))
		}
	}
}

func (c *Console) warn(format string, args ...any) {
	if !c.quiet {
		c.message("warning", fmt.Sprintf(format, args...))
	}
}

// A message is a line on standard error with --output json.
type message struct {
	envelope
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// message prints a line of a kind: error, warning or debug.
func (c *Console) message(kind, text string) {
	line := fmt.Sprintf("%s: %s\n", kind, plain(text))
	if c.asJSON {
		line = jsonLine(message{envelope: envelopeOf(kind), Message: text})
	}
	c.status.print(c.Err, line)
}

// fail prints an error, and the hint that it has or the given one.
func (c *Console) fail(err error, hint string) {
	if h, ok := errors.AsType[*hinted](err); ok {
		hint = h.hint
	}
	if c.asJSON {
		c.status.print(c.Err, jsonLine(message{envelopeOf("error"), err.Error(), hint}))
		return
	}
	c.message("error", err.Error())
	if hint != "" {
		c.message("hint", hint)
	}
}

// log returns a logger that prints warnings like warn and, with --debug, everything.
func (c *Console) log() *slog.Logger { return slog.New(logHandler{c, ""}) }

// A logHandler is a [slog.Handler] that prints messages on the console.
type logHandler struct {
	c      *Console
	prefix string
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.c.debug
}
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h logHandler) WithGroup(string) slog.Handler      { return h }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	if text := h.prefix + r.Message; r.Level < slog.LevelWarn {
		h.c.message("debug", text)
	} else {
		h.c.warn("%s", text)
	}
	return nil
}

// An envelope begins every JSON document that a command prints.
type envelope struct {
	Version string `json:"version"` // "1.0"
	Kind    string `json:"kind"`
}

func envelopeOf(kind string) envelope { return envelope{"1.0", kind} }

// json prints a document, indented, as the whole output.
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
		text(plainWriter{c.Out}, c.width())
	}
	if !enough {
		return errNotEnough
	}
	return nil
}

func jsonLine(m message) string {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(m) // strings only
	return line.String()
}
