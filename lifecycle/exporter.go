package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An Exporter builds the app image from what the buildpacks left, and saves their cached layers
// (platform.md, "exporter"; buildpack.md, "Phase #6: Export").
type Exporter struct {
	API    api.Version   // of the platform
	Writer *image.Writer // required: writes the app image

	Names   []reference.Reference // the tags of the app image, as in report.toml; at least one
	Locator reference.Locator     // of Names and of the images in Analyzed

	RunImage *image.Image // the one in Analyzed; nil: it is opened, and so is the previous image
	Extended *image.Image // the run image extended by extensions, an OCI layout; nil: not extended
	Previous *image.Image // nil: none, or it no longer exists

	Analyzed   *platform.Analyzed // nil: no previous image
	Group      platform.Group
	Build      *platform.BuildMetadata   // required; must match metadata.toml in <layers>/config
	RunFile    *platform.RunFile         // run.toml or stack.toml; nil: none
	Project    *platform.ProjectMetadata // nil: none
	Resolution *platform.Resolution      // nil: run image SBOMs are disabled

	// App and Layers are the paths of the app and of <layers> in the app image. Root is the root directory of these
	// paths on this machine; empty: /.
	App, Layers, Root string
	UID, GID          int // owner of the files in the app image

	Launcher      string                 // path on this machine
	LauncherSBOM  string                 // directory with the SBOMs of launcher and lifecycle; empty: none
	SkipSBOM      bool                   // write no SBOM layers
	LauncherLabel platform.LauncherLabel // the launcher in io.buildpacks.build.metadata

	ProcessType string     // default process; empty: chosen by the buildpacks
	ExecEnv     string     // execution environment; empty: production
	Created     *time.Time // SOURCE_DATE_EPOCH; nil: a constant

	Cache    cache.Cache // nil: none
	Parallel bool        // write app image and cache concurrently; otherwise the cache is written after the image

	Log *slog.Logger // nil: silent
}

// Run exports. A failure of the cache is only a warning. Besides the image it writes the SBOMs of the
// build to <layers>/sbom/build. Errors have code 62.
func (e *Exporter) Run(ctx context.Context) (*platform.Report, error) {
	inputs := *e // open adds images
	x := &export{
		Exporter: &inputs, log: logger(e.Log),
		source: layers.Source{Root: e.Root, Base: e.Layers, UID: e.UID, GID: e.GID, Spool: e.Writer.Spool},
	}
	defer x.close()
	report, err := x.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fail.As(fail.Export, "", err)
	}
	return report, nil
}

// An export is one run of an Exporter.
type export struct {
	*Exporter
	log    *slog.Logger
	source layers.Source
	opened []*image.Image        // to be closed
	names  []reference.Reference // the image's, without duplicates
	places []reference.Reference // where they are

	buildpacks     []contribution
	sbom           *piece // of launch; nil: none
	app            []piece
	launcher       piece
	config         piece
	launchBOM      []platform.BOMEntry // entries of buildpacks before Buildpack API 0.9 in launch.toml
	buildBOM       []platform.BOMEntry // and in build.toml
	processes      *piece              // nil: no process types
	defaultProcess string              // empty: the launcher itself
}

// A piece is a layer of the app image above the run image's.
type piece struct {
	name     string        // shown in logs, such as "acme/ruby:gems"
	history  string        // created_by in the history
	layer    *layers.Layer // nil: it is in the previous image
	diffID   v1.Hash
	previous string // diff ID of its counterpart in the previous image; empty: none
}

func (x *export) run(ctx context.Context) (*platform.Report, error) {
	err := x.open(ctx)
	if err != nil {
		return nil, err
	}
	if x.defaultProcess, err = x.chooseProcess(); err != nil {
		return nil, err
	}
	if err := x.checkExtended(); err != nil {
		return nil, err
	}
	if err := x.locate(); err != nil {
		return nil, err
	}
	if err := x.collect(); err != nil {
		return nil, err
	}
	if err := x.hash(ctx); err != nil {
		return nil, err
	}
	draft, err := x.draft()
	if err != nil {
		return nil, err
	}
	written, err := x.write(ctx, draft)
	if err != nil {
		return nil, err
	}
	return x.report(written)
}

// locate determines where the app image is written, and logs if layers have to be copied between registries
// (buildpack.md, "Phase #6: Export").
func (x *export) locate() error {
	for _, name := range x.Names {
		place := x.Locator.Locate(name)
		if !slices.Contains(x.places, place) {
			x.names, x.places = append(x.names, name), append(x.places, place)
		}
	}
	if len(x.places) == 0 {
		return errors.New("it has no name")
	}
	to := x.places[0].Host()
	if to == "" {
		return nil // not in a registry: all images of a build are in the same place
	}
	for n, img := range []*image.Image{x.RunImage, x.Previous} {
		if img != nil && img.Ref != nil && img.Ref.Context().RegistryStr() != to {
			x.log.Info(fmt.Sprintf("The %s image is in another registry than the app image: missing layers have to be copied", []string{"run", "previous"}[n]))
		}
	}
	return nil
}

