package buildpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/resolver"
)

// Generate runs an extension's bin/generate, which writes its Dockerfiles to output, an empty directory.
// An extension without one has them in its directory generate, if any (image_extension.md,
// "Generation"). The plan holds the entries that the extension provides. An error of the
// executable is a *[BrokenError].
func (d *Descriptor) Generate(ctx context.Context, h Host, plan []resolver.Require, output string, out, errOut io.Writer) error {
	if !d.has("generate") {
		return d.copyGenerated(output)
	}
	err := d.execute(ctx, h, "generate", env.ForBuild(h.Environ), plan, "CNB_OUTPUT_DIR", output, out, errOut)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
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
