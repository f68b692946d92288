// Command demo shows baseplan's main feature on two generated run images, one without curl and
// one with it, and explains what happens. It needs only Go: the registry runs in this process,
// and the images have real Debian package databases. With -serve it is the registry for the
// tutorials instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

func main() {
	inputs := flag.String("inputs", "testdata/demo", "`directory` with the order, the build plans and the Dockerfiles")
	address := flag.String("serve", "", "only serve the run images of docs/tutorials at this `address`, such as localhost:50000")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *address != "" {
		err = serve(ctx, os.Stdout, *address)
	} else {
		err = demo(ctx, os.Stdout, *inputs)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// A step is one command of the demo, with explanations before and after it.
type step struct {
	say  string
	args []string
	want int // exit code
}

func demo(ctx context.Context, out io.Writer, inputs string) error {
	registry := lifecycletest.Registry()
	defer registry.Close()
	plain := registry.Push("run:plain", lifecycletest.Debian())
	curl := registry.Push("run:curl", lifecycletest.Debian("curl"))
	resolve := func(image string) []string {
		return []string{"resolve", "--run-image", image, "--order", inputs + "/order.toml", "--plans", inputs + "/plans", "--generated", inputs + "/generated"}
	}

	fmt.Fprintf(out, `An app needs curl at run time. The builder has an image extension, acme/curl, that installs it in the run
image. This needs a second container that runs as root, and the app image can no longer be rebased. There are two run
images in a registry in this process, %s. Which of them needs the extension?
`, registry.Name)
	for _, s := range []step{
		{"A plain Debian image needs it:", resolve(plain), cli.NotEnough},
		{"What does the other run image provide?", []string{"provides", curl, "curl", "cmd:curl", "pkg:deb/curl"}, cli.Enough},
		{"It has curl, so the same build needs no extension there:", resolve(curl), cli.Enough},
	} {
		fmt.Fprintf(out, "\n%s\n\n$ baseplan %s\n", s.say, strings.Join(s.args, " "))
		if code := cli.Run(ctx, s.args, &cli.Console{Out: out, Err: out}); code != s.want {
			return fmt.Errorf("running baseplan %s: exit code %d, expected %d", strings.Join(s.args, " "), code, s.want)
		}
	}
	return nil
}
