// Command lifecycle runs every phase of a build. The phase is the name of the executable or the
// first argument (platform.md, "Usage").
//
//	/cnb/lifecycle/analyzer [FLAG...] IMAGE
//	/cnb/lifecycle/lifecycle analyzer [FLAG...] IMAGE
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/cmd/internal/console"
	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func main() { start(time.Now) }

// start runs the requested phase. The clock returns the build time.
func start(now func() time.Time) {
	if apply.Main() {
		return
	}
	if len(os.Args) == 2 && os.Args[0] == dialerName {
		os.Exit(serveDials())
	}
	name, args := phaseName(os.Args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, name, args, now)
	stop()
	os.Exit(int(fail.CodeOf(err)))
}

// phaseName returns the requested phase and its arguments.
func phaseName(argv []string) (string, []string) {
	name, args := filepath.Base(argv[0]), argv[1:]
	if _, known := platform.PhaseOf(name); !known && len(args) > 0 {
		return args[0], args[1:]
	}
	return name, args
}

// run runs a phase: it parses the arguments and reports errors.
func run(ctx context.Context, name string, args []string, now func() time.Time) error {
	stdout, stderr := streams(os.Stdout, os.Stderr)
	early := console.New(stdout, stderr, "info", false)
	phase, known := platform.PhaseOf(name)
	if !known && wantsVersion(append([]string{name}, args...)) { // lifecycle -version needs nothing else (docs/compatibility.md, "Platforms")
		fmt.Println(build.String())
		return nil
	}
	if !known {
		err := fail.As(fail.InvalidArgs, "", fmt.Errorf("unknown phase %q; expected one of %s", name, strings.Join(platform.PhaseNames(), ", ")))
		early.Error(err.Error())
		return err
	}
	mode := api.DeprecationMode(os.Getenv("CNB_DEPRECATION_MODE"))
	version, warning, err := api.Platform.Check(os.Getenv("CNB_PLATFORM_API"), "the platform (CNB_PLATFORM_API)", mode)
	if err != nil {
		early.Error(err.Error())
		return err
	}
	if wantsVersion(args) {
		fmt.Println(build.String())
		return nil
	}
	in, err := platform.Parse(phase, version, args, os.Getenv)
	if errors.Is(err, platform.ErrHelp) {
		platform.Usage(phase, version, os.Stdout)
		return nil
	}
	if err != nil {
		early.Error(fmt.Sprintf("failed to parse the inputs of %s: %v", name, err))
		return err
	}
	c := &command{Inputs: in, phase: phase, api: version, deprecation: mode, now: now, stdout: stdout, stderr: stderr}
	var out, errOut io.Writer = stdout, stderr
	if isTerminal(stdout) {
		c.transfers = &console.Transfers{Out: stdout}
		defer c.transfers.Clear()
		out, errOut = c.transfers.Over(out), c.transfers.Over(errOut)
	}
	log := console.New(out, errOut, in.LogLevel, !in.NoColor)
	c.log, c.replay = log, console.New(errOut, errOut, in.LogLevel, !in.NoColor)
	if warning != "" {
		log.Warn(warning)
	}
	for _, text := range in.EarlyFlags {
		log.Debug(text)
	}
	if err := c.measured(func() error { return c.run(ctx) }); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: interrupted", err)
		}
		log.Error(oneLine(fmt.Sprintf("failed to %s: %v", phases[phase].verb, err)))
		return err
	}
	return nil
}

// streams returns the output streams of this process: the same file for both if they are the
// same terminal, pipe or file, so that output stays in order and is not overwritten.
func streams(out, errs *os.File) (stdout, stderr *os.File) {
	a, err := out.Stat()
	if err != nil {
		return out, errs
	}
	if b, err := errs.Stat(); err == nil && os.SameFile(a, b) {
		return out, out
	}
	return out, errs
}

// oneLine joins the lines of an error, since some platforms show only lines that begin with
// ERROR (docs/compatibility.md, "Platforms").
func oneLine(text string) string {
	var joined strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		before := joined.String()
		switch {
		case line == "":
			continue
		case before == "":
		case strings.HasSuffix(before, ":"), strings.HasSuffix(before, "."), strings.HasSuffix(before, ";"):
			joined.WriteString(" ")
		default:
			joined.WriteString("; ")
		}
		joined.WriteString(line)
	}
	return joined.String()
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// wantsVersion reports whether the flags contain -version. It is checked before any input is
// read.
func wantsVersion(args []string) bool {
	for _, a := range args {
		switch a {
		case "-version", "--version", "-version=true", "--version=true":
			return true
		case "--":
			return false
		}
	}
	return false
}
