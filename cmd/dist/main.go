// Command dist builds the release artifacts of a version (see `make dist`): for each platform
// tarballs of the lifecycle and of the baseplan command, the multi-platform lifecycle image as
// an OCI layout, and checksums. The same source, version and commit give the same bytes.
//
// It is not published itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/lifecycle/layers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	r := release{Progress: os.Stdout}
	r.Compile = r.compile
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	flags.StringVar(&r.Source, "source", ".", "`directory` of the module")
	flags.StringVar(&r.Out, "out", "dist", "`directory` to write to")
	flags.StringVar(&r.Version, "version", build.Version, "version, without the prefix v")
	flags.StringVar(&r.Commit, "commit", "", "commit to record in the binaries and images; empty: none")
	settings := flags.String("settings", "", "baseplan.toml to include in the lifecycle image, as the policy of its phases")
	push := flags.String("push", "", "`reference` to push the lifecycle image to")
	flags.Func("platforms", "`OS/ARCH[,OS/ARCH...]` to build for (default all)", func(list string) error {
		for p := range strings.SplitSeq(list, ",") {
			platform, err := v1.ParsePlatform(p)
			if err != nil {
				return err
			}
			r.Only = append(r.Only, *platform)
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if r.Created, err = build.SourceDate(os.Getenv("SOURCE_DATE_EPOCH"), layers.Epoch); err != nil {
		return err
	}
	if r.Settings, err = readSettings(*settings); err != nil {
		return err
	}
	lifecycle, err := r.Make(ctx)
	if err != nil || *push == "" {
		return err
	}
	return r.push(ctx, *push, lifecycle)
}
