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
	cpu  time.Duration // of all processors, which others' load on the machine changes less
	peak float64       // the most memory that was resident, in MB
	out  string
}

// line returns a line with the run and no more.
func (r run) line(what, goal string) line {
	return line{what: what, time: short(r.wall), cpu: short(r.cpu), peak: fmt.Sprintf("%.0f MB", r.peak), goal: goal}
}

// against returns the line with a comparison.
func (l line) against(name string, ours, theirs time.Duration) line {
	l.with, l.ratio = name+" "+short(theirs), fmt.Sprintf("%.2f", ours.Seconds()/theirs.Seconds())
	return l
}

// short formats a time with three digits.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
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
	var us, cpu, kb int64
	last := bytes.TrimSpace(errs.Bytes())
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	if _, err := fmt.Sscan(string(last), &us, &cpu, &kb); err != nil {
		return run{}, fmt.Errorf("reading what %q took from %q: %w", c.argv, last, err)
	}
	return run{time.Duration(us) * time.Microsecond, time.Duration(cpu) * time.Microsecond, float64(kb) / 1024, out.String()}, nil
}

// measure runs a program and prints to stderr how long it took and the most memory that it had
// resident: microseconds, microseconds of CPU and KiB. It is a process of its own, since the kernel counts what a
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
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Fprintln(os.Stderr, wall.Microseconds(), cpu.Microseconds(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	return 0
}

// best runs functions in turn, so that all have the same load beside them, and returns of
// each the shortest times and the highest peak.
func (b *bench) best(all ...func() (run, error)) ([]run, error) {
	best := make([]run, len(all))
	for n := range b.times {
		for i, f := range all {
			r, err := f()
			if err != nil {
				return nil, err
			}
			if n == 0 {
				best[i] = r
			}
			best[i] = run{min(r.wall, best[i].wall), min(r.cpu, best[i].cpu), max(r.peak, best[i].peak), r.out}
		}
	}
	return best, nil
}
