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
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	n := flag.Int("n", 0, "changes to try per package; 0: all")
	seed := flag.Int("seed", 1, "selects which changes are tried")
	file := flag.String("survivors", "", "file that lists changes that may survive")
	only := flag.String("match", "", "try only changes whose description contains this")
	again := flag.Bool("listed", false, "try only the changes that the file lists")
	workers := flag.Int("j", runtime.NumCPU(), "changes to try at once")
	flag.Parse()
	if err := run(flag.Args(), *n, *seed, *file, *only, *again, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(patterns []string, n, seed int, file, only string, again bool, workers int) error {
	listed, err := readSurvivors(file)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	p, err := prepare(dir, patterns)
	if err != nil {
		return err
	}
	chosen := choose(p.mutants, n, seed, only)
	if again {
		chosen = slices.DeleteFunc(choose(p.mutants, 0, seed, only), func(i int) bool { return !listed[p.mutants[i].key] })
	}
	fmt.Printf("%d changes in %d packages, %d to try; prepared in %s\n", len(p.mutants), len(p.packages), len(chosen), time.Since(start).Round(time.Second))
	survived := p.tryAll(chosen, workers)
	return report(p.mutants, chosen, survived, listed)
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
func (p *program) tryAll(chosen []int, workers int) map[int]bool {
	survived := map[int]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range work {
				if p.notices(i) {
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
			return nil, fmt.Errorf("%s:%d: no reason: write it behind \" # \"", name, i+1)
		}
		listed[line[:at]] = true
	}
	return listed, nil
}

// report prints unlisted survivors and outdated entries of the list.
func report(all []mutant, chosen []int, survived map[int]bool, listed map[string]bool) error {
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
			wrong = append(wrong, "listed, but a test notices it: "+m.key)
		}
	}
	for key := range listed {
		if !known[key] {
			wrong = append(wrong, "listed, but the code has no such change: "+key)
		}
	}
	slices.Sort(wrong)
	for _, w := range wrong {
		fmt.Println(w)
	}
	fmt.Printf("tests noticed %d of %d changes\n", len(chosen)-len(survived), len(chosen))
	if len(wrong) > 0 {
		return errors.New("write a test that notices a survivor, or list it with the reason why no test can; take out what is listed in vain")
	}
	return nil
}
