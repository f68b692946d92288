// Command dist builds the release artifacts of a version (see `make dist`): for each platform
// archives of the lifecycle and of the baseplan command, packages of the latter for Linux
// distributions, multi-platform images of both as OCI layouts, and checksums. The same source,
// version and commit give the same bytes; signatures differ.
//
// It is not published itself.
package main

import (
	"context"
	"crypto"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/sbom/attach"
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
	pushCommand := flags.String("push-command", "", "`reference` to push the image of baseplan to, with its SBOM")
	key := flags.String("sign", "", "private `key` (PEM; cosign's with COSIGN_PASSWORD) that signs the checksums and the SBOM")
	flags.StringVar(&r.URL, "url", "https://"+module+"/releases/download", "`URL` that archives are published at, for the Homebrew formula")
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
	if r.Sign, err = readSigner(*key); err != nil {
		return err
	}
	images, err := r.Make(ctx)
	if err != nil {
		return err
	}
	if *push != "" {
		if _, err := r.push(ctx, *push, images[lifecycleImage]); err != nil {
			return err
		}
	}
	if *pushCommand == "" {
		return nil
	}
	return r.pushCommand(ctx, *pushCommand, images[commandImage])
}

func readSigner(path string) (crypto.Signer, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	return attach.ParseSigner(data, path, func() ([]byte, error) { return []byte(os.Getenv("COSIGN_PASSWORD")), nil })
}
