// Command baseplan shows what a run image provides to a build plan and which
// image extensions it makes unnecessary. `baseplan --help` lists what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], &cli.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Now: time.Now})
	stop()
	os.Exit(code)
}
