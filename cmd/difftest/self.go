//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
)

// A variant is two ways for one lifecycle to do a case, between which nothing may differ
// but what same takes out.
type variant struct {
	name  string
	first func(*Case)
	other func(*Case)
	same  func(build map[string]any)
}

var variants = []variant{
	{"five phases and the creator", func(c *Case) { c.Creator = false }, func(c *Case) { c.Creator = true }, wholeBuild},
	{"a cache directory and a cache image", func(c *Case) { c.CacheImage = false }, func(c *Case) { c.CacheImage = true }, func(build map[string]any) {
		delete(build, "cache")
	}},
}

// wholeBuild replaces what is observed after each phase by what is after the last.
func wholeBuild(build map[string]any) {
	codes, _ := build["codes"].(map[string]any)
	exit, last := any(number(0)), ""
	for _, name := range []string{"creator", "analyzer", "detector", "restorer", "builder", "exporter"} {
		if code, ran := codes[name]; ran {
			exit, last = code, name
		}
	}
	build["exit"], build["toml"] = exit, build["toml@"+last]
	delete(build, "codes")
	delete(build, "restored")
	for key := range build {
		if strings.HasPrefix(key, "toml@") {
			delete(build, key)
		}
	}
}

// compareSelf compares the ways in which one lifecycle does the same.
func (o *options) compareSelf(ctx context.Context, out io.Writer, r *Runner, side *Side) error {
	if len(o.seeds) == 0 {
		_ = o.seeds.Set("1-10")
	}
	cases, err := o.allCases()
	if err != nil {
		return err
	}
	cnb, err := user.LookupId(strconv.Itoa(cnbUser))
	if err != nil {
		return err
	}
	for _, c := range cases {
		c.Env["HOME"] = cnb.HomeDir // the creator sets it, the five phases leave it as it is
	}
	report := &report{out: out, expected: &Expected{}, verbose: o.verbose}
	for _, v := range variants {
		fmt.Fprintf(out, "%s:\n", v.name)
		for _, c := range cases {
			var results []map[string]any
			for i, change := range []func(*Case){v.first, v.other} {
				changed, own := *c, *side
				change(&changed)
				own.Name = fmt.Sprintf("%s%d", strings.ReplaceAll(v.name, " ", "-"), i) // none finds the other's image
				result, err := r.Observe(ctx, &changed, &own)
				if err != nil {
					return fmt.Errorf("%s, seed %d: %w", v.name, c.Seed, err)
				}
				for _, build := range []string{"b1", "b2"} {
					if b, ok := result[build].(map[string]any); ok {
						v.same(b)
					}
				}
				results = append(results, result)
			}
			report.add(c, results[0], results[1])
		}
	}
	return report.end()
}
