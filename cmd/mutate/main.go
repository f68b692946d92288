//go:build unix

// Command mutate changes the code of packages in small ways, one at a time, and reports
// the changes that no test of these packages detects.
//
//	mutate [-n 40] [-seed 1] [-survivors file] packages...
//	mutate -listed -survivors file packages...
//
// All changes are compiled in at once, with an overlay of the go command, so the files on
// disk stay unchanged; an environment variable selects one. For each change the tests that
// reach it run, the fastest first. The file lists the changes that may survive, each with a
// reason. The command fails if a survivor is not listed, or if a listed change is detected
// or no longer exists. With -listed it tries only the changes in the file.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := mutate(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	n, seed, workers int
	survivors, match string
	listed           bool
}

// mutate runs the command with its arguments.
func mutate(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.IntVar(&o.n, "n", 0, "changes to try per package; 0: all")
	flags.IntVar(&o.seed, "seed", 1, "selects which changes are tried")
	flags.StringVar(&o.survivors, "survivors", "", "`file` that lists changes that may survive")
	flags.StringVar(&o.match, "match", "", "try only changes whose description contains this `text`")
	flags.BoolVar(&o.listed, "listed", false, "try only the changes that the file lists")
	flags.IntVar(&o.workers, "j", runtime.NumCPU(), "changes to try at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listed, err := readSurvivors(o.survivors)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	return errors.Join(o.run(ctx, dir, flags.Args(), listed, out), os.RemoveAll(dir))
}

func (o *options) run(ctx context.Context, dir string, patterns []string, listed map[string]bool, out io.Writer) error {
	start := time.Now()
	p, err := prepare(ctx, dir, patterns)
	if err != nil {
		return err
	}
	chosen := choose(p.mutants, o.n, o.seed, o.match)
	if o.listed {
		chosen = slices.DeleteFunc(choose(p.mutants, 0, o.seed, o.match), func(i int) bool { return !listed[p.mutants[i].key] })
	}
	fmt.Fprintf(out, "%d changes in %d packages, %d to try; prepared in %s\n", len(p.mutants), len(p.packages), len(chosen), time.Since(start).Round(time.Second))
	survived := p.tryAll(ctx, chosen, o.workers)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return report(out, p.mutants, chosen, survived, listed)
}

// choose returns the numbers (from 0) of at most n changes of each package.
func choose(all []mutant, n, seed int, only string) []int {
	rank := func(i int) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d\x00%s", seed, all[i].key)
		return h.Sum64()
	}
	byPackage := map[string][]int{}
	for i, m := range all {
		if strings.Contains(m.key, only) {
			byPackage[m.pkg] = append(byPackage[m.pkg], i)
		}
	}
	var chosen []int
	for _, some := range byPackage {
		slices.SortFunc(some, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
		if n > 0 {
			some = some[:min(n, len(some))]
		}
		chosen = append(chosen, some...)
	}
	slices.Sort(chosen)
	return chosen
}

// tryAll returns the chosen changes that no test detects.
func (p *program) tryAll(ctx context.Context, chosen []int, workers int) map[int]bool {
	survived := map[int]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range work {
				if ctx.Err() != nil || p.detects(ctx, i) {
					continue
				}
				mu.Lock()
				survived[i] = true
				mu.Unlock()
			}
		})
	}
	for _, i := range chosen {
		work <- i
	}
	close(work)
	wg.Wait()
	return survived
}

// readSurvivors reads lines of the form "description # reason".
func readSurvivors(name string) (map[string]bool, error) {
	listed := map[string]bool{}
	if name == "" {
		return listed, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndex(line, " # ")
		if at < 0 {
			return nil, fmt.Errorf("%s:%d: the reason is missing; add it after \" # \"", name, i+1)
		}
		listed[line[:at]] = true
	}
	return listed, nil
}

// report prints unlisted survivors and outdated entries of the list.
func report(out io.Writer, all []mutant, chosen []int, survived map[int]bool, listed map[string]bool) error {
	known := map[string]bool{}
	for _, m := range all {
		known[m.key] = true
	}
	var wrong []string
	for _, i := range chosen {
		m := all[i]
		switch {
		case survived[i] && !listed[m.key]:
			wrong = append(wrong, fmt.Sprintf("survived (line %d): %s", m.line, m.key))
		case !survived[i] && listed[m.key]:
			wrong = append(wrong, "listed, but a test detects it: "+m.key)
		}
	}
	for key := range listed {
		if !known[key] {
			wrong = append(wrong, "listed, but the code has no such change: "+key)
		}
	}
	slices.Sort(wrong)
	for _, w := range wrong {
		fmt.Fprintln(out, w)
	}
	fmt.Fprintf(out, "tests detected %d of %d changes\n", len(chosen)-len(survived), len(chosen))
	if len(wrong) > 0 {
		return errors.New("write a test that detects each survivor, or list it with the reason why no test can; remove outdated entries from the list")
	}
	return nil
}
