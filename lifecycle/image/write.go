package image

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// A Writer writes images to the places that an Opener reads from.
type Writer struct {
	*Opener // required

	// LaunchCache is a directory that keeps the layers of an image in a daemon, since docker
	// save, the only other source, saves the whole image; see [LaunchCache]. Empty: none.
	LaunchCache string

	Spool string // directory for temporary files; empty: the system's
}

// Written describes an image that was written.
type Written struct {
	ID           v1.Hash               // image ID: digest of the configuration or, in a daemon with containerd's store, of the manifest
	Digest       v1.Hash               // of the manifest; zero for a daemon
	ManifestSize int64                 // bytes; zero for a daemon
	Names        []reference.Reference // names that the image now has, as passed to Write
	LaunchCache  error                 // why the launch cache is out of date, which does not affect the image; nil: it is up to date, or there is none
}

// Write writes the image under the names, all of the same kind:
//
//	registry.example/app:1   a tag in a registry
//	docker://NAME            a name in the docker daemon
//	oci:DIR                  an OCI layout, as its unnamed image
//	oci:DIR:TAG              the same, with a name (annotation org.opencontainers.image.ref.name)
//
// No name refers to the image before it is complete. If only some of the names could be
// written, both results are non-nil. Errors name the image, its registry and the operation.
func (w *Writer) Write(ctx context.Context, d Draft, names ...reference.Reference) (*Written, error) {
	if len(names) == 0 {
		return nil, errors.New("writing image: no name is given")
	}
	var all []string
	for _, name := range names {
		if name.Kind != names[0].Kind && name.Err() == nil && names[0].Err() == nil {
			return nil, &imageError{"writing", registry.Redact(name.String()), fmt.Errorf("%s is stored elsewhere; write them separately", registry.Redact(names[0].String()))}
		}
		all = append(all, name.String())
	}
	write := w.push
	switch names[0].Kind {
	case reference.Daemon:
		write = w.load
	case reference.Layout:
		write = w.writeLayouts
	}
	written, err := write(ctx, &d, names)
	if err != nil {
		return written, &imageError{"writing", registry.Redact(strings.Join(all, ", ")), err}
	}
	return written, nil
}

// Prepare hashes layers concurrently, so that their diff IDs are known for the labels of the
// image. Without a previous image they must be compressed anyway, unless name is in a daemon,
// so Prepare does both while it reads the files once. It is optional and only saves time.
func (w *Writer) Prepare(ctx context.Context, name reference.Reference, previous *Image, layers ...v1.Layer) error {
	compress := name.Kind != reference.Daemon && previous == nil
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, layer := range layers {
		group.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if compress {
				if _, err := layer.Digest(); err != nil {
					return fmt.Errorf("compressing layer: %w", err)
				}
			}
			if _, err := layer.DiffID(); err != nil {
				return fmt.Errorf("hashing layer: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}
