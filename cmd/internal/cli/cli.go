// Package cli holds the commands of baseplan, the tool for the people who
// publish run images and operate platforms. Start with [Run].
//
// A command opens images, lets the packages to the left do the work, and shows
// what came of it: as tables that fit a terminal, or as JSON. What it prints to
// its output is the result and nothing else; progress and warnings go to the
// error stream.
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
	Enough    = 0 // done; what was asked for is there
	Failure   = 1 // wrong usage, unreadable input, unreachable image
	NotEnough = 3 // the answer is no: a requirement unmet, a Dockerfile left to apply, no image that suffices
)

// errNotEnough ends a command that has already said why the answer is no.
var errNotEnough = errors.New("not enough")

// Run is baseplan with these arguments (without the program's name). It returns
// the exit code.
func Run(ctx context.Context, args []string, c *Console) int {
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
	fmt.Fprintf(c.Err, "error: %v\n", err)
	if hint, ok := errors.AsType[*hinted](err); ok {
		fmt.Fprintf(c.Err, "hint: %s\n", hint.hint)
	} else if !understood {
		fmt.Fprintf(c.Err, "hint: usage: %s; --help says more\n", cmd.UseLine())
	}
	return Failure
}

// onRun has a function called once a command was understood and runs.
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

func (c *Console) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "baseplan",
		Short: "What a run image already provides to a build plan, and which extensions it makes needless",
		Long: `baseplan reads what a run image holds, turns it into what the image provides to a
build plan, and judges which image extensions still have work to do.

An IMAGE is a registry reference, docker://NAME, oci:DIR or tar:FILE.

Exit codes: 0 done and enough, 1 wrong usage or failure, 3 not enough.`,
		Version:       build.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringSlice("insecure-registry", nil, "registries (host or host/path) to access over HTTP, or HTTPS without verifying their certificates; also CNB_INSECURE_REGISTRIES")
	root.PersistentFlags().String("platform", "", "platform of a multi-platform image, os/arch[/variant] (default linux and this machine's)")
	root.PersistentFlags().String("cache-dir", "", "keep what was read of each layer here, so that a shared layer is read once")
	root.AddCommand(c.sbomCommand(), c.providesCommand(), c.resolveCommand(), c.checkCommand(), c.selectCommand(), c.pruneCommand(), c.rebaseCheckCommand(),
		c.adviseCommand(), c.trustedRootCommand(), c.versionCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &hinted{err, fmt.Sprintf("%s --help lists the flags", cmd.CommandPath())}
	})
	return root
}

// A hinted error knows the way out.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// outputFlag adds --output and returns where its value will stand.
func outputFlag(cmd *cobra.Command, formats ...string) *string {
	formats = append([]string{"text", "json"}, formats...)
	value := new(string)
	cmd.Flags().StringVarP(value, "output", "o", "text", "how to print the result: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, *value) {
			return &hinted{fmt.Errorf("--output %s is not known", *value), "it is one of " + strings.Join(formats, ", ")}
		}
		return nil
	}
	return value
}
