package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// An Opener opens images. Its zero value reads public images anonymously.
type Opener struct {
	Registry   registry.Client
	Platform   *v1.Platform // selects an image of an index; nil: linux and this program's architecture
	DockerHost string       // address of the daemon; empty: DOCKER_HOST, else the default socket

	// FindDocker finds the daemon when an image in it is opened; nil: DockerHost.
	FindDocker func() (Docker, error)

	// DialDocker connects to the daemon, for a process that is no longer permitted to; nil:
	// net.Dial.
	DialDocker func(ctx context.Context, network, address string) (net.Conn, error)
}

// Docker is a docker daemon.
type Docker struct {
	Host        string      // its address
	TLS         *tls.Config // nil: no TLS
	Environment bool        // DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say what TLS is
}

func (o *Opener) platform() v1.Platform {
	if o.Platform == nil {
		return v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	return *o.Platform
}

func (o *Opener) openRegistry(ctx context.Context, ref reference.Reference, all bool) ([]*Image, error) {
	r, err := o.Registry.Reference(ref)
	if err != nil {
		return nil, err
	}
	ctx, opened := watch.Until(ctx, o.Registry.Stall, "opening the image")
	defer opened()
	desc, err := remote.Get(r, o.Registry.Options(ctx, r.Context())...)
	if err != nil {
		return nil, fmt.Errorf("reading manifest from registry %s: %w", r.Context().RegistryStr(), o.Registry.Refused(r.Context(), orNotFound(watch.Cause(ctx, err))))
	}
	images, err := o.described(Image{Ref: r}, desc, all)
	if err != nil {
		return nil, fmt.Errorf("reading image from registry %s: %w", r.Context().RegistryStr(), o.Registry.Refused(r.Context(), orNotFound(watch.Cause(ctx, err))))
	}
	return images, nil
}

// described returns the image that a registry describes, or those of the index.
func (o *Opener) described(img Image, desc *remote.Descriptor, all bool) ([]*Image, error) {
	var err error
	if desc.MediaType.IsIndex() {
		if img.Parent, err = desc.ImageIndex(); err != nil {
			return nil, err
		}
		return o.fromIndex(img, all)
	}
	if img.Image, err = desc.Image(); err != nil {
		return nil, err
	}
	return []*Image{&img}, img.complete()
}

// orNotFound adds [ErrNotFound] to a registry's 404 response.
func orNotFound(err error) error {
	if registry.Status(err) == http.StatusNotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// fromIndex returns the image of img.Parent for the wanted platform, or those for all platforms.
func (o *Opener) fromIndex(img Image, all bool) ([]*Image, error) {
	manifest, err := img.Parent.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading index: %w", err)
	}
	if img.Index, err = img.Parent.Digest(); err != nil {
		return nil, fmt.Errorf("reading index: %w", err)
	}
	chosen := registry.Images(manifest.Manifests)
	if !all {
		desc, err := pick(chosen, o.platform())
		if err != nil {
			return nil, err
		}
		chosen = []v1.Descriptor{desc}
	}
	if len(chosen) == 0 {
		return nil, errors.New("the index has no image")
	}
	images := make([]*Image, len(chosen))
	var group errgroup.Group
	group.SetLimit(4)
	for i, desc := range chosen {
		one := img
		images[i] = &one
		group.Go(func() (err error) {
			one.Platform = desc.Platform
			if one.Image, err = img.Parent.Image(desc.Digest); err != nil {
				return fmt.Errorf("reading manifest %s: %w", desc.Digest, err)
			}
			return one.complete()
		})
	}
	return images, group.Wait()
}

// pick returns the first manifest for the platform, or the only one if it has no platform.
func pick(images []v1.Descriptor, want v1.Platform) (v1.Descriptor, error) {
	var offered []string
	for _, d := range images {
		if d.Platform == nil {
			continue
		}
		if d.Platform.Satisfies(want) {
			return d, nil
		}
		offered = append(offered, d.Platform.String())
	}
	if len(images) == 1 && images[0].Platform == nil {
		return images[0], nil
	}
	if len(offered) == 0 {
		return v1.Descriptor{}, fmt.Errorf("choosing platform %s: the index has %d images and names no platforms", want, len(images))
	}
	return v1.Descriptor{}, fmt.Errorf("choosing platform %s: %w for it, the index has %s", want, ErrNotFound, strings.Join(offered, ", "))
}

// complete reads the digest and the configuration of the image.
func (i *Image) complete() (err error) {
	if i.Digest, err = i.Image.Digest(); err != nil {
		return fmt.Errorf("reading manifest: %w", err)
	}
	if i.Config, err = i.Image.ConfigFile(); err != nil {
		return fmt.Errorf("reading configuration: %w", err)
	}
	return nil
}
