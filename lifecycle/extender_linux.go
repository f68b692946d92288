package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An Extender applies the remaining Dockerfiles to a base image (platform.md,
// "extender"; image_extension.md, "Phase: Extension").
type Extender struct {
	Kind      extensions.ImageKind // the image to extend
	Group     platform.Group
	Generated string // <generated>

	Image  reference.Reference // of the base image
	Digest string              // of the base image; empty: no caching
	Config v1.ConfigFile       // of the base image
	Base   v1.Image            // whose layers are unpacked into Root, or into the sandbox; nil: Root is its file system
	Root   apply.Root

	Sandbox   *apply.Sandbox // where to apply the Dockerfiles; nil: in Root
	NoNetwork bool           // commands have no network

	App      string        // default build context
	Cache    string        // directory for layers reused by later builds; empty: none
	CacheTTL time.Duration // how long cached layers are valid
	Spool    string        // directory for layers that are not cached; has to exist as long as they are used

	// Environ is the environment of this container. Commands in the build image inherit it without credentials, those in
	// the run image only the variables of proxies.
	Environ []string

	Stdout, Stderr io.Writer    // of commands; nil: discarded
	Log            *slog.Logger // nil: silent
}

// An Extended is what Dockerfiles added to a base image.
type Extended struct {
	Config v1.Config
	Author string // empty: the base's
	Layers []*apply.Layer
}

// Left returns the Dockerfiles in <generated> that remain to be applied to one image. It does not
// return pure switches.
func Left(generated string, group platform.Group, kind extensions.ImageKind) ([]*extensions.Dockerfile, error) {
	found, err := base.ReadGenerated(generated, group.ExtensionModules(), false)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(d *extensions.Dockerfile) bool {
		return d.Image != kind || d.SwitchTo != "" && d.OnlySwitches()
	}), nil
}

// Run applies the remaining Dockerfiles; nil if there are none. Errors have code 102.
func (e *Extender) Run(ctx context.Context) (*Extended, error) {
	files, err := Left(e.Generated, e.Group, e.Kind)
	if err != nil {
		return nil, fail.As(fail.Extend, "reading the generated Dockerfiles", err)
	}
	if len(files) == 0 {
		logger(e.Log).Info(fmt.Sprintf("No Dockerfiles to apply to the %s image", e.Kind))
		return nil, nil
	}
	root := e.Root
	if e.Base != nil {
		if root.Layers, err = contents(e.Base); err != nil {
			return nil, fail.As(fail.Extend, fmt.Sprintf("%s image", e.Kind), err)
		}
	}
	a := apply.Applier{
		Root: root, Sandbox: e.Sandbox, NoNetwork: e.NoNetwork, Image: e.Image.String(), Digest: e.Digest, Generated: filepath.Dir(e.Generated), App: e.App,
		Cache: e.Cache, TTL: e.CacheTTL, Spool: e.Spool, Env: e.Environ, OnlyProxies: e.Kind == extensions.Run,
		Stdout: sink(e.Stdout), Stderr: sink(e.Stderr), Log: e.Log,
	}
	result, err := a.Apply(ctx, files, e.Config.Config)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fail.As(fail.Extend, fmt.Sprintf("%s image", e.Kind), err)
	}
	return &Extended{Config: result.Config, Author: result.Author, Layers: result.Layers}, nil
}

// Onto returns the extended image: the base with the new configuration and layers.
func (x *Extended) Onto(base v1.Image) (v1.Image, error) {
	config, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Config, config.Author = x.Config, cmp.Or(x.Author, config.Author)
	img, err := mutate.ConfigFile(base, config)
	if err != nil {
		return nil, err
	}
	var adds []mutate.Addendum
	for _, l := range x.Layers {
		adds = append(adds, mutate.Addendum{Layer: l, History: v1.History{
			Created: v1.Time{Time: layers.Epoch}, CreatedBy: l.CreatedBy(),
		}})
	}
	return mutate.Append(img, adds...)
}

// contents returns functions that open the layers of an image, the lowest first.
func contents(img v1.Image) ([]func() (io.ReadCloser, error), error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var all []func() (io.ReadCloser, error)
	for _, l := range layers {
		all = append(all, l.Uncompressed)
	}
	return all, nil
}
