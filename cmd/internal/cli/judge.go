package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/resolver"
)

// judge reads the generated Dockerfiles and judges them.
func (r *resolution) judge(ctx context.Context) error {
	files, err := r.generated()
	if err != nil {
		return err
	}
	q := base.Question{
		Dockerfiles: files, Resolution: r.detected.Resolution, Run: r.run, Build: r.build, Policy: r.policy, Mapping: r.source.mapping,
		Lookup: r.source.lookup, Log: r.source.console.log(),
	}
	if r.late { // a build generates it only if a verdict depends on it
		q.Run = r.run.Without()
		q.ReadRun = func(context.Context) (base.Image, error) { return r.run, nil }
	}
	if r.policy.MaxImageAge != "" {
		q.Built = r.source.console.now()
	}
	if r.judged, err = base.Judge(ctx, q); err != nil {
		return err
	}
	if err := r.judged.RecheckSwitch(); err != nil {
		r.broken = strings.Split(err.Error(), "\n")
	}
	return nil
}

// extensions returns the extensions of the group, in order.
func (r *resolution) extensions() []resolver.Module {
	group := []resolver.Module{}
	for _, c := range r.detected.Group {
		if c.Module.Kind == resolver.Extension {
			group = append(group, c.Module)
		}
	}
	return group
}

// generated reads the Dockerfiles of the group's extensions, including those that a detector skipped.
func (r *resolution) generated() ([]*extensions.Dockerfile, error) {
	dir := r.flags.generated
	if dir == "" {
		for _, m := range r.extensions() {
			r.unjudged = append(r.unjudged, m.String())
		}
		return nil, nil
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("reading --generated: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("reading --generated: %s is a file; use the directory that a detector leaves in <layers>", dir)
	}
	dir = filepath.Clean(dir)
	files, err := base.ReadGenerated(dir, r.extensions(), true)
	if err != nil {
		return nil, err
	}
	if err := r.source.console.readOptions(files, r.flags.extensions, false); err != nil {
		return nil, err
	}
	for _, m := range r.extensions() {
		if !slices.ContainsFunc(files, func(d *extensions.Dockerfile) bool { return d.Extension == m }) && r.alone(m) {
			r.source.console.warn("%s has no Dockerfile of %s, which alone provides what is required: is it the directory that a detector leaves in <layers>?", dir, m)
			r.unjudged = append(r.unjudged, m.String())
		}
	}
	return files, nil
}

// alone reports whether a requirement is provided by this module only.
func (r *resolution) alone(m resolver.Module) bool {
	return slices.ContainsFunc(r.detected.Requirements, func(req resolver.Requirement) bool {
		return slices.Equal(req.Providers, []resolver.Module{m}) && !req.Run.Met && !req.Build.Met
	})
}
