// Package cli implements the commands of baseplan, the tool for publishers of run images and
// operators of platforms. Start with [Run].
//
// A command opens images, calls the packages of the library, and prints the result as a table
// that fits the terminal, or as JSON. Standard output has the result only; progress and warnings
// go to standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/build"
)

// The exit codes, the same for every command.
const (
	Enough    = 0 // success; everything required is there
	Failure   = 1 // invalid usage, unreadable input, unreachable image
	NotEnough = 3 // the answer is no: an unmet requirement, a Dockerfile to apply, no suitable image
)

// errNotEnough ends a command that has already printed why the answer is no.
var errNotEnough = errors.New("not enough")

// Run runs baseplan with the arguments, without the program's name, and returns the
// exit code.
func Run(ctx context.Context, args []string, c *Console) int {
	out := &checkedWriter{to: c.Out}
	run := &Console{Out: out, Err: c.Err, In: c.In, Getenv: c.Getenv, Now: c.Now, columns: columnsOf(c.Out)}
	if width := columnsOf(c.Err); width > 0 {
		run.status.terminal, run.status.width = c.Err, width
	}
	code := run.main(ctx, args)
	for _, closer := range slices.Backward(run.closers) {
		closer()
	}
	if out.err != nil && code != Failure {
		run.fail(fmt.Errorf("writing standard output: %w", out.err), "")
		return Failure
	}
	return code
}

// main runs a command. What it prints may not be written.
func (c *Console) main(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	understood := false
	onRun(root, func() { understood = true })
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return Enough
	case errors.Is(err, errNotEnough):
		return NotEnough
	}
	hint := ""
	if !understood {
		hint = fmt.Sprintf("usage: %s; see --help", cmd.UseLine())
		c.asJSON = jsonWanted(cmd)
	}
	c.fail(err, hint)
	return Failure
}

// jsonWanted reports whether the flags of a command that was not run ask for JSON.
func jsonWanted(cmd *cobra.Command) bool {
	f := cmd.Flag("output")
	return f != nil && f.Value.String() == "json"
}

// onRun calls a function once a command was parsed and is about to run.
func onRun(cmd *cobra.Command, call func()) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			call()
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		onRun(sub, call)
	}
}

// Command returns the tree of commands, for their documentation.
func Command() *cobra.Command { return (&Console{}).root() }

func (c *Console) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "baseplan",
		Short: "Show what a run image provides to a build plan and which image extensions it makes unnecessary",
		Long: `baseplan reads the packages of a run image, determines what the image provides to a
build plan, and decides which Dockerfiles of image extensions still need to be applied.

An IMAGE is a registry reference, docker://NAME, oci:DIR or tar:FILE.

Every flag can also be set in the environment: --cache-dir as BASEPLAN_CACHE_DIR. The one
exception is --file of sbom generate. A file to read that is named - is standard input.

With --output json, every command prints one document with its kind, except those that print
a file: sbom generate and trusted-root.

Exit codes: 0 success, 1 wrong usage or failure, 3 the answer is no (see each command).`,
		Version:       build.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringSlice("insecure-registry", nil, "registries (host or host/path) to access over HTTP, or HTTPS without verifying their certificates; also CNB_INSECURE_REGISTRIES")
	root.PersistentFlags().String("platform", "", "platform of a multi-platform image, os/arch[/variant] (default: all of them, and of a command about one platform, linux with this machine's architecture)")
	root.PersistentFlags().String("cache-dir", "", "cache the packages of each layer in this directory, at most 512 MiB, or none (default: baseplan in the cache directory of the user)")
	root.PersistentFlags().BoolVarP(&c.quiet, "quiet", "q", false, "print neither warnings nor progress")
	root.PersistentFlags().BoolVar(&c.debug, "debug", false, "print what is done, and how long it takes")
	root.MarkFlagsMutuallyExclusive("quiet", "debug")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		err := c.setFromEnv(cmd)
		c.asJSON = jsonWanted(cmd)
		if c.quiet {
			c.status.terminal = nil
		}
		return err
	}
	root.AddCommand(c.sbomCommand(), c.providesCommand(), c.resolveCommand(), c.explainCommand(), c.checkCommand(), c.selectCommand(), c.catalogCommand(), c.pruneCommand(), c.rebaseCheckCommand(), c.diffCommand(),
		c.adviseCommand(), c.policyCommand(), c.trustedRootCommand(), c.versionCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &hinted{err, fmt.Sprintf("see %s --help for the flags", cmd.CommandPath())}
	})
	return root
}

// A hinted error has a hint on how to fix it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// completeFlag completes the values of a flag.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// outputFlag adds --output and returns its value.
func outputFlag(cmd *cobra.Command, formats ...string) *string {
	formats = append([]string{"text", "json"}, formats...)
	value := new(string)
	cmd.Flags().StringVarP(value, "output", "o", "text", "output format: "+strings.Join(formats, ", "))
	completeFlag(cmd, "output", formats...)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, *value) {
			return &hinted{fmt.Errorf("unknown --output %s", *value), "use one of " + strings.Join(formats, ", ")}
		}
		return nil
	}
	return value
}
