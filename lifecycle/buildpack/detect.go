package buildpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A Detected is the result of bin/detect.
type Detected struct {
	Exit   int    // exit status; -1: it could not be run, or its output is no build plan
	Output []byte // stdout and stderr, interleaved
	Plans  []resolver.Section
	Err    error // why Exit is -1, or why it means that bin/detect did not start
}

// exitFail is the exit status of bin/detect for a module that opts out (buildpack.md, "Detection").
const exitFail = 100

// Outcome converts the result for the resolver.
func (r Detected) Outcome() resolver.Detection {
	switch r.Exit {
	case 0:
		return resolver.Detection{Status: resolver.Pass, Plans: r.Plans}
	case exitFail:
		return resolver.Detection{Status: resolver.Fail}
	}
	return resolver.Detection{Status: resolver.Errored}
}

// Detect runs bin/detect (buildpack.md, "Detection"). An extension without one passes, with the
// build plan in its directory detect, if any (image_extension.md, "Detection"). The error is only
// about ctx.
func (d *Descriptor) Detect(ctx context.Context, h Host) (Detected, error) {
	if d.Kind == resolver.Extension && !d.has("detect") {
		path := filepath.Join(d.Dir, "detect", "plan.toml")
		f, err := files.Open(path)
		return d.planned(f, err, path, h), nil
	}
	r, err := d.detect(ctx, h)
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if err != nil {
		r.Exit, r.Err = -1, &BrokenError{Module: d.Module(), Executable: "detect", Err: err}
	}
	return r, nil
}

func (d *Descriptor) detect(ctx context.Context, h Host) (Detected, error) {
	dir, remove, err := h.scratch()
	if err != nil {
		return Detected{}, err
	}
	defer remove()
	plan := filepath.Join(dir, "plan.toml")
	if err := h.give(plan, nil); err != nil {
		return Detected{}, err
	}
	e, err := h.environment(d, env.ForBuild(h.Environ))
	if err != nil {
		return Detected{}, err
	}
	if d.Kind == resolver.Extension || api.PathVariables.In(d.API) {
		e.Set("CNB_BUILD_PLAN_PATH", plan)
	}
	var out bytes.Buffer
	exit, err := h.run(ctx, d, "detect", e, &out, &out, h.Platform, plan)
	if err != nil || exit != 0 {
		r := Detected{Exit: exit, Output: out.Bytes()}
		if err == nil && d.notStarted("detect", exit, e) != "" {
			r.Err = &BrokenError{Module: d.Module(), Executable: "detect", Exit: exit, Err: d.failed("detect", exit, e)}
		}
		return r, err
	}
	f, err := files.OpenWithin(filepath.Dir(dir), plan) // no links: this process can read more than bin/detect
	r := d.planned(f, err, plan, h)
	r.Output = out.Bytes()
	return r, r.Err
}

// planned reads the build plan of a module that passed, if it could be opened.
func (d *Descriptor) planned(f *os.File, err error, path string, h Host) Detected {
	data, err := platform.ReadOpened(f, err, path)
	if errors.Is(err, fs.ErrNotExist) {
		return Detected{}
	}
	broken := func(err error) Detected { return Detected{Exit: -1, Err: err} }
	if err != nil {
		return broken(err)
	}
	name := "build plan of " + d.Module().String()
	plans, err := resolver.DecodePlan(data, name)
	if err != nil {
		return broken(err)
	}
	if unknown, err := resolver.UnknownPlanKeys(data, name); err == nil && len(unknown) > 0 && h.Unknown != nil {
		h.Unknown(name, unknown)
	}
	if d.Kind == resolver.Extension {
		for _, p := range plans {
			if len(p.Requires) > 0 {
				return broken(fmt.Errorf("reading %s: key \"requires\": an extension can only provide (image_extension.md, \"Detection\")", name))
			}
		}
	}
	return Detected{Plans: plans}
}
