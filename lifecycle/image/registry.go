package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/baseplan/baseplan/sbom/attach/watch"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An Opener opens images. Its zero value reads public images anonymously.
type Opener struct {
	Keychain   authn.Keychain                            // nil: anonymous; see [Keychain]
	Insecure   []string                                  // registries ("host:port") or repositories below ("host:port/path") accessed over HTTP, or HTTPS without verifying certificates
	Platform   *v1.Platform                              // selects an image of an index; nil: linux and this program's architecture
	Transport  http.RoundTripper                         // nil: the transport of go-containerregistry
	Wrap       func(http.RoundTripper) http.RoundTripper // wraps the transport; nil: unchanged
	Retry      remote.Backoff                            // between attempts at a request; zero: three attempts, 1 s and 3 s apart
	Stall      time.Duration                             // maximum time without progress in a transfer, and for opening an image; zero: 5 minutes
	DockerHost string                                    // address of the daemon; empty: as the docker CLI finds it

	frugal *pings // nil: see [Opener.Frugal]

	// DialDocker connects to the daemon, for a process that is no longer permitted to; nil:
	// net.Dial.
	DialDocker func(ctx context.Context, network, address string) (net.Conn, error)
}

// Reference parses a registry reference as Open does: with docker's defaults for registry and
// tag, and with HTTP for loopback and insecure registries that do not support HTTPS.
func (o *Opener) Reference(ref reference.Reference) (name.Reference, error) {
	err := ref.Err()
	if ref.Kind != reference.Registry && err == nil {
		err = fmt.Errorf("%w: it does not lead to a registry", reference.ErrMalformed)
	}
	var r name.Reference
	if err == nil {
		r, err = name.ParseReference(ref.String())
	}
	if err != nil {
		return nil, &malformedError{ref.String(), err}
	}
	if loopback(r.Context().RegistryStr()) || o.insecure(r.Context()) {
		return name.ParseReference(ref.String(), name.Insecure)
	}
	return r, nil
}

// A malformedError reports a reference that does not lead to a registry. Its text is redacted.
type malformedError struct {
	text string
	err  error
}

func (e *malformedError) Error() string {
	return "parsing image reference " + redact(e.text) + ": " + redact(e.err.Error())
}
func (e *malformedError) Unwrap() error { return e.err }

// insecure reports whether a repository is one of o.Insecure, or below one.
func (o *Opener) insecure(r name.Repository) bool {
	return slices.ContainsFunc(o.Insecure, func(entry string) bool { return placeOf(entry).has(r) })
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// RemoteOptions returns the options with which Open accesses these repositories.
func (o *Opener) RemoteOptions(ctx context.Context, repositories ...name.Repository) []remote.Option {
	opts := []remote.Option{remote.WithContext(ctx), remote.WithUserAgent("baseplan"), remote.WithPlatform(o.platform())}
	if o.Keychain != nil {
		opts = append(opts, remote.WithAuthFromKeychain(o.Keychain))
	}
	if o.Retry.Steps > 0 {
		opts = append(opts, remote.WithRetryBackoff(o.Retry))
	}
	again := func(err error) bool { return ctx.Err() == nil && temporary(err) }
	return append(opts, remote.WithRetryPredicate(again), remote.WithTransport(o.RoundTripper(repositories...)))
}

func (o *Opener) platform() v1.Platform {
	if o.Platform == nil {
		return v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	return *o.Platform
}

func (o *Opener) openRegistry(ctx context.Context, ref reference.Reference) (*Image, error) {
	r, err := o.Reference(ref)
	if err != nil {
		return nil, err
	}
	ctx, opened := watch.Until(ctx, o.Stall, "opening the image")
	defer opened()
	desc, err := remote.Get(r, o.RemoteOptions(ctx, r.Context())...)
	if err != nil {
		return nil, fmt.Errorf("reading manifest from registry %s: %w", r.Context().RegistryStr(), o.refused(r.Context(), orNotFound(watch.Cause(ctx, err))))
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
		return nil, fmt.Errorf("reading image from registry %s: %w", r.Context().RegistryStr(), o.refused(r.Context(), orNotFound(watch.Cause(ctx, err))))
	}
	return img, nil
}

// orNotFound adds [ErrNotFound] to a registry's 404 response.
func orNotFound(err error) error {
	if t, ok := errors.AsType[*transport.Error](err); ok && t.StatusCode == http.StatusNotFound {
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
