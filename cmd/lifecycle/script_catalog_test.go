package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/cmd/internal/cli"
)

// runBaseplan runs a command of baseplan, whose files are in the script's directory: baseplan ARG...
func runBaseplan(ts *testscript.TestScript, _ bool, args []string) {
	for i, arg := range args {
		if slices.Contains([]string{".pem", ".pub", ".json"}, filepath.Ext(arg)) {
			args[i] = ts.MkAbs(arg)
		}
	}
	args = append(args, "--cache-dir", "none", "--platform", "linux/amd64")
	if code := cli.Run(context.Background(), args, &cli.Console{Out: ts.Stdout(), Err: ts.Stderr()}); code != cli.Enough {
		ts.Fatalf("baseplan %q: exit code %d", args, code)
	}
}
