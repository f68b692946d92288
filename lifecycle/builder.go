package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A Builder runs bin/build of each buildpack in the group (platform.md, "builder";
// buildpack.md, "Phase #5: Build").
type Builder struct {
	API    api.Version // of the platform
	Store  buildpack.Store
	Host   buildpack.Host
	Group  platform.Group
	Plan   platform.Plan
	Layers string // <layers>, absolute

	Stdout, Stderr io.Writer    // of bin/build; nil: discarded
	Log            *slog.Logger // nil: silent
}

// Run runs the builds and returns the content of metadata.toml. Errors have code 51 if a
// buildpack fails, else 52.
func (b *Builder) Run(ctx context.Context) (*platform.BuildMetadata, error) {
	r := &building{
		Builder: b, plan: slices.Clone(b.Plan.Entries), env: env.ForBuild(b.Host.Environ),
		out: platform.BuildMetadata{Extensions: b.Group.Extensions},
	}
	for _, m := range b.Group.Buildpacks {
		if err := r.build(ctx, m); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if _, broken := errors.AsType[*buildpack.BrokenError](err); broken {
				return nil, fail.As(fail.BuildBuildpack, "", err) // the error names the buildpack
			}
			return nil, fail.As(fail.Build, m.String(), err)
		}
	}
	return r.metadata(), nil
}

// building is one run of a Builder.
type building struct {
	*Builder
	env  *env.Env
	plan []resolver.Entry
	out  platform.BuildMetadata

	processes []launch.Process // of all buildpacks; later ones replace earlier ones
}

func (r *building) build(ctx context.Context, m platform.Module) error {
	log := logger(r.Log)
	module := m.Resolver(resolver.Buildpack)
	d, err := r.Store.Open(module)
	if err != nil {
		return err
	}
	dir, err := buildpack.LayersOf(r.Layers, m.ID)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir.Path, 0o755); err != nil {
		return err
	}
	if u := r.Host.User; u != nil {
		if err := os.Chown(dir.Path, u.UID, u.GID); err != nil {
			return err
		}
	}
	log.Debug("Running build for buildpack " + m.String())
	host := r.Host
	if host.Unknown == nil {
		host.Unknown = func(path string, keys []string) {
			log.Debug(fmt.Sprintf("%s: unknown keys: %q", path, keys))
		}
	}
	built, err := d.Build(ctx, host, r.env, r.asked(module), dir, sink(r.Stdout), sink(r.Stderr))
	if err != nil {
		return err
	}
	r.removeMet(module, built.Unmet)
	r.add(m, built)
	var layers []string
	for _, l := range built.Layers {
		if l.Build && l.Exists() {
			layers = append(layers, l.Path)
		}
	}
	return r.env.AddLayers(layers, env.Build)
}

// asked returns the plan entries that a buildpack is asked to provide.
func (r *building) asked(m resolver.Module) []resolver.Require {
	var all []resolver.Require
	for _, e := range r.plan {
		if slices.Contains(e.Providers, m) {
			all = append(all, e.Requires...)
		}
	}
	return all
}

// removeMet removes the entries that a buildpack met from the plan. Unmet ones are left to the next
// provider (buildpack.md, "Unmet Buildpack Plan Entries").
func (r *building) removeMet(m resolver.Module, unmet []string) {
	r.plan = slices.DeleteFunc(r.plan, func(e resolver.Entry) bool {
		return slices.Contains(e.Providers, m) && !slices.Contains(unmet, e.Name)
	})
}

// add adds what a buildpack contributes to the app.
func (r *building) add(m platform.Module, b *buildpack.Built) {
	r.out.Buildpacks = append(r.out.Buildpacks, m)
	for _, p := range b.Processes {
		r.processes = slices.DeleteFunc(r.processes, func(other launch.Process) bool { return other.Type == p.Type })
		if r.out.DefaultProcess == p.Type {
			r.out.DefaultProcess = "" // redefined without default (buildpack.md, "launch.toml")
		}
		r.processes = append(r.processes, p)
	}
	if b.Default != "" {
		r.out.DefaultProcess = b.Default
	}
	r.out.Slices = append(r.out.Slices, b.Slices...)
	r.out.Labels = append(r.out.Labels, b.Labels...)
	r.out.BOM = append(r.out.BOM, b.BOM...)
	r.out.BuildBOM = append(r.out.BuildBOM, b.BuildBOM...)
}

// metadata returns the result. Processes for all execution environments are kept: the
// launcher chooses.
func (r *building) metadata() *platform.BuildMetadata {
	slices.SortFunc(r.processes, func(a, b launch.Process) int { return strings.Compare(a.Type, b.Type) })
	for _, p := range r.processes {
		if api.ProcessExecEnv.In(r.API) && len(p.ExecEnv) == 0 {
			p.ExecEnv = []string{"*"}
		}
		r.out.Processes = append(r.out.Processes, p)
	}
	return &r.out
}
