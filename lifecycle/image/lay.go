package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// writeLayouts writes to OCI layouts. Blobs that the base's own layout lacks are not added.
func (w *Writer) writeLayouts(ctx context.Context, d *Draft, names []reference.Reference) (*Written, error) {
	if d.Base.Image == nil {
		return nil, fmt.Errorf("reading base image %s: it is in the docker daemon and can only be the base of an image there", registry.Redact(d.Base.Name.String()))
	}
	parts, err := d.parts(func(previous *Image) bool { return previous.has != nil })
	if err != nil {
		return nil, err
	}
	config, err := d.config(parts)
	if err != nil {
		return nil, err
	}
	var written *Written
	for n, name := range names {
		at, err := writableLayout(name)
		if err != nil {
			return written, err
		}
		to := Layout{Dir: at.Path}
		img, err := to.draft(ctx, config, parts, at.Tag)
		if err != nil {
			return written, fmt.Errorf("writing OCI layout %s: %w", at.Path, err)
		}
		if n == 0 {
			if written, err = describeImage(img); err != nil {
				return nil, err
			}
			parts = to.parts(parts)
		}
		written.Names = append(written.Names, name)
	}
	return written, nil
}

// layoutVersion is the content of the file oci-layout.
const layoutVersion = `{"imageLayoutVersion":"1.0.0"}`

// A Layout is an OCI layout to write (image-layout.md of the OCI image specification). Every
// file is written under a temporary name first, and index.json last. Files are world-readable,
// regardless of the umask.
type Layout struct {
	Dir    string
	Layers func(v1.Hash) bool // the layers to write; nil: all
	Name   string             // name of the image in index.json; empty: none
	Indent bool               // whether index.json and oci-layout are indented
}

// Write writes an image or an index unchanged, as the only entry of index.json. It does not
// write layers again that already exist.
func (l Layout) Write(ctx context.Context, content partial.Describable) error {
	var err error
	switch content := content.(type) {
	case v1.Image:
		err = l.image(ctx, content)
	case v1.ImageIndex:
		err = l.images(ctx, content)
	default:
		err = fmt.Errorf("writing a layout: %T is neither an image nor an index", content)
	}
	if err != nil {
		return err
	}
	desc, err := partial.Descriptor(content)
	if err != nil {
		return err
	}
	if l.Name != "" {
		desc.Annotations = map[string]string{refName: l.Name}
	}
	return l.index(ctx, &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{*desc}})
}

// Replace replaces the directory by the layout that Write would write, as a whole: after an
// error there is no layout. Its directories are readable by all and writable by the owner only.
func (l Layout) Replace(ctx context.Context, content partial.Describable) error {
	dir := l.Dir
	l.Dir += ".part"
	if err := errors.Join(os.RemoveAll(l.Dir), os.RemoveAll(dir), os.MkdirAll(filepath.Dir(dir), 0o755)); err != nil {
		return err
	}
	defer os.RemoveAll(l.Dir)
	if err := l.Write(ctx, content); err != nil {
		return err
	}
	for _, sub := range []string{"", "blobs", "blobs/sha256"} {
		if err := os.Chmod(filepath.Join(l.Dir, sub), 0o755); err != nil {
			return err
		}
	}
	return os.Rename(l.Dir, dir)
}

func (l Layout) images(ctx context.Context, index v1.ImageIndex) error {
	m, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range m.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		if err := l.image(ctx, img); err != nil {
			return err
		}
	}
	return l.raw(ctx, index.Digest, index.RawManifest)
}

