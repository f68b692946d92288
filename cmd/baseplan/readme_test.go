package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

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