// pieces returns all layers of the app, in image order.
func (x *export) pieces() []*piece {
	var all []*piece
	for i := range x.buildpacks {
		for n := range x.buildpacks[i].pieces {
			all = append(all, &x.buildpacks[i].pieces[n])
		}
	}
	if x.sbom != nil {
		all = append(all, x.sbom)
	}
	for n := range x.app {
		all = append(all, &x.app[n])
	}
	all = append(all, &x.launcher, &x.config)
	if x.processes != nil {
		all = append(all, x.processes)
	}
	return all
}

// hash computes the diff IDs of all layers concurrently.
func (x *export) hash(ctx context.Context) error {
	var all []*layers.Layer
	for _, p := range x.pieces() {
		if p.layer != nil {
			all = append(all, p.layer)
		}
	}
	// One that takes long must not begin last, or it keeps a single processor busy.
	slices.SortStableFunc(all, func(a, b *layers.Layer) int { return cmp.Compare(b.Work(), a.Work()) })
	hashed := make([]v1.Layer, len(all))
	for n, l := range all {
		hashed[n] = l
	}
	if err := x.Writer.Prepare(ctx, x.places[0], x.Previous, hashed...); err != nil {
		return err
	}
	for _, p := range x.pieces() {
		if p.layer == nil {
			continue
		}
		var err error
		if p.diffID, err = p.layer.DiffID(); err != nil {
			return err
		}
	}
	return nil
}

// reused reports whether the previous image has the same layer.
func (x *export) reused(p *piece) bool {
	return x.Previous != nil && p.diffID.String() == p.previous
}

// draft describes the image to write, and logs its layers.
func (x *export) draft() (image.Draft, error) {
	d := image.Draft{Base: x.RunImage, Previous: x.Previous, NoHistory: !api.History.In(x.API)}
	if x.Extended != nil {
		d.Base, d.Under = x.Extended, x.RunImage
	}
	created := v1.Time{Time: layers.Epoch}
	for _, p := range x.pieces() {
		add := image.Add{DiffID: p.diffID, History: v1.History{Created: created, CreatedBy: p.history}}
		if p.layer != nil { // avoids a non-nil interface with a nil pointer
			add.Layer = p.layer
		}
		d.Layers = append(d.Layers, add)
	}
	x.logLayers()
	config, err := x.configFile(d.Base)
	if err != nil {
		return image.Draft{}, err
	}
	d.Config = *config
	return d, nil
}

// logLayers logs which layers are added or reused.
func (x *export) logLayers() {
	say := func(p *piece) {
		what := "Adding"
		if x.reused(p) {
			what = "Reusing"
		}
		x.log.Info(fmt.Sprintf("%s layer '%s'", what, p.name))
		x.log.Debug(fmt.Sprintf("Layer '%s' has diff ID %s", p.name, p.diffID))
	}
	reused := 0
	for n := range x.app {
		if x.reused(&x.app[n]) {
			reused++
		}
	}
	for _, p := range x.pieces() {
		switch {
		case p.name != appName:
			say(p)
		case p == &x.app[0]:
			for _, part := range []struct {
				what  string
				count int
			}{{"Reusing", reused}, {"Adding", len(x.app) - reused}} {
				if part.count > 0 {
					x.log.Info(fmt.Sprintf("%s %d/%d app layer(s)", part.what, part.count, len(x.app)))
				}
			}
		}
	}
}

// write writes the image, and the cache after it or concurrently.
func (x *export) write(ctx context.Context, d image.Draft) (*image.Written, error) {
	var written *image.Written
	group, groupCtx := errgroup.WithContext(ctx)
	if x.Parallel {
		group.Go(func() error { x.saveCache(groupCtx); return nil })
	}
	group.Go(func() (err error) {
		written, err = x.save(groupCtx, d)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if !x.Parallel {
		x.saveCache(ctx)
	}
	return written, ctx.Err()
}

// save writes the image under all names.
func (x *export) save(ctx context.Context, d image.Draft) (*image.Written, error) {
	x.log.Info(fmt.Sprintf("Saving %s...", x.names[0]))
	written, err := x.Writer.Write(ctx, d, x.places...)
	if written == nil {
		return nil, err
	}
	x.log.Info(fmt.Sprintf("*** Images (%.12s):", written.ID.Hex))
	for _, tag := range x.tags(written) {
		x.log.Info("      " + tag)
	}
	if written.LaunchCache != nil {
		x.log.Warn(fmt.Sprintf("cannot save layers in the launch cache, so the next build reads them from the docker daemon: %v", written.LaunchCache))
	}
	return written, err
}

// close removes the temporary files of compressed layers.
func (x *export) close() {
	for _, img := range x.opened {
		_ = img.Close()
	}
	for _, p := range x.pieces() {
		if p.layer != nil {
			_ = p.layer.Close()
		}
	}
	for _, c := range x.buildpacks {
		for _, l := range c.cached {
			_ = l.layer.Close()
		}
	}
}
