package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"mvdan.cc/sh/v3/shell"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// TestReadme runs every command of the README, in order, against a registry that
// takes the place of registry.example.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:base", lifecycletest.Debian())
	registry.Push("run:curl", lifecycletest.Debian("curl"))
	apps := explained(t, lifecycletest.Debian())
	registry.Push("app", apps["app1"])
	registry.Push("app:1", apps["app1"])
	registry.Push("app:2", apps["app2"])
	ran := 0
	for line := range strings.Lines(string(readme)) {
		command, ok := strings.CutPrefix(line, "    baseplan ")
		if !ok {
			continue
		}
		args, err := shell.Fields(strings.ReplaceAll(command, "registry.example", registry.Name), nil)
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), args, &cli.Console{Out: &out, Err: &errs})
		// The first answers a question with no, which the README does not hide.
		if code != cli.Enough && !strings.HasPrefix(command, "provides registry.example/run:base curl") || errs.Len() > 0 {
			t.Errorf("baseplan %s: exit code %d\n%s%s", strings.TrimSpace(command), code, &out, &errs)
		}
		ran++
	}
	if ran < 9 {
		t.Errorf("ran %d commands: the README lost its examples, or this test their form", ran)
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
