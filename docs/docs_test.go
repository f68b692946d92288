// Package docs_test runs the tutorials: every command in them, by a shell, with the binaries
// as they are, and compares what they print with what the tutorials show.
package docs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// address is the registry that the tutorials speak of. It is as long as that of a registry
// in this process, so that tables are the same.
const address = "localhost:50000"

// user is who the tutorials are for where the tests run as root: they need no root.
const user = 1000

func TestTutorials(t *testing.T) {
	bin := programs(t)
	tutorials, err := filepath.Glob("tutorials/*.md")
	if err != nil || len(tutorials) < 4 {
		t.Fatalf("found the tutorials %q, %v", tutorials, err)
	}
	for _, path := range tutorials {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			page, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			steps := parse(string(page))
			if len(steps) == 0 && filepath.Base(path) != "README.md" {
				t.Fatal("it has no commands: it lost them, or this test their form")
			}
			if _, err := exec.LookPath("openssl"); err != nil && strings.Contains(string(page), "$ openssl ") {
				t.Skip("it makes keys with openssl, which is not installed")
			}
			registry := lifecycletest.Registry()
			defer registry.Close()
			if len(registry.Name) != len(address) {
				t.Fatalf("the registry is at %s, which is not as long as %s", registry.Name, address)
			}
			for name, image := range lifecycletest.RunImages() {
				registry.Push(name, image)
			}
			results := run(t, bin, registry.Name, steps)
			for i, s := range steps {
				s.check(t, results[i], i+1 < len(steps) && steps[i+1].command == "echo $?")
			}
		})
	}
}

// A step is a command of a tutorial, and what it shows of the output.
type step struct {
	line    int
	command string
	shown   []string // lines; a line "..." stands for any lines, "..." in a line for any text; none: nothing is shown
}

// parse reads the commands of a page: those behind "$ " in its blocks of the language console.
// A command goes on in the next line behind a backslash.
func parse(page string) []step {
	var steps []step
	inside, more := false, false
	for i, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside, more = line == "```console", false
		case !inside:
		case more:
			steps[len(steps)-1].command += "\n" + line
			more = strings.HasSuffix(line, `\`)
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: i + 1, command: line[2:]})
			more = strings.HasSuffix(line, `\`)
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			last.shown = append(last.shown, line)
		}
	}
	return steps
}

// A result is what a command printed, to either stream, and its exit code.
type result struct {
	output string
	code   int
}

func (s step) check(t *testing.T, r result, asked bool) {
	t.Helper()
	if (r.code != 0) != asked {
		t.Errorf("line %d: %s: exit code %d; behind a command that fails, and no other, stands `$ echo $?`", s.line, s.command, r.code)
	}
	if len(s.shown) == 0 {
		return
	}
	shown := strings.Join(s.shown, "\n") + "\n"
	if !pattern(s.shown).MatchString(r.output) {
		t.Errorf("line %d: %s\n-shown +printed:\n%s", s.line, s.command, cmp.Diff(shown, r.output))
	}
}

// pattern matches what is shown.
func pattern(shown []string) *regexp.Regexp {
	var b strings.Builder
	for _, line := range shown {
		if line == "..." {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, `.*`) + `\n`)
	}
	return regexp.MustCompile(`\A` + b.String() + `\z`)
}

// run runs the steps in one shell, in a copy of the example.
func run(t *testing.T, bin, registry string, steps []step) []result {
	t.Helper()
	work := t.TempDir()
	if err := os.CopyFS(work, os.DirFS("tutorials/example")); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("mark() { status=$?; printf '\\n\\001%d\\n' $status; return $status; }\n. ./env.sh\n")
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\nmark\n", s.command)
	}
	write(t, filepath.Join(work, ".script"), strings.ReplaceAll(script.String(), address, registry))
	rename(t, work, registry)
	cmd := exec.CommandContext(t.Context(), "sh", ".script")
	cmd.Dir = work
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + work, "TMPDIR=" + work}
	if os.Geteuid() == 0 {
		give(t, work)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	}
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(out), registry, address), work, "$PWD")
	var results []result
	for before, rest, ok := strings.Cut(text, "\n\x01"); ok; before, rest, ok = strings.Cut(rest, "\n\x01") {
		var code string
		code, rest, _ = strings.Cut(rest, "\n")
		n, err := strconv.Atoi(code)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, result{before, n})
	}
	if len(results) != len(steps) {
		t.Fatalf("%d of %d commands ended:\n%s", len(results), len(steps), text)
	}
	return results
}

// rename puts the registry's name into the example's files.
func rename(t *testing.T, dir, registry string) {
	t.Helper()
	path := filepath.Join(dir, "run.toml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.ReplaceAll(string(data), address, registry))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// give gives a directory to the user, and lets the user reach it.
func give(t *testing.T, dir string) {
	t.Helper()
	for parent := dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, user, user))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// programs builds the three binaries and returns their directory.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "../cmd/baseplan", "../cmd/lifecycle", "../cmd/launcher")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	if os.Geteuid() == 0 {
		give(t, dir)
	}
	return dir
}

// link finds the target of a link in Markdown.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows the links from page to page.
func TestLinks(t *testing.T) {
	var pages []string
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasPrefix(e.Name(), ".") && path != ".." {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil || len(pages) < 10 {
		t.Fatalf("found the pages %q, %v", pages, err)
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := page
			if target != "" {
				to = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if heading != "" && !hasHeading(t, to, heading) {
				t.Errorf("%s links to %s, and there is no such heading", page, m[1])
			}
		}
	}
}

// hasHeading reports whether a page has a heading with an anchor, as Markdown viewers make it.
func hasHeading(t *testing.T, page, anchor string) bool {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		title := strings.TrimLeft(line, "#")
		if title != line && strings.HasPrefix(title, " ") && anchorOf(strings.TrimSpace(title)) == anchor {
			return true
		}
	}
	return false
}

func anchorOf(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.ToLower(title))
}

// TestArchitectureNamesFiles: the files and packages that the page on the code names are there.
func TestArchitectureNamesFiles(t *testing.T) {
	page, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:sbom|provides|resolver|extensions|lifecycle|cmd)(?:/[a-z_]+)*(?:\\.go)?)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 50 {
		t.Fatalf("it names %d files and packages: it lost them, or this test their form", len(named))
	}
	for _, m := range named {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("architecture.md names %s: %v", m[1], err)
		}
	}
}
