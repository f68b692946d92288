//go:build linux

package main

import (
	"bufio"
	"cmp"
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
	for dec := json.NewDecoder(z); ; {
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

// allCases returns the cases to run, from the file or from seeds.
func (o *options) allCases() ([]*Case, error) {
	var all []*Case
	if o.cases == "" {
		for _, seed := range o.seeds {
			all = append(all, Random(seed))
		}
		return all, nil
	}
	records, err := readRecords(o.cases, o.seeds)
	for _, r := range records {
		all = append(all, r.Case)
	}
	return all, err
}

func (o *options) recordAll(ctx context.Context, out io.Writer, r *Runner, side *Side) (err error) {
	cases, err := o.allCases()
	if err != nil {
		return err
	}
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
	for _, c := range cases {
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
	known := knownTOML
	if o.known != "" {
		var err error
		if known, err = os.ReadFile(o.known); err != nil {
			return err
		}
	}
	expected, err := parseExpected(known, cmp.Or(o.known, "known.toml"))
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

// compareSides compares two lifecycles on cases from seeds.
func (o *options) compareSides(ctx context.Context, out io.Writer, r *Runner, sides []*Side) error {
	if len(o.seeds) == 0 {
		_ = o.seeds.Set("1-20")
	}
	cases, err := o.allCases()
	if err != nil {
		return err
	}
	report := &report{out: out, expected: &Expected{}, verbose: o.verbose}
	for _, c := range cases {
		var results []map[string]any
		for _, side := range sides {
			result, err := r.Observe(ctx, c, side)
			if err != nil {
				return fmt.Errorf("seed %d: %w", c.Seed, err)
			}
			results = append(results, result)
		}
		report.add(c, results[0], results[1])
	}
	return report.end()
}

// A report collects differences.
type report struct {
	out      io.Writer
	expected *Expected
	verbose  bool
	whole    bool // all cases were run, so each known kind must occur

	cases, differences int
	unexpected         map[string]int
}

func (r *report) add(c *Case, a, b map[string]any) {
	r.cases++
	differences := compare(a, b)
	r.differences += len(differences)
	printed := false
	for _, d := range differences {
		known := r.expected.match(d, d.failed(a))
		if known == nil {
			if r.unexpected == nil {
				r.unexpected = map[string]int{}
			}
			r.unexpected[d.Kind()]++
		}
		if known == nil && (r.verbose || r.unexpected[d.Kind()] == 1) {
			if !printed {
				fmt.Fprintf(r.out, "seed %d, Platform API %s\n", c.Seed, c.PlatformAPI)
				printed = true
			}
			left, right := d.short()
			fmt.Fprintf(r.out, "   %s\n      A: %.400s\n      B: %.400s\n", d.Path, left, right)
		}
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
	fmt.Fprintf(r.out, "%d cases, %d differences, %d of them of %d known kinds\n", r.cases, r.differences, r.differences-sum(r.unexpected), seen)
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

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
