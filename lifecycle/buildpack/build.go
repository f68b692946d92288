package buildpack

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Built is what bin/build left.
type Built struct {
	Layers    []Layer // by name
	Processes []launch.Process
	Default   string // default process type; empty: none
	Slices    []platform.Slice
	Labels    []platform.Label
	Unmet     []string // names of plan entries
	BOM       []platform.BOMEntry
	BuildBOM  []platform.BOMEntry
}

// Build runs bin/build and reads what it left in its layers directory, which must exist
// (buildpack.md, "Build"). base is the environment with the changes of earlier buildpacks. An
// error of the executable is a *[BrokenError].
func (d *Descriptor) Build(ctx context.Context, h Host, base *env.Env, plan []resolver.Require, layers LayersDir, out, errOut io.Writer) (*Built, error) {
	if err := d.execute(ctx, h, "build", base, plan, "CNB_LAYERS_DIR", layers.Path, out, errOut); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return d.read(h, plan, layers)
}

// execute runs bin/build or bin/generate with a plan and the directory for its results.
func (d *Descriptor) execute(ctx context.Context, h Host, executable string, base *env.Env, plan []resolver.Require, dirVariable, dir string, out, errOut io.Writer) error {
	scratch, remove, err := h.scratch()
	if err != nil {
		return err
	}
	defer remove()
	data, err := encodeBuildpackPlan(plan)
	if err != nil {
		return err
	}
	planPath := filepath.Join(scratch, "plan.toml")
	if err := h.give(planPath, data); err != nil {
		return err
	}
	e, err := h.environment(d, base)
	if err != nil {
		return err
	}
	if d.Kind == resolver.Extension || api.PathVariables.In(d.API) {
		e.Set(dirVariable, dir)
		e.Set("CNB_BP_PLAN_PATH", planPath)
	}
	exit, err := h.run(ctx, d, executable, e, out, errOut, dir, h.Platform, planPath)
	if err == nil && exit != 0 {
		err = d.failed(executable, exit, e)
	}
	if err != nil {
		return &BrokenError{Module: d.Module(), Executable: executable, Exit: exit, Err: err}
	}
	return nil
}

// read reads what bin/build left, and hides layers without a type.
func (d *Descriptor) read(h Host, plan []resolver.Require, dir LayersDir) (*Built, error) {
	b := &Built{}
	var err error
	if b.Layers, err = dir.Layers(h.Unknown); err != nil {
		return nil, err
	}
	if err := dir.hide(b.Layers); err != nil {
		return nil, err
	}
	if err := d.checkSBOMs(dir); err != nil {
		return nil, err
	}
	if err := d.readLaunch(h, dir, b); err != nil {
		return nil, err
	}
	return b, d.readBuild(h, dir, plan, b)
}

// encodeBuildpackPlan encodes the Buildpack Plan (buildpack.md, "Buildpack Plan").
func encodeBuildpackPlan(plan []resolver.Require) ([]byte, error) {
	type entry struct {
		Name     string         `toml:"name"`
		Metadata map[string]any `toml:"metadata,omitempty"`
	}
	var file struct {
		Entries []entry `toml:"entries"`
	}
	for _, r := range plan {
		file.Entries = append(file.Entries, entry{r.Name, r.Metadata})
	}
	return tomlfile.Encode(file, "a buildpack plan")
}

var mediaTypes = map[string]string{
	"cdx.json":  "application/vnd.cyclonedx+json",
	"spdx.json": "application/spdx+json",
	"syft.json": "application/vnd.syft+json",
}

// checkSBOMs returns an error for SBOM formats that buildpack.toml does not declare (buildpack.md,
// "The buildpack SBOM").
func (d *Descriptor) checkSBOMs(dir LayersDir) error {
	files, err := dir.SBOMs()
	if err != nil {
		return err
	}
	for _, f := range files {
		if want := mediaTypes[f.Ext]; !slices.ContainsFunc(d.SBOMFormats, func(have string) bool {
			return strings.HasPrefix(strings.ReplaceAll(have, " ", ""), want) // a parameter ";version=1.4" may follow
		}) {
			return fmt.Errorf("reading %s: %s does not list %q under \"sbom-formats\" of buildpack.toml", f.Path, d.Module(), want)
		}
	}
	return nil
}
