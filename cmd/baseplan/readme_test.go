package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mvdan.cc/sh/v3/shell"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// readmeTests are the tests that run the README's commands, by how a command begins. Those with the build tag e2e need docker.
var readmeTests = map[string]string{
	"baseplan ":    "TestReadme",
	"$ baseplan ":  "TestReadmeCapture",
	"make demo":    "TestReadmeDemo",
	"make test":    "TestReadmeMakeTest",
	"go install ":  "TestReadmeInstall",
	"make dist ":   "TestReadmeDocker",
	"dpkg ":        "TestReadmeDocker",
	"docker build": "TestReadmeDocker",
}

// readmeCommands are the commands in the README's blocks that a test runs, in order.
func readmeCommands(t *testing.T, test string) []string {
	t.Helper()
	var found []string
	for _, c := range allReadmeCommands(t) {
		if readmeTest(c) == test {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		t.Fatal("the README lost its commands, or this test their form")
	}
	return found
}

func readmeTest(command string) string {
	for begin, test := range readmeTests {
		if strings.HasPrefix(command, begin) {
			return test
		}
	}
	return ""
}

// allReadmeCommands are the lines of the README's indented blocks, without comments. Of a block that begins with "$ ", the rest
// is output. Fenced blocks have no commands, but text.
func allReadmeCommands(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	output, fenced := false, false
	for line := range strings.Lines(string(readme)) {
		command, inBlock := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		switch {
		case strings.HasPrefix(line, "```"):
			if fenced = !fenced; fenced && line != "```text\n" {
				t.Errorf("commands belong into indented blocks: %s", line)
			}
		case fenced:
		case !inBlock:
			output = output && line == "\n" // an empty line may be a part of output
		case !output:
			command, _, _ = strings.Cut(command, " # ")
			commands = append(commands, strings.TrimSpace(command))
			output = strings.HasPrefix(command, "$ ")
		}
	}
	return commands
}

// TestReadmeCommands: a test runs every command of the README.
func TestReadmeCommands(t *testing.T) {
	var sources strings.Builder
	for _, name := range []string{"readme_test.go", "readme_e2e_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(text)
	}
	used := map[string]bool{}
	for _, c := range allReadmeCommands(t) {
		test := readmeTest(c)
		used[test] = true
		if test == "" {
			t.Errorf("no test runs %q", c)
		}
	}
	for _, test := range readmeTests {
		if !used[test] || !strings.Contains(sources.String(), "func "+test+"(t *testing.T)") {
			t.Errorf("%s is not a test of a command", test)
		}
	}
}

// inShell runs a command as it is written, at the top of a tree.
func inShell(t *testing.T, dir, command string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", command)
	cmd.Dir = dir
	// The tests themselves may be run by make.
	cmd.Env = append(append(os.Environ(), "MAKELEVEL=0", "MAKEFLAGS="), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// TestReadmeDemo runs "make demo", which shows both verdicts.
func TestReadmeDemo(t *testing.T) {
	needs(t, "make")
	for _, command := range readmeCommands(t, t.Name()) {
		out := inShell(t, "../..", command)
		for _, text := range []string{"The run image is enough", "satisfied", "apply"} {
			if !strings.Contains(out, text) {
				t.Errorf("%s does not say %q:\n%s", command, text, out)
			}
		}
	}
}

// TestReadmeMakeTest only has make say what it would do, since this is a part of that.
func TestReadmeMakeTest(t *testing.T) {
	needs(t, "make")
	for _, command := range readmeCommands(t, t.Name()) {
		if out := inShell(t, "../..", command, "MAKEFLAGS=n"); !strings.HasSuffix(strings.TrimSpace(out), " go test ./...") {
			t.Errorf("%s would run %s", command, out)
		}
	}
}

func TestReadmeInstall(t *testing.T) {
	bin := t.TempDir()
	for _, command := range readmeCommands(t, t.Name()) {
		inShell(t, "../..", command, "GOBIN="+bin)
	}
	if out := inShell(t, bin, "./baseplan version"); out != build.Version+"\n" {
		t.Errorf("the installed baseplan calls itself %q", out)
	}
}

func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
}

// TestReadme runs the README's commands of baseplan, in order, against a registry that
// takes the place of registry.example.
func TestReadme(t *testing.T) {
	commands := readmeCommands(t, t.Name())
	t.Chdir("../..")
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:base", lifecycletest.Debian())
	registry.Push("run:curl", lifecycletest.Debian("curl"))
	apps := explained(t, lifecycletest.Debian())
	registry.Push("app", apps["app1"])
	registry.Push("app:1", apps["app1"])
	registry.Push("app:2", apps["app2"])
	for _, command := range commands {
		args, err := shell.Fields(strings.ReplaceAll(strings.TrimPrefix(command, "baseplan "), "registry.example", registry.Name), nil)
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), args, &cli.Console{Out: &out, Err: &errs})
		// The first answers a question with no, which the README does not hide.
		if code != cli.Enough && !strings.HasPrefix(command, "baseplan provides registry.example/run:base curl") || errs.Len() > 0 {
			t.Errorf("%s: exit code %d\n%s%s", command, code, &out, &errs)
		}
	}
}

// columns is the environment of a terminal of 100 characters.
func columns(name string) string {
	if name == "COLUMNS" {
		return "100"
	}
	return ""
}

// TestReadmeCapture holds what the README's first screen shows to what the command prints.
func TestReadmeCapture(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:curl", lifecycletest.Debian("curl"))
	_, rest, found := strings.Cut(string(readme), "\n    $ baseplan ")
	command, rest, _ := strings.Cut(rest, "\n")
	shown, _, ends := strings.Cut(rest, "\n\n## ")
	if !found || !ends {
		t.Fatal("the README lost its capture, or this test its form")
	}
	var want strings.Builder
	for line := range strings.Lines(shown + "\n") {
		want.WriteString(strings.TrimPrefix(line, "    "))
	}
	var out, errs bytes.Buffer
	args := strings.Fields(strings.ReplaceAll(command, "registry.example", registry.Name))
	if code := cli.Run(t.Context(), args, &cli.Console{Out: &out, Err: &errs, Getenv: columns}); code != cli.Enough || errs.Len() > 0 {
		t.Errorf("baseplan %s: exit code %d\n%s", command, code, &errs)
	}
	if diff := cmp.Diff(want.String(), strings.ReplaceAll(out.String(), registry.Name, "registry.example")); diff != "" {
		t.Errorf("-shown +printed:\n%s", diff)
	}
}
