//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A run is what a process took.
type run struct {
	wall time.Duration
	peak float64 // the most memory that was resident, in MB
	out  string
}

func (r run) String() string { return fmt.Sprintf("%s, %.0f MB", short(r.wall), r.peak) }

// short formats a time with three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}

// ratio formats a ratio of two times.
func ratio(ours, theirs time.Duration) string {
	return fmt.Sprintf("%.2f", ours.Seconds()/theirs.Seconds())
}

// A command is a process to run.
type command struct {
	argv []string
	env  []string // beside that of this process
}

// run runs a program through measure.
func (b *bench) run(c command) (run, error) {
	cmd := exec.CommandContext(b.ctx, b.self, append([]string{"measure"}, c.argv...)...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), c.env...), &out, &errs
	if err := cmd.Run(); err != nil {
		return run{}, fmt.Errorf("running %q: %w\n%s%s", c.argv, err, &out, &errs)
	}
	var us, kb int64
	last := bytes.TrimSpace(errs.Bytes())
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	if _, err := fmt.Sscan(string(last), &us, &kb); err != nil {
		return run{}, fmt.Errorf("reading what %q took from %q: %w", c.argv, last, err)
	}
	return run{time.Duration(us) * time.Microsecond, float64(kb) / 1024, out.String()}, nil
}

// measure runs a program and prints to stderr how long it took and the most memory that it had
// resident: microseconds and KiB. It is a process of its own, since the kernel counts what a
// parent has resident at the fork as its child's.
func measure(argv []string) int {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, wall.Microseconds(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	return 0
}

// best runs functions in turn, so that all have the same load beside them, and returns the
// shortest run of each.
func (b *bench) best(all ...func() (run, error)) ([]run, error) {
	best := make([]run, len(all))
	for n := range b.times {
		for i, f := range all {
			r, err := f()
			if err != nil {
				return nil, err
			}
			if n == 0 || r.wall < best[i].wall {
				r.peak = max(r.peak, best[i].peak)
				best[i] = r
			}
			best[i].peak = max(r.peak, best[i].peak)
		}
	}
	return best, nil
}
