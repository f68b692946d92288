//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
)

// A variant is a pair of ways to run a case with one lifecycle. The results must be equal
// except for what same removes and known allows.
type variant struct {
	name   string
	change func(c *Case, side *Side, other bool)
	same   func(build map[string]any)
	known  []byte // in the format of known.toml
	file   string
	daemon bool // needs a docker daemon
}

var variants = []variant{
	{name: "five phases and the creator", same: wholeBuild, change: func(c *Case, _ *Side, other bool) { c.Creator = other }},
	{
		name: "a cache directory and a cache image", change: func(c *Case, _ *Side, other bool) { c.CacheImage = other },
		same: func(build map[string]any) { delete(build, "cache") },
	},
	{
		name: "a registry and a docker daemon", daemon: true, change: func(_ *Case, side *Side, other bool) { side.Daemon = other },
		same: func(map[string]any) {}, known: daemonTOML, file: "daemon.toml",
	},
}

// daemonTOML lists what differs between images in a registry (a) and in a docker daemon (b).
//
//go:embed daemon.toml
var daemonTOML []byte

// wholeBuild replaces the observations after each phase with those after the last.
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

// ownSeeds is the number of cases if no seeds are given.
const ownSeeds = 10

// compareSelf compares variants of one lifecycle.
func (o *options) compareSelf(ctx context.Context, out io.Writer, r *Runner, side *Side) error {
	if len(o.seeds) == 0 {
		_ = o.seeds.Set(fmt.Sprintf("1-%d", ownSeeds))
	}
	cases := o.allCases()
	cnb, err := user.LookupId(strconv.Itoa(cnbUser))
	if err != nil {
		return err
	}
	for _, c := range cases {
		c.Env["HOME"] = cnb.HomeDir // the creator sets it, the five phases do not
	}
	var errs []error
	for _, v := range variants {
		if v.daemon && dockerHost() == "" {
			fmt.Fprintf(out, "%s: skipped, since there is no docker daemon; set DOCKER_HOST to its socket (unix:///...)\n", v.name)
			continue
		}
		fmt.Fprintf(out, "%s:\n", v.name)
		if err := o.compareWays(ctx, out, r, side, cases, v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.name, err))
		}
	}
	return errors.Join(errs...)
}

func (o *options) compareWays(ctx context.Context, out io.Writer, r *Runner, side *Side, cases []*Case, v variant) error {
	known, err := parseExpected(v.known, v.file)
	if err != nil {
		return err
	}
	if v.daemon {
		remove, err := r.pullRunImages(ctx)
		if err != nil {
			return err
		}
		defer remove()
	}
	report := &report{out: out, expected: known, verbose: o.verbose, whole: len(o.seeds) >= ownSeeds}
	return report.compare(cases, func(c *Case, other bool) (map[string]any, error) {
		changed, own := *c, *side
		own.Name = fmt.Sprintf("%s-%t", strings.ReplaceAll(v.name, " ", "-"), other) // separate names, so that no build finds the other's image
		v.change(&changed, &own, other)
		result, err := r.Observe(ctx, &changed, &own)
		for _, build := range []string{"b1", "b2"} {
			if b, ok := result[build].(map[string]any); ok {
				v.same(b)
			}
		}
		return result, err
	})
}
