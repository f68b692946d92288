package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// A Detector chooses the buildpacks and extensions of a build and resolves the build plan,
// with the run image as a provider (platform.md, "detector"; buildpack.md, "Phase #1:
// Detection").
type Detector struct {
	API          api.Version // of the platform
	Store        buildpack.Store
	Host         buildpack.Host
	Order        resolver.OrderFile
	System       *platform.System     // nil: none
	Experimental api.ExperimentalMode // mode for extensions before Platform API 0.13

	Policy   platform.Policy
	RunImage base.Image // the zero value provides nothing
	// Inventory generates the inventory of the run image. It is called only if the run image has none and every
	// group has failed; nil: not possible here (docs/design.md, "Resolution").
	Inventory func(context.Context) (base.Image, error)

	Log    *slog.Logger // nil: silent
	Replay *slog.Logger // gets the details of a failed detection, at info level; nil: Log
}

// A Detection is the result of a Detector: the selected group.
type Detection struct {
	*resolver.Resolution
	RunImage base.Image // as used in the detection, or as it could have been
	modules  map[resolver.Module]*buildpack.Descriptor
}

// Run selects a group. If none passes, the error has code 20, 21 or 22 (platform.md, "detector").
func (d *Detector) Run(ctx context.Context) (*Detection, error) {
	inputs := *d // the retry below adds to the run image
	r := &detecting{Detector: &inputs, modules: map[resolver.Module]*buildpack.Descriptor{}, results: map[resolver.Module]buildpack.Detected{},
		told: map[resolver.Module]bool{}}
	r.log = &replay{log: logger(d.Log), to: logger(d.Log)}
	if d.Replay != nil {
		r.log.to = d.Replay
	}
	order, err := r.order()
	if err != nil {
		return nil, fail.As(fail.DetectOther, "reading the order", err)
	}
	found, err := r.choose(ctx, order)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, r.failed(err)
	}
	r.report(found)
	return &Detection{Resolution: found.Resolution, RunImage: r.RunImage, modules: r.modules}, nil
}

// detecting is one run of a Detector.
type detecting struct {
	*Detector
	log   *replay
	unmet bool // no group passes unless the run image meets a requirement, and its packages are unknown

	mu      sync.Mutex
	modules map[resolver.Module]*buildpack.Descriptor
	results map[resolver.Module]buildpack.Detected
	told    map[resolver.Module]bool // modules whose output was logged
}

// order returns the order to try: with system buildpacks, and with extensions if the platform supports them.
func (r *detecting) order() (resolver.OrderFile, error) {
	o := resolver.OrderFile{Order: r.System.Merge(r.Order.Order), Extensions: r.Order.Extensions}
	if !api.Extensions.In(r.API) {
		o.Extensions = nil
	}
	if len(o.Extensions) > 0 && !api.ExtensionsStable.In(r.API) {
		warning, err := r.Experimental.Allow("detecting image extensions at Platform API " + r.API.String())
		if err != nil {
			return o, err
		}
		if warning != "" {
			r.log.Warn(warning)
		}
	}
	if r.Host.ExecEnv != "" {
		o.Order = r.inExecEnv(o.Order)
		o.Extensions = r.inExecEnv(o.Extensions)
	}
	return o, nil
}

// inExecEnv removes modules that do not support the execution environment, and groups
// that become empty (platform.md, "detector").
func (r *detecting) inExecEnv(order resolver.Order) resolver.Order {
	var out resolver.Order
	for _, group := range order {
		left := slices.DeleteFunc(slices.Clone(group), func(e resolver.Element) bool {
			d, err := r.open(e.Module) // an error is reported when the module is needed
			if err != nil || d.InExecEnv(r.Host.ExecEnv) {
				return false
			}
			r.log.Debug(fmt.Sprintf("skip: %s does not support the execution environment %s", e.Module, r.Host.ExecEnv))
			return true
		})
		if len(left) > 0 {
			out = append(out, left)
		}
	}
	return out
}

