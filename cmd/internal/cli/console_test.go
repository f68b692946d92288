package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"
)

// TestTables: at any width, a line is too long only if it is one word that is, and no cell loses a word.
func TestTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-zé/:.]{1,40}`)
		text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(word, 1, 8).Draw(t, "words"), " ") })
		tab := &table{width: rapid.IntRange(40, 120).Draw(t, "width"), head: []string{"NAME", "WHERE", "WHY"}}
		var want []string
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			name, where, why := word.Draw(t, "name"), word.Draw(t, "where"), text.Draw(t, "why")
			tab.row(name, where, why)
			want = append(want, strings.Fields(name+" "+where+" "+why)...)
		}
		var out bytes.Buffer
		tab.write(&out)
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > tab.width {
				t.Fatalf("a line of %d characters, of at most %d:\n%s", n, tab.width, &out)
			}
		}
		printed := strings.Fields(out.String())
		var got []string
		for _, w := range printed {
			if w != "NAME" && w != "WHERE" && w != "WHY" {
				got = append(got, w)
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("words %q, want %q", got, want)
		}
	})
}

// TestPlain: what a foreign text says to the terminal is not printed, and a cell is one line.
func TestPlain(t *testing.T) {
	var out, errs bytes.Buffer
	c := &Console{Out: &out, Err: &errs}
	tab := &table{head: []string{"NAME", "WHY"}}
	tab.row("a\x1b[2J\u202eé", "first:\n  second\r\nthird\tx\n")
	c.warn("b\x07\nc")
	if err := c.answer("text", nil, func(w io.Writer, _ int) {
		tab.write(w)
		fmt.Fprintf(w, "not safe: %s\n", "\u009b1m")
	}, true); err != nil {
		t.Fatal(err)
	}
	if want := "NAME     WHY\na\ufffd[2J\ufffdé  first: second; third x\nnot safe: \ufffd1m\n"; out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
	if want := "warning: b\ufffd\nc\n"; errs.String() != want {
		t.Errorf("warned %q, want %q", &errs, want)
	}
}

// A screen is the last line of a terminal.
type screen struct {
	above []string
	line  string
}

func (s *screen) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		switch {
		case strings.HasPrefix(text, "\r\x1b[K"):
			s.line, text = "", text[len("\r\x1b[K"):]
		case text[0] == '\n':
			s.above, s.line, text = append(s.above, s.line), "", text[1:]
		default:
			s.line, text = s.line+text[:1], text[1:]
		}
	}
	return len(p), nil
}

// TestProgressOfSeveral: work at the same time shares the line, and warnings are lines of their own.
func TestProgressOfSeveral(t *testing.T) {
	s := &screen{}
	c := &Console{Err: s}
	c.status.terminal, c.status.width = s, 30
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			done := c.progress("opening registry.example/a/long/name/of/a/run/image:%d", i)
			c.warn("image %d is old", i)
			done()
		})
	}
	wg.Wait()
	if s.line != "" || len(s.above) != 8 {
		t.Errorf("%q stays below %q", s.line, s.above)
	}
	for _, line := range s.above {
		if !strings.HasPrefix(line, "warning: image ") || !strings.HasSuffix(line, " is old") {
			t.Errorf("garbled: %q", line)
		}
	}
	done := c.progress("a message longer than the terminal is wide")
	if n := utf8.RuneCountInString(s.line); n >= 30 || n == 0 {
		t.Errorf("status %q has %d characters", s.line, n)
	}
	done()
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestFailedWrite: what is not written counts as a failure, for every way of printing.
func TestFailedWrite(t *testing.T) {
	for _, args := range []string{"version", "--help", "completion bash", "advise testdata/resolution.toml", "advise testdata/resolution.toml --output json"} {
		var errs bytes.Buffer
		if code := Run(t.Context(), strings.Fields(args), &Console{Out: fullDisk{}, Err: &errs}); code != Failure || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("baseplan %s: exit code %d, %q", args, code, &errs)
		}
	}
}

// TestEnvironment: a variable sets a flag, and an argument overrides it and those it excludes.
func TestEnvironment(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, tt := range []struct {
		args string
		env  func(string) string
		code int
		want string
	}{
		{"advise testdata/resolution.toml", env("BASEPLAN_OUTPUT", "json"), Enough, `"kind": "advice"`},
		{"advise testdata/resolution.toml -o text", env("BASEPLAN_OUTPUT", "json"), Enough, "NEW RUN IMAGES"},
		{"advise testdata/resolution.toml", env("BASEPLAN_OUTPUT", "yaml"), Failure, "unknown --output yaml"},
		{"advise testdata/resolution.toml", env("BASEPLAN_IMAGES", "many"), Failure, `BASEPLAN_IMAGES: invalid argument "many"`},
		{"advise testdata/resolution.toml --debug", env("BASEPLAN_QUIET", "true"), Enough, "NEW RUN IMAGES"},
		{"advise testdata/resolution.toml --debug --quiet", env(), Failure, "[debug quiet]"},
		{"resolve --from nowhere", env("BASEPLAN_RUN_IMAGE", "run", "BASEPLAN_BASEPLAN", "b.toml"), Failure, "nowhere"},
		{"advise none", env("BASEPLAN_OUTPUT", "json"), Failure, `{"version":"1.0","kind":"error","message":"reading past builds: stat none: no such file or directory"}` + "\n"},
		{"advise none --frob --output json", env(), Failure, `unknown flag: --frob`},
	} {
		var out bytes.Buffer
		if code := Run(t.Context(), strings.Fields(tt.args), &Console{Out: &out, Err: &out, Getenv: tt.env}); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("baseplan %s: exit code %d, want %d: %s, want %s", tt.args, code, tt.code, &out, tt.want)
		}
	}
}

func TestCacheDir(t *testing.T) {
	home, xdg := t.TempDir(), t.TempDir()
	env := map[string]string{"HOME": home, "XDG_CACHE_HOME": xdg}
	c := &Console{Getenv: func(name string) string { return env[name] }}
	if got := c.cacheDir(""); got != filepath.Join(xdg, "baseplan") {
		t.Errorf("cache in %s", got)
	}
	env["XDG_CACHE_HOME"] = "relative"
	if got := c.cacheDir(""); !strings.HasPrefix(got, home) {
		t.Errorf("cache in %s", got)
	}
	if got := c.cacheDir("none") + c.cacheDir("given"); got != "given" {
		t.Errorf("cache in %s", got)
	}
	clear(env)
	if got := c.cacheDir(""); got != "" {
		t.Errorf("cache in %s", got)
	}
}

// TestStandardInput: "-" is a file, once.
func TestStandardInput(t *testing.T) {
	var out bytes.Buffer
	c := &Console{Out: &out, Err: &out, In: strings.NewReader("FROM scratch AS\n")}
	if code := Run(t.Context(), []string{"check", "-", "--run-image", "oci:none"}, c); code != Failure || !strings.Contains(out.String(), "reading standard input: line 1") {
		t.Errorf("exit code %d: %s", code, &out)
	}
	again := &Console{In: strings.NewReader("x")}
	if data, err := again.readFile(stdin); string(data) != "x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := again.readFile(stdin); err == nil {
		t.Error("standard input is read twice")
	}
	again.In = strings.NewReader("sbom")
	path, err := again.spooled(stdin)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); string(data) != "sbom" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	for _, closer := range again.closers {
		closer()
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the copy stays behind")
	}
}

// TestOutputsAreChecked: a file that cannot be written is an error before anything is opened.
func TestOutputsAreChecked(t *testing.T) {
	for _, args := range []string{"sbom generate oci:none --file no/such/file", "resolve --run-image oci:none --order o --plans p --write .", "resolve --run-image oci:none --order o --plans p --html console_test.go/x"} {
		var errs bytes.Buffer
		if code := Run(t.Context(), strings.Fields(args), &Console{Out: io.Discard, Err: &errs}); code != Failure || !strings.HasPrefix(errs.String(), "error: --") {
			t.Errorf("baseplan %s: exit code %d: %s", args, code, &errs)
		}
	}
}

// TestWarningsAsJSON: every line on standard error is a document if the output is.
func TestWarningsAsJSON(t *testing.T) {
	var errs bytes.Buffer
	c := &Console{Err: &errs, asJSON: true}
	c.warn("an SBOM of <%s>", "run")
	c.fail(&hinted{errors.New("no"), "yes"}, "")
	for line := range strings.Lines(errs.String()) {
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Version != "1.0" {
			t.Errorf("%q: %v", line, err)
		}
	}
	if want := fmt.Sprintln(`{"version":"1.0","kind":"error","message":"no","hint":"yes"}`); !strings.HasSuffix(errs.String(), want) {
		t.Errorf("%s, want %s", &errs, want)
	}
}
