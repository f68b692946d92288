package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// jobs is the number of layers compressed and sent concurrently.
const jobs = 4

// push writes to registries: first all blobs, then the manifests.
func (w *Writer) push(ctx context.Context, d *Draft, names []reference.Reference) (*Written, error) {
	if d.Base.Image == nil {
		return nil, fmt.Errorf("reading base image %s: it is in the docker daemon and can only be the base of an image there", registry.Redact(d.Base.Name.String()))
	}
	tags, err := w.tags(names)
	if err != nil {
		return nil, err
	}
	parts, err := d.parts(func(previous *Image) bool {
		return previous.Ref != nil && previous.Ref.Context().Registry == tags[0].Registry
	})
	if err != nil {
		return nil, err
	}
	config, err := d.config(parts)
	if err != nil {
		return nil, err
	}
	u := upload{draft: d, config: config, parts: parts, writer: w}
	var repositories []name.Repository
	for _, tag := range tags {
		repositories = append(repositories, tag.Context())
	}
	if u.pusher, err = remote.NewPusher(w.Registry.Options(ctx, repositories...)...); err != nil {
		return nil, err
	}
	return u.run(ctx, tags, names)
}

func (w *Writer) tags(names []reference.Reference) ([]name.Tag, error) {
	var tags []name.Tag
	for _, n := range names {
		ref, err := w.Registry.Reference(n)
		if err != nil {
			return nil, err
		}
		tag, ok := ref.(name.Tag)
		if !ok {
			return nil, fmt.Errorf("writing %s: the content determines the digest; use a tag", registry.Redact(n.String()))
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// An upload is the state of writing a draft to registries.
type upload struct {
	writer *Writer
	draft  *Draft
	pusher *remote.Pusher
	config []byte
	parts  []part
	image  v1.Image // nil: not all digests are known yet
}

func (u *upload) run(ctx context.Context, tags []name.Tag, names []reference.Reference) (*Written, error) {
	exists, err := u.exists(ctx, tags[0])
	if err != nil {
		return nil, err
	}
	// Other repositories of the same registry mount the blobs of the first.
	done := map[name.Repository]bool{tags[0].Repository: exists}
	for _, tag := range tags {
		if done[tag.Repository] {
			continue
		}
		if err := u.blobs(ctx, tag.Repository, tags[0].Repository); err != nil {
			return nil, err
		}
		done[tag.Repository] = true
	}
	written, err := describeImage(u.image)
	if err != nil {
		return nil, err
	}
	var errs []error
	for n, tag := range tags {
		if n > 0 || !exists {
			if err := u.pusher.Put(ctx, tag, u.image); err != nil {
				errs = append(errs, fmt.Errorf("writing manifest of %s to registry %s: %w", tag, tag.RegistryStr(), u.writer.Registry.Refused(tag.Context(), err)))
				continue
			}
		}
		written.Names = append(written.Names, names[n])
	}
	if len(written.Names) == 0 {
		written = nil
	}
	return written, errors.Join(errs...)
}

// describeImage returns the digests and size of an image with a manifest.
func describeImage(img v1.Image) (*Written, error) {
	var w Written
	var err error
	if w.ID, err = img.ConfigName(); err != nil {
		return nil, err
	}
	if w.Digest, err = img.Digest(); err != nil {
		return nil, err
	}
	w.ManifestSize, err = img.Size()
	return &w, err
}

// exists reports whether the tag already refers to the image, for example if the build changed
// nothing. It only asks the registry if no layer is new.
func (u *upload) exists(ctx context.Context, tag name.Tag) (bool, error) {
	for _, p := range u.parts {
		if p.desc == nil {
			return false, nil
		}
	}
	if err := u.assemble(); err != nil {
		return false, err
	}
	digest, err := u.image.Digest()
	if err != nil {
		return false, err
	}
	// Errors are ignored here, since writing will report them.
	found, err := remote.Head(tag, u.writer.Registry.Options(ctx, tag.Context())...)
	return err == nil && found.Digest == digest, nil
}

func (u *upload) assemble() (err error) {
	kind, err := u.draft.Base.Image.MediaType()
	if err != nil {
		return fmt.Errorf("reading manifest of %s: %w", registry.Redact(u.draft.Base.Name.String()), err)
	}
	u.image, err = assemble(kind, u.config, u.parts)
	return err
}

// blobs sends the layers concurrently, then the configuration. Blobs of from are not sent
// again.
func (u *upload) blobs(ctx context.Context, to, from name.Repository) error {
	if err := u.mountable(ctx, to, from); err != nil {
		return err
	}
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for n := range u.parts {
		group.Go(func() error { return u.layer(ctx2, &u.parts[n], to, from) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if u.image == nil {
		if err := u.assemble(); err != nil {
			return err
		}
	}
	config, err := partial.ConfigLayer(u.image)
	if err == nil {
		err = u.pusher.Upload(ctx, to, config)
	}
	if err != nil {
		return fmt.Errorf("uploading configuration to registry %s: %w", to.RegistryStr(), u.writer.Registry.Refused(to, err))
	}
	return nil
}

// mountable first sends one layer from each other repository of the registry. The pusher
// requests a new token with the first layer of a repository, which is not safe to do
// concurrently.
func (u *upload) mountable(ctx context.Context, to, from name.Repository) error {
	seen := map[name.Repository]bool{to: true}
	for n := range u.parts {
		m, ok := u.source(&u.parts[n], to, from).(*remote.MountableLayer)
		if !ok || m.Reference.Context().Registry != to.Registry || seen[m.Reference.Context()] {
			continue
		}
		seen[m.Reference.Context()] = true
		if err := u.layer(ctx, &u.parts[n], to, from); err != nil {
			return err
		}
	}
	return nil
}

func (u *upload) layer(ctx context.Context, p *part, to, from name.Repository) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if p.desc == nil {
		if err := p.describe(); err != nil {
			return err
		}
	}
	if err := u.pusher.Upload(ctx, to, u.source(p, to, from)); err != nil {
		return fmt.Errorf("uploading layer %s to registry %s: %w", p.desc.Digest, to.RegistryStr(), u.writer.Registry.Refused(to, err))
	}
	return nil
}

// source returns the layer for the pusher, mountable from another repository if possible.
func (u *upload) source(p *part, to, from name.Repository) v1.Layer {
	if to != from && to.Registry == from.Registry && p.desc != nil {
		return &remote.MountableLayer{Layer: p.content(), Reference: from.Digest(p.desc.Digest.String())}
	}
	return p.content()
}

// describe compresses the layer unless its descriptor is already known, and sets desc.
func (p *part) describe() error {
	if p.layer == nil {
		return fmt.Errorf("finding layer %s: %w", p.diffID, errNoContent)
	}
	desc, err := partial.Descriptor(p.layer)
	if err != nil {
		return fmt.Errorf("compressing layer %s: %w", p.diffID, err)
	}
	p.desc = desc
	return nil
}

// errNoContent is wrapped by errors of layers without a source.
var errNoContent = errors.New("no available image has it; the previous image may have been removed since it was analyzed")

// content returns the layer, or an absent one, which the destination must already have.
func (p *part) content() v1.Layer {
	if p.layer == nil {
		return absent{*p}
	}
	return p.layer
}

// An absent layer is one missing in a sparse layout, known only from the manifest.
type absent struct{ part }

func (a absent) DiffID() (v1.Hash, error)             { return a.diffID, nil }
func (a absent) Digest() (v1.Hash, error)             { return a.desc.Digest, nil }
func (a absent) Size() (int64, error)                 { return a.desc.Size, nil }
func (a absent) MediaType() (types.MediaType, error)  { return a.desc.MediaType, nil }
func (a absent) Uncompressed() (io.ReadCloser, error) { return nil, errNoContent }
func (a absent) Compressed() (io.ReadCloser, error)   { return nil, errNoContent }
func (a absent) Descriptor() (*v1.Descriptor, error)  { return a.desc, nil }
