// Package image opens and writes images in a registry, a docker daemon or an OCI layout. It
// also reads tar files.
//
// Start with [Opener], and with [Writer] and its [Draft]. An opened image is an [Image]. It
// is a v1.Image of go-containerregistry with its digest and, if it was found through an
// index, that index. Of an image in a daemon, only the configuration and individual files
// can be read; [Opener.Whole] exports all of it.
//
// Only this package imports the daemon's client.
//
// The API is stable from version 1.0 on; see docs/library.md.
package image

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// ErrNotFound is wrapped by errors of [Opener.Open] if the image does not exist.
var ErrNotFound = errors.New("no such image")

// An Image is an image opened by [Opener.Open].
type Image struct {
	Name   reference.Reference // as passed to Open
	Ref    name.Reference      // reference in a registry; nil for others
	Digest v1.Hash             // of the platform's manifest; for a daemon's image, the image ID
	Config *v1.ConfigFile      // never nil

	// Index is the digest of the index through which the image was found, and Parent the index
	// itself. Both are zero if there was none. Attestations and referrers may be attached to
	// the index rather than the image.
	Index  v1.Hash
	Parent v1.ImageIndex

	// Platform is the one that the index names; nil: none, or no index.
	Platform *v1.Platform

	// Image is nil for a daemon's image.
	Image v1.Image

	// Files reads an image of a daemon by path; nil for others.
	Files *Files

	// RepoDigests are the registry references ("host/repo@sha256:…") that a daemon has for the
	// image: where it was pulled from or pushed to.
	RepoDigests []string

	has   func(digest v1.Hash) bool // whether a layout has a blob; nil: it has all
	close func() error
}

// Close releases the image's resources: an open file, a container in the daemon. The image must
// not be used afterwards.
func (i *Image) Close() error {
	if i.close == nil {
		return nil
	}
	return i.close()
}

// Open opens an image. For an index, it opens the image for the Opener's platform. Errors name
// the image, its registry and the operation; they wrap [ErrNotFound] if the image does not
// exist. The caller must close the image.
func (o *Opener) Open(ctx context.Context, ref reference.Reference) (*Image, error) {
	images, err := o.open(ctx, ref, false)
	if err != nil {
		return nil, err
	}
	return images[0], nil
}

// OpenAll opens the images of an index for all platforms, in its order, and otherwise the image like Open. The
// caller must close each of them.
func (o *Opener) OpenAll(ctx context.Context, ref reference.Reference) ([]*Image, error) {
	return o.open(ctx, ref, true)
}

func (o *Opener) open(ctx context.Context, ref reference.Reference, all bool) ([]*Image, error) {
	open := o.openRegistry
	switch ref.Kind {
	case reference.Daemon:
		open = o.openDaemon
	case reference.Layout:
		ref = withColon(ref)
		open = o.openLayout
	case reference.Tar:
		open = o.openTar
	}
	images, err := open(ctx, ref, all)
	if err != nil {
		return nil, &imageError{"opening", registry.Redact(ref.String()), err}
	}
	for _, img := range images {
		img.Name = ref
	}
	return images, nil
}

// sharing makes images of one file close it when the last of them is closed.
func sharing(images []*Image, closeFile func() error) []*Image {
	var left atomic.Int64
	left.Store(int64(len(images)))
	for _, img := range images {
		img.close = sync.OnceValue(func() error {
			if left.Add(-1) > 0 {
				return nil
			}
			return closeFile()
		})
	}
	return images
}

// Reference returns an immutable reference to the image, as in analyzed.toml: by digest in a
// registry or a layout, else the image ID.
func (i *Image) Reference() reference.Reference {
	switch {
	case i.Ref != nil:
		return reference.Parse(i.Ref.Context().Digest(i.Digest.String()).Name())
	case i.Name.Kind == reference.Layout:
		return i.Name.WithDigest(i.Digest.String())
	}
	return reference.Recorded(i.Digest.String())
}

// An imageError names the image that could not be opened, written or accessed. Its text is
// redacted; the error that it unwraps to is not.
type imageError struct {
	doing, name string
	err         error
}

func (e *imageError) Error() string {
	return e.doing + " image " + e.name + ": " + registry.Redact(e.err.Error())
}
func (e *imageError) Unwrap() error { return e.err }

// closers returns a func that closes all, last first, and joins the errors.
func closers(all ...io.Closer) func() error {
	return func() error {
		var errs []error
		for i := len(all) - 1; i >= 0; i-- {
			errs = append(errs, all[i].Close())
		}
		return errors.Join(errs...)
	}
}