// image writes the blobs of an image.
func (l Layout) image(ctx context.Context, img v1.Image) error {
	m, err := img.Manifest()
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for _, d := range m.Layers {
		if l.Layers == nil || l.Layers(d.Digest) {
			group.Go(func() error { return l.layer(groupCtx, img, d) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return errors.Join(l.raw(ctx, img.ConfigName, img.RawConfigFile), l.raw(ctx, img.Digest, img.RawManifest))
}

func (l Layout) layer(ctx context.Context, img v1.Image, d v1.Descriptor) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if HasBlob(ctx, l.Dir, d) {
		return nil
	}
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return err
	}
	r, err := layer.Compressed()
	if err != nil {
		return fmt.Errorf("reading layer %s: %w", d.Digest, err)
	}
	return l.blob(ctx, d.Digest, d.Size, r)
}

// raw writes a small blob.
func (l Layout) raw(ctx context.Context, name func() (v1.Hash, error), content func() ([]byte, error)) error {
	h, err := name()
	if err != nil {
		return err
	}
	data, err := content()
	if err != nil {
		return err
	}
	return l.blob(ctx, h, int64(len(data)), io.NopCloser(bytes.NewReader(data)))
}

// parts returns the same layers, read from the layout.
func (l Layout) parts(parts []part) []part {
	here := layout{os.DirFS(l.Dir)} // written by this process
	parts = slices.Clone(parts)
	for n, p := range parts {
		if p.layer != nil {
			parts[n].layer, _ = partial.CompressedToLayer(&layoutLayer{here, *p.desc})
		}
	}
	return parts
}

// draft adds the image with these layers to the layout.
func (l Layout) draft(ctx context.Context, config []byte, parts []part, tag string) (v1.Image, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for n := range parts {
		if parts[n].desc == nil {
			group.Go(func() error { return cmp.Or(context.Cause(groupCtx), parts[n].describe()) })
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	img, err := assemble(types.OCIManifestSchema1, config, parts)
	if err != nil {
		return nil, err
	}
	l.Layers = func(h v1.Hash) bool {
		return slices.ContainsFunc(parts, func(p part) bool { return p.desc.Digest == h && p.layer != nil })
	}
	if err := l.image(ctx, img); err != nil {
		return nil, err
	}
	desc, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	if tag != "" {
		desc.Annotations = map[string]string{refName: tag}
	}
	if cfg, err := img.ConfigFile(); err == nil {
		desc.Platform = &v1.Platform{OS: cfg.OS, Architecture: cfg.Architecture, Variant: cfg.Variant}
	}
	return img, l.add(ctx, *desc)
}

// HasBlob reports whether an OCI layout in a directory has a blob with the right content.
func HasBlob(ctx context.Context, dir string, d v1.Descriptor) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	info, err := root.Lstat(blob(d.Digest))
	if err != nil || !info.Mode().IsRegular() || info.Size() != d.Size {
		return false
	}
	f, err := files.FS{Root: root, Large: true}.Open(blob(d.Digest))
	if err != nil {
		return false
	}
	defer f.Close()
	return copyVerified(ctx, io.Discard, f, d.Digest) == nil
}

// blob writes a blob, whose content must match its digest and size.
func (l Layout) blob(ctx context.Context, h v1.Hash, size int64, r io.ReadCloser) error {
	defer r.Close()
	sum, err := v1.Hasher(h.Algorithm)
	if err != nil {
		return err
	}
	file := filepath.Join(l.Dir, blob(h))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return writeFile(file, func(f io.Writer) error {
		n, err := io.Copy(io.MultiWriter(f, sum), files.Until(ctx, r))
		if err != nil {
			return fmt.Errorf("copying blob %s: %w", h, err)
		}
		if got := hashOf(sum); got != h || n != size {
			return fmt.Errorf("copying blob %s: its content has digest %s", h, got)
		}
		return nil
	})
}

// add adds the image to index.json, in place of the one with the same name or, if it has no
// name, the unnamed one for the same platform.
func (l Layout) add(ctx context.Context, desc v1.Descriptor) error {
	index := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	raw, err := os.ReadFile(filepath.Join(l.Dir, "index.json"))
	if err == nil {
		index, err = v1.ParseIndexManifest(bytes.NewReader(raw))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading index.json: %w", err)
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(old v1.Descriptor) bool {
		if old.Annotations[refName] != desc.Annotations[refName] {
			return false
		}
		return desc.Annotations[refName] != "" || old.MediaType.IsImage() && (old.Platform == nil || old.Platform.Equals(*desc.Platform))
	})
	index.Manifests = append(index.Manifests, desc)
	return l.index(ctx, index)
}

func (l Layout) index(ctx context.Context, index *v1.IndexManifest) error {
	raw, err := json.Marshal(index)
	version := layoutVersion
	if l.Indent {
		raw, err = json.MarshalIndent(index, "", "   ")
		version = "{\n    \"imageLayoutVersion\": \"1.0.0\"\n}"
	}
	if err := cmp.Or(err, context.Cause(ctx)); err != nil {
		return err
	}
	for _, file := range []struct{ name, content string }{
		{"oci-layout", version}, {"index.json", string(raw)},
	} {
		err := writeFile(filepath.Join(l.Dir, file.name), func(f io.Writer) error {
			_, err := io.WriteString(f, file.content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file atomically.
func writeFile(file string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
