//go:build linux

// Command bench prints what is promised about time and memory beside what it measures: in the
// same run, it does the same work with what the machine has, so that the ratios hold on other
// machines too.
//
//	bench [-bin DIR] [-run REGEXP] [-times N]
//
// The phases run as processes of their own, against a registry in this process that keeps blobs
// on disk. It needs tar, openssl and some 10 GB for temporary files (TMPDIR). docs/performance.md
// explains the lines.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "measure" {
		os.Exit(measure(os.Args[2:]))
	}
	o := options{small: sizes{[]int{20, 20, 20, 20, 20, 20, 20, 20}, 2_000}, large: sizes{[]int{3_000}, 200_000}}
	flag.StringVar(&o.bin, "bin", "", "`directory` with lifecycle and launcher (default: they are built)")
	flag.StringVar(&o.only, "run", "", "only the benchmarks whose name matches this `regexp`")
	flag.IntVar(&o.times, "times", 5, "`number` of runs, of which the best counts; the largest build runs once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	bin, only    string
	times        int
	small, large sizes
}

// sizes are what is exported.
type sizes struct {
	layers []int // MB each
	files  int   // of the app
}

// A line is a row of the table. Empty cells are not measured, or not promised.
type line struct {
	what            string
	time, cpu, peak string // of baseplan
	with, ratio     string // what it is compared with, and the ratio of the times
	goal            string
}

// A benchmark measures one or more lines.
type benchmark struct {
	name string
	run  func(*bench) ([]line, error)
}

var benchmarks = []benchmark{
	{"export", exports}, {"restore", restores}, {"launch", launches}, {"large", large}, {"resolve", givesUp}, {"sbom", syft}, {"sandbox", sandboxes},
}

// A bench is what the benchmarks share.
type bench struct {
	options
	ctx  context.Context
	dir  string // temporary
	self string // this program
}

func (o options) run(ctx context.Context, out io.Writer) (err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	b := &bench{options: o, ctx: ctx}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.Chmod(b.dir, 0o755); err != nil { // for the user of the phases
		return err
	}
	if b.bin == "" {
		b.bin = filepath.Join(b.dir, "bin")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.bin+"/", "./cmd/lifecycle", "./cmd/launcher")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building: %w\n%s", err, text)
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "measured\ttime\tCPU\tmemory\tcompared with\tratio\tgoal")
	for _, each := range benchmarks {
		if !only.MatchString(each.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", each.name)
		lines, err := each.run(b)
		for _, l := range lines {
			cells := []string{l.what, l.time, l.cpu, l.peak, l.with, l.ratio, l.goal}
			for i, c := range cells {
				cells[i] = cmp.Or(c, "-")
			}
			fmt.Fprintln(table, strings.Join(cells, "\t"))
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", each.name, err), table.Flush())
		}
	}
	return table.Flush()
}
