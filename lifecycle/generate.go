package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// generate runs bin/generate of every extension.
func (g *Generator) generate(ctx context.Context) error {
	if g.Generated == "" { // no extensions before Platform API 0.10
		return nil
	}
	if err := files.RemoveTree(g.Generated); err != nil {
		return err
	}
	if len(g.extensions()) == 0 {
		return nil
	}
	if err := os.MkdirAll(g.Generated, 0o755); err != nil {
		return err
	}
	for _, m := range g.extensions() {
		if err := g.generateOne(ctx, g.Detection.modules[m]); err != nil {
			return err
		}
	}
	return nil
}

func (g *Generator) generateOne(ctx context.Context, d *buildpack.Descriptor) error {
	name := platform.EscapeID(d.ID)
	output := filepath.Join(g.Generated, "."+name)
	if err := os.Mkdir(output, 0o755); err != nil {
		return err
	}
	defer files.RemoveTree(output)
	if u := g.Host.User; u != nil {
		if err := os.Chown(output, u.UID, u.GID); err != nil {
			return err
		}
	}
	err := d.Generate(ctx, g.Host, g.provided(d.Module()), output, sink(g.Stdout), sink(g.Stderr))
	if g.Settle != nil {
		err = errors.Join(err, g.Settle())
	}
	if err != nil {
		return err
	}
	return g.collect(output, name)
}

// provided returns the plan entries that a module provides.
func (g *Generator) provided(m resolver.Module) []resolver.Require {
	var all []resolver.Require
	for _, e := range g.Detection.Plan {
		if slices.Contains(e.Providers, m) {
			all = append(all, e.Requires...)
		}
	}
	return all
}

// collect moves the specified files of an extension's output to where platforms
// and extenders expect them.
func (g *Generator) collect(output, name string) error {
	for _, image := range []extensions.ImageKind{extensions.Build, extensions.Run} {
		file := string(image) + ".Dockerfile"
		if info, err := os.Lstat(filepath.Join(output, file)); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			return fmt.Errorf("%s of %s is not a file", file, name)
		}
		dir := filepath.Join(g.Generated, name)
		to := file
		if !api.GeneratedByExtension.In(g.API) {
			dir, to = filepath.Join(g.Generated, string(image), name), "Dockerfile"
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(output, file), filepath.Join(dir, to)); err != nil {
			return err
		}
		for _, beside := range []string{"extend-config.toml", "context", "context." + string(image)} {
			if err := copyTree(filepath.Join(output, beside), filepath.Join(dir, beside)); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyTree copies a file or a directory if it exists and has not been copied yet. It refuses anything else, such
// as symbolic links: this process can read more than the extension.
func copyTree(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a directory; replace a link by a copy of its target", from)
	}
	root, err := os.OpenRoot(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer root.Close()
	if info.IsDir() {
		dir, err := root.OpenRoot(filepath.Base(from))
		if err != nil {
			return err
		}
		defer dir.Close()
		return files.CopyTree(to, dir)
	}
	return files.CopyFile(to, root, filepath.Base(from))
}
