package image

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// An Opener opens images. Its zero value reads public images anonymously.
type Opener struct {
	Registry   registry.Client
	Platform   *v1.Platform // selects an image of an index; nil: linux and this program's architecture
	DockerHost string       // address of the daemon; empty: as the docker CLI finds it

	// DialDocker connects to the daemon, for a process that is no longer permitted to; nil:
	// net.Dial.
	DialDocker func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o *Opener) platform() v1.Platform {
	if o.Platform == nil {
		return v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	return *o.Platform
}

func (o *Opener) openRegistry(ctx context.Context, ref reference.Reference) (*Image, error) {
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
	img := &Image{Ref: r}
	if desc.MediaType.IsIndex() {
		if img.Parent, err = desc.ImageIndex(); err == nil {
			err = o.fromIndex(img, img.Parent)
		}
	} else {
		img.Image, err = desc.Image()
	}
	if err == nil {
		err = img.complete()
	}
	if err != nil {
		return nil, fmt.Errorf("reading image from registry %s: %w", r.Context().RegistryStr(), o.Registry.Refused(r.Context(), orNotFound(watch.Cause(ctx, err))))
	}
	return img, nil
}

// orNotFound adds [ErrNotFound] to a registry's 404 response.
func orNotFound(err error) error {
	if registry.Status(err) == http.StatusNotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// fromIndex sets the image for the wanted platform.
func (o *Opener) fromIndex(img *Image, index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading index: %w", err)
	}
	if img.Index, err = index.Digest(); err != nil {
		return fmt.Errorf("reading index: %w", err)
	}
	desc, err := pick(manifest.Manifests, o.platform())
	if err != nil {
		return err
	}
	if img.Image, err = index.Image(desc.Digest); err != nil {
		return fmt.Errorf("reading manifest %s: %w", desc.Digest, err)
	}
	return nil
}

// pick returns the first manifest for the platform, or the only one if it has no platform.
func pick(all []v1.Descriptor, want v1.Platform) (v1.Descriptor, error) {
	var offered []string
	var images []v1.Descriptor
	for _, d := range all {
		if !d.MediaType.IsImage() || d.Platform != nil && d.Platform.OS == "unknown" {
			continue // an attestation or another artifact
		}
		images = append(images, d)
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
