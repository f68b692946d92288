//go:build linux

// Command difftest compares two Cloud Native Buildpacks lifecycles: it runs the same small
// builds with both and compares all results.
//
//	difftest A_BIN B_BIN [-seeds 1-50]
//	difftest -against FILE A_BIN
//	difftest -record FILE A_BIN
//	difftest -self A_BIN
//
// A_BIN and B_BIN are directories with `lifecycle` (all phases, selected by its name) and
// `launcher`. Cases are generated from seeds, or read from FILE with the recorded observations.
// A case is two builds, launches of their images, and a rebase; see [Case].
//
// It requires root, since phases run as user 1000, which must have an entry in /etc/passwd.
// The registry runs in this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

func main() {
	var o options
	flag.StringVar(&o.against, "against", "", "`file` of recorded cases and observations to compare with, instead of a second lifecycle")
	flag.StringVar(&o.record, "record", "", "`file` to write cases and observations of the lifecycle to, instead of comparing")
	flag.BoolVar(&o.self, "self", false, "compare equivalent ways to use one lifecycle: five phases and the creator, a cache directory and a cache image, a registry and the docker daemon of DOCKER_HOST")
	flag.Var(&o.seeds, "seeds", "`seeds` of the cases, such as 1-20,31")
	flag.StringVar(&o.work, "work", "/tmp/observed/w", "work `directory`, which is emptied; digests of layers depend on its path")
	flag.StringVar(&o.log, "log", "", "`file` to append the output of all commands to")
	flag.BoolVar(&o.verbose, "v", false, "print every difference, not only the first of each kind")
	flag.Parse()
	o.bins = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "difftest: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	against, record, work, log string

	bins    []string
	seeds   seeds
	verbose bool
	self    bool
}

// seeds is a flag: a list of numbers and of ranges.
type seeds []uint64

func (s *seeds) String() string { return fmt.Sprint([]uint64(*s)) }

// Set implements [flag.Value].
func (s *seeds) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return err
		}
		to, err := strconv.ParseUint(last, 10, 32)
		if err != nil {
			return err
		}
		for n := from; n <= to; n++ {
			*s = append(*s, n)
		}
	}
	return nil
}

// check returns an error for missing options.
func (o *options) check() error {
	want := 2
	if o.against != "" || o.record != "" || o.self {
		want = 1
	}
	switch {
	case len(o.bins) != want:
		return fmt.Errorf("got %d directories with a lifecycle, want %d (flags come first)", len(o.bins), want)
	case os.Getuid() != 0:
		return errors.New("root is required, since phases run as user 1000")
	}
	if _, err := user.LookupId(strconv.Itoa(cnbUser)); err != nil {
		return fmt.Errorf("%w; create it (useradd -u %d -m cnb)", err, cnbUser)
	}
	return nil
}

func (o *options) run(ctx context.Context, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	syscall.Umask(0o022)
	registry := lifecycletest.Registry()
	defer registry.Close()
	r := &Runner{Work: o.work, Log: o.log, Prefix: registry.Name + "/x"}
	if err := r.pushRunImages(registry); err != nil {
		return err
	}
	programs, err := os.MkdirTemp("", "difftest") // where user 1000 can execute them
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	if err := os.Chmod(programs, 0o755); err != nil {
		return err
	}
	var sides []*Side
	for i, bin := range o.bins {
		side, err := newSide("ab"[i:i+1], bin, programs)
		if err != nil {
			return err
		}
		sides = append(sides, side)
	}
	for _, side := range sides {
		side.Exported = sides[len(sides)-1].Launcher // so that the launcher layer is equal
	}
	defer os.RemoveAll(o.work)
	defer os.RemoveAll(o.work + ".x")
	switch {
	case o.record != "":
		return o.recordAll(ctx, out, r, sides[0])
	case o.against != "":
		return o.replay(ctx, out, r, sides[0])
	case o.self:
		return o.compareSelf(ctx, out, r, sides[0])
	}
	if len(o.seeds) == 0 {
		_ = o.seeds.Set("1-20")
	}
	report := &report{out: out, expected: &Expected{}, verbose: o.verbose}
	return report.compare(o.allCases(), func(c *Case, second bool) (map[string]any, error) {
		side := sides[0]
		if second {
			side = sides[1]
		}
		return r.Observe(ctx, c, side)
	})
}

// newSide copies the binaries.
func newSide(name, bin, to string) (*Side, error) {
	s := &Side{Name: name, Lifecycle: filepath.Join(to, name, "lifecycle"), Launcher: filepath.Join(to, name, "launcher")}
	if err := os.Mkdir(filepath.Join(to, name), 0o755); err != nil {
		return nil, err
	}
	for _, path := range []string{s.Lifecycle, s.Launcher} {
		data, err := os.ReadFile(filepath.Join(bin, filepath.Base(path)))
		if err == nil {
			err = os.WriteFile(path, data, 0o755)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}
