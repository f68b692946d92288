//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// A record is a case and its observations.
type record struct {
	Case   *Case           `json:"case"`
	Result json.RawMessage `json:"result,omitempty"`
}

// readRecords reads a file written by -record, limited to seeds if any are given.
func readRecords(path string, only seeds) ([]record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var all []record
	dec := json.NewDecoder(z)
	dec.UseNumber() // integers differ from other numbers in TOML
	for {
		var r record
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		if len(only) == 0 || slices.Contains(only, r.Case.Seed) {
			all = append(all, r)
		}
	}
}

// allCases returns the cases to run.
func (o *options) allCases() []*Case {
	var all []*Case
	for _, seed := range o.seeds {
		all = append(all, Random(seed))
	}
	return all
}

func (o *options) recordAll(ctx context.Context, out io.Writer, r *Runner, side *Side) (err error) {
	f, err := os.Create(o.record)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	lines := bufio.NewWriter(z)
	defer func() { err = errors.Join(err, lines.Flush()) }()
	for _, c := range o.allCases() {
		result, err := r.Observe(ctx, c, side)
		if err != nil {
			return fmt.Errorf("seed %d: %w", c.Seed, err)
		}
		data, err := encode(result)
		if err != nil {
			return err
		}
		line, err := encode(record{c, data})
		if err != nil {
			return err
		}
		fmt.Fprintf(lines, "%s\n", line)
		fmt.Fprintf(out, "seed %d: recorded\n", c.Seed)
	}
	return nil
}

// replay compares the side with the recorded observations.
func (o *options) replay(ctx context.Context, out io.Writer, r *Runner, side *Side) error {
	expected, err := parseExpected(knownTOML, "known.toml")
	if err != nil {
		return err
	}
	records, err := readRecords(o.against, o.seeds)
	if err != nil {
		return err
	}
	report := &report{out: out, expected: expected, verbose: o.verbose, whole: len(o.seeds) == 0}
	for _, rec := range records {
		got, err := r.Observe(ctx, rec.Case, side)
		if err != nil {
			return fmt.Errorf("seed %d: %w", rec.Case.Seed, err)
		}
		want, err := replaceHostDistro(rec.Result)
		if err != nil {
			return fmt.Errorf("seed %d: %w", rec.Case.Seed, err)
		}
		if expected.codesOnly(rec.Case.Seed) {
			got, want = codes(got), codes(want)
		}
		report.add(rec.Case, got, want)
	}
	return report.end()
}

// compare runs each case in two ways and reports the differences.
func (r *report) compare(cases []*Case, observe func(c *Case, second bool) (map[string]any, error)) error {
	for _, c := range cases {
		a, err := observe(c, false)
		if err != nil {
			return fmt.Errorf("seed %d: %w", c.Seed, err)
		}
		b, err := observe(c, true)
		if err != nil {
			return fmt.Errorf("seed %d: %w", c.Seed, err)
		}
		r.add(c, a, b)
	}
	return r.end()
}

// A report collects differences.
type report struct {
	out      io.Writer
	expected *Expected
	verbose  bool
	whole    bool // all cases were run, so each known kind must occur

	cases, differences, known int
	unexpected                map[string]int
}

func (r *report) add(c *Case, a, b map[string]any) {
	r.cases++
	printed := false
	for _, d := range compare(a, b) {
		r.differences++
		if r.expected.match(d, d.failed(a)) != nil {
			r.known++
			continue
		}
		if r.unexpected == nil {
			r.unexpected = map[string]int{}
		}
		r.unexpected[d.Kind()]++
		if !r.verbose && r.unexpected[d.Kind()] > 1 {
			continue
		}
		if !printed {
			fmt.Fprintf(r.out, "seed %d, Platform API %s\n", c.Seed, c.PlatformAPI)
			printed = true
		}
		left, right := d.short()
		fmt.Fprintf(r.out, "   %s\n      A: %.400s\n      B: %.400s\n", d.Path, left, right)
	}
}

func (r *report) end() error {
	if r.cases == 0 {
		return errors.New("no cases")
	}
	seen := 0
	var gone []string
	for _, k := range r.expected.Kinds {
		if k.count > 0 {
			seen++
		} else if r.whole {
			gone = append(gone, k.Path)
		}
	}
	fmt.Fprintf(r.out, "%d cases, %d differences, %d of them of %d known kinds\n", r.cases, r.differences, r.known, seen)
	for _, kind := range slices.SortedFunc(maps.Keys(r.unexpected), func(a, b string) int { return r.unexpected[b] - r.unexpected[a] }) {
		fmt.Fprintf(r.out, "%5d %s\n", r.unexpected[kind], kind)
	}
	var errs []error
	if len(r.unexpected) > 0 {
		errs = append(errs, fmt.Errorf("%d kinds of difference are unexpected", len(r.unexpected)))
	}
	if len(gone) > 0 {
		errs = append(errs, fmt.Errorf("these known kinds no longer occur, so remove them: %q", gone))
	}
	return errors.Join(errs...)
}
