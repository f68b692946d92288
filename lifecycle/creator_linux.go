package lifecycle

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A SelfExtender applies Dockerfiles in the container of a [Creator]: to the build image in place (requires root),
// and to the run image in a sandbox, or in an isolated root (requires root) (docs/design.md, "Sandbox").
type SelfExtender struct {
	Extender Extender // without image and root, which are filled in; the sandbox is for the run image
	Images   *image.Opener
	Locator  reference.Locator // of the run image
	// Scan reads the packages of the extended run image, to check that it still has what the build relies on.
	Scan func(context.Context, *image.Image) (*sbom.Document, error)

	User    string   // of the build image
	Exclude []string // directories of the build image that do not belong to the image
	Spool   string   // directory for layers, which have to last until the export
}

// Extend applies the Dockerfiles that remain; see [Creator.Extend].
func (s *SelfExtender) Extend(ctx context.Context, made *Generation, host buildpack.Host) (*Extension, error) {
	out := &Extension{Host: host}
	if made.Judged.ExtendBuild {
		e := s.extender(extensions.Build, made)
		e.Image, e.Cache = reference.Parse("build-image"), "" // the base image of this container is unknown
		e.Config, e.Sandbox = s.buildConfig(), nil
		e.Root = apply.Root{Dir: "/", Exclude: s.Exclude}
		if err := os.MkdirAll(e.Spool, 0o755); err != nil {
			return nil, err
		}
		defer os.RemoveAll(e.Spool)
		extended, err := e.Run(ctx)
		if err != nil {
			return nil, err
		}
		if extended != nil {
			out.Host.Environ = slices.Concat(host.Environ, extended.Config.Env)
		}
	}
	if !made.Judged.ExtendRun {
		return out, nil
	}
	var err error
	out.RunImage, err = s.extendRun(ctx, made)
	return out, err
}

// buildConfig returns the parts of the build image's configuration that this container has. Its environment cannot be
// told from variables that the platform added, so credentials and the like are left out.
func (s *SelfExtender) buildConfig() v1.ConfigFile {
	return v1.ConfigFile{OS: "linux", Config: v1.Config{User: s.User, Env: apply.Inherited(s.Extender.Environ)}}
}

// extender returns the extender of an image, with a directory for its layers.
func (s *SelfExtender) extender(kind extensions.ImageKind, made *Generation) Extender {
	e := s.Extender
	e.Kind, e.Group, e.Spool = kind, made.Group, filepath.Join(s.Spool, string(kind))
	return e
}

// extendRun unpacks the run image into a directory or a sandbox and extends it there.
func (s *SelfExtender) extendRun(ctx context.Context, made *Generation) (*image.Image, error) {
	run, err := s.Images.Open(ctx, s.Locator.Locate(reference.Parse(made.Analyzed.RunImage.Reference)))
	if err != nil {
		return nil, err
	}
	defer run.Close()
	whole, err := s.Images.Whole(ctx, run, s.Spool)
	if err != nil {
		return nil, err
	}
	name := reference.Parse(made.Analyzed.RunImage.Name())
	e := s.extender(extensions.Run, made)
	e.Image, e.Digest, e.Config = name, run.Digest.String(), *whole.Config
	e.Base, e.Root = whole.Image, apply.Root{Dir: filepath.Join(s.Spool, "root")}
	defer os.RemoveAll(e.Root.Dir)
	if err := os.MkdirAll(e.Spool, 0o755); err != nil {
		return nil, err
	}
	extended, err := e.Run(ctx)
	if err != nil {
		return nil, err
	}
	img, err := extended.Onto(whole.Image)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	out := &image.Image{Name: reference.Recorded(name.String()), Image: img, Config: config}
	return out, made.Judged.RecheckExtended(name, func() (*sbom.Document, error) { return s.Scan(ctx, out) }, e.Log)
}