// choose tries the groups. Under the policy auto a generated inventory takes no part, so that
// detection never depends on a cache. It is used only if every group has failed without it
// (docs/design.md, "Resolution").
func (r *detecting) choose(ctx context.Context, order resolver.OrderFile) (*resolver.Selected, error) {
	search := resolver.Selection{
		Order: order.Order, Extensions: order.Extensions,
		Nested: r.nested, Mismatch: r.mismatch,
		Detect: func(m []resolver.Module) ([]resolver.Detection, error) { return r.detect(ctx, m) },
	}
	late := r.policy() == platform.Auto && r.RunImage.Generated()
	if r.RunImage.Set != nil && !late {
		search.Run = r.RunImage.Set
	}
	found, err := search.Select()
	if err == nil && late && r.RunImage.Set != nil {
		found.Resolution = found.Asking(r.RunImage.Set, nil)
	}
	if _, undetected := errors.AsType[*resolver.UndetectedError](err); !undetected || search.Run != nil {
		return found, err
	}
	if r.RunImage.Set == nil {
		if r.unmet = mayHelp(search); !r.unmet {
			return nil, err
		}
	}
	if r.RunImage.Set == nil && r.Inventory != nil && r.policy() == platform.Auto {
		run, generateErr := r.Inventory(ctx)
		if generateErr != nil {
			r.log.Warn(fmt.Sprintf("cannot generate the inventory of the run image: %v", generateErr))
			r.RunImage.Why = "generating an inventory failed"
			return nil, err
		}
		r.RunImage = run
	}
	if r.RunImage.Set == nil {
		return nil, err
	}
	r.log.Debug("Resolving again with the run image's packages...")
	search.Run = r.RunImage.Set
	return search.Select()
}

// mayHelp reports whether a failed detection could pass with another run image. It tries a run image that
// meets every requirement: what fails with that one does not fail for an unmet requirement.
func mayHelp(search resolver.Selection) bool {
	search.Run = everything{}
	_, err := search.Select()
	undetected, failed := errors.AsType[*resolver.UndetectedError](err)
	if !failed {
		return true
	}
	return slices.ContainsFunc(undetected.Tries, func(t resolver.Try) bool {
		unresolved, ok := errors.AsType[*resolver.UnresolvedError](t.Err)
		return ok && unresolved.GaveUp
	})
}

// everything is a run image that meets every requirement.
type everything struct{}

// Answer implements [resolver.Base].
func (everything) Answer(string, string) provides.Answer {
	return provides.Answer{Met: true, Offered: true}
}

// Prefers implements [resolver.Base].
func (everything) Prefers(string) bool { return false }

func (r *detecting) policy() platform.RunSBOM {
	return cmp.Or(r.Policy.RunSBOM, platform.Auto)
}

// open reads a module's descriptor once.
func (r *detecting) open(m resolver.Module) (*buildpack.Descriptor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.modules[m]; d != nil {
		return d, nil
	}
	d, err := r.Store.Open(m)
	if err == nil {
		r.modules[m] = d
	}
	return d, err
}

func (r *detecting) nested(m resolver.Module) (resolver.Order, error) {
	d, err := r.open(m)
	if err != nil || len(d.Order) == 0 {
		return nil, err
	}
	return r.inExecEnv(d.Order.For(r.Host.ExecEnv)), nil
}

func (r *detecting) mismatch(m resolver.Module) bool {
	if !api.TargetData.In(r.API) {
		return false
	}
	d, err := r.open(m)
	return err == nil && !d.Matches(r.Host.Target)
}

// detect runs bin/detect of several modules concurrently.
func (r *detecting) detect(ctx context.Context, modules []resolver.Module) ([]resolver.Detection, error) {
	outcomes := make([]resolver.Detection, len(modules))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, m := range modules {
		group.Go(func() error {
			result, err := r.detectOne(ctx, m)
			outcomes[i] = result.Outcome()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, m := range modules {
		if !r.told[m] { // a group is retried with a generated inventory
			r.told[m] = true
			r.output(m, r.results[m])
		}
	}
	return outcomes, nil
}

func (r *detecting) detectOne(ctx context.Context, m resolver.Module) (buildpack.Detected, error) {
	r.mu.Lock()
	result, done := r.results[m]
	r.mu.Unlock()
	if done {
		return result, nil
	}
	d, err := r.open(m)
	if err != nil {
		return buildpack.Detected{}, err
	}
	if result, err = d.Detect(ctx, r.Host); err != nil {
		return result, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[m] = result
	return result, nil
}
