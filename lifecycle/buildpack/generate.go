package buildpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/resolver"
)

// Generate runs an extension's bin/generate, which writes its Dockerfiles to output, an empty directory.
// An extension without one has them in its directory generate, if any (image_extension.md,
// "Generation"). The plan holds the entries that the extension provides. An error of the
// executable is a *[BrokenError].
func (d *Descriptor) Generate(ctx context.Context, h Host, plan []resolver.Require, output string, out, errOut io.Writer) error {
	if err := d.generate(ctx, h, plan, output, out, errOut); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

func (d *Descriptor) generate(ctx context.Context, h Host, plan []resolver.Require, output string, out, errOut io.Writer) error {
	if !d.has("generate") {
		return d.copyGenerated(output)
	}
	dir, remove, err := h.scratch()
	if err != nil {
		return err
	}
	defer remove()
	planPath := filepath.Join(dir, "plan.toml")
	data, err := encodeBuildpackPlan(plan)
	if err != nil {
		return err
	}
	if err := h.give(planPath, data); err != nil {
		return err
	}
	e, err := h.environment(d, env.ForBuild(h.Environ))
	if err != nil {
		return err
	}
	e.Set("CNB_OUTPUT_DIR", output)
	if d.Kind == resolver.Extension || api.PathVariables.In(d.API) {
		e.Set("CNB_BP_PLAN_PATH", planPath)
	}
	exit, err := h.run(ctx, d, "generate", e, out, errOut, output, h.Platform, planPath)
	if err == nil && exit != 0 {
		err = d.failed("generate", exit, e)
	}
	if err != nil {
		return &BrokenError{Module: d.Module(), Executable: "generate", Exit: exit, Err: err}
	}
	return nil
}

func (d *Descriptor) copyGenerated(output string) error {
	from := filepath.Join(d.Dir, "generate")
	dir, err := os.OpenRoot(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the extension only provides
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := files.CopyTree(output, dir); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return nil
}
