package image

import (
	"bytes"
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
)

// lay writes to OCI layouts. Blobs of the base that the base's own layout lacks stay away.
func (w *Writer) lay(ctx context.Context, d *Draft, names []string) (*Written, error) {
	if d.Base.Image == nil {
		return nil, fmt.Errorf("reading base image %s: it is in the docker daemon, and can only be a base there", redact(d.Base.Name))
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
		dir, tag, err := layoutName(name)
		if err != nil {
			return written, err
		}
		to := layoutDir{dir}
		img, err := to.write(ctx, config, parts, tag)
		if err != nil {
			return written, fmt.Errorf("writing OCI layout %s: %w", dir, err)
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

// A layoutDir is an OCI layout that is written to. Every file is written under another name
// first, and index.json last of all.
type layoutDir struct{ dir string }

// parts are the same layers, read from the layout.
func (l layoutDir) parts(parts []part) []part {
	here := layout{os.DirFS(l.dir)} // what this process has written
	parts = slices.Clone(parts)
	for n, p := range parts {
		if p.layer != nil {
			parts[n].layer, _ = partial.CompressedToLayer(&layoutLayer{here, *p.desc})
		}
	}
	return parts
}

func (l layoutDir) write(ctx context.Context, config []byte, parts []part, tag string) (v1.Image, error) {
	if err := os.MkdirAll(filepath.Join(l.dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for n := range parts {
		group.Go(func() error { return l.layer(groupCtx, &parts[n]) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	img, err := assemble(types.OCIManifestSchema1, config, parts)
	if err != nil {
		return nil, err
	}
	desc, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	id, _, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	for h, content := range map[v1.Hash][]byte{id: config, desc.Digest: manifest} {
		if err := l.blob(ctx, h, int64(len(content)), io.NopCloser(bytes.NewReader(content))); err != nil {
			return nil, err
		}
	}
	if tag != "" {
		desc.Annotations = map[string]string{refName: tag}
	}
	if cfg, err := img.ConfigFile(); err == nil {
		desc.Platform = &v1.Platform{OS: cfg.OS, Architecture: cfg.Architecture, Variant: cfg.Variant}
	}
	return img, l.index(ctx, *desc)
}

func (l layoutDir) layer(ctx context.Context, p *part) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if p.desc == nil {
		if err := p.describe(); err != nil {
			return err
		}
	}
	if p.layer == nil || HasBlob(ctx, l.dir, *p.desc) {
		return nil
	}
	r, err := p.layer.Compressed()
	if err != nil {
		return fmt.Errorf("reading layer %s: %w", p.desc.Digest, err)
	}
	return l.blob(ctx, p.desc.Digest, p.desc.Size, r)
}

// HasBlob reports whether an OCI layout in a directory has a blob, with the content that it is named by.
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

// blob writes a blob, which has to be what it is called.
func (l layoutDir) blob(ctx context.Context, h v1.Hash, size int64, r io.ReadCloser) error {
	defer r.Close()
	sum, err := v1.Hasher(h.Algorithm)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(l.dir, blob(h)), func(f io.Writer) error {
		n, err := io.Copy(io.MultiWriter(f, sum), until{ctx, r})
		if err != nil {
			return fmt.Errorf("copying blob %s: %w", h, err)
		}
		if got := hashOf(sum); got != h || n != size {
			return fmt.Errorf("copying blob %s: its content has digest %s", h, got)
		}
		return nil
	})
}

// index puts the image into index.json, in the place of the one that had its name; or of the one
// without a name for the same platform.
func (l layoutDir) index(ctx context.Context, desc v1.Descriptor) error {
	index := &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	raw, err := os.ReadFile(filepath.Join(l.dir, "index.json"))
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
	if raw, err = json.Marshal(index); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, file := range []struct{ name, content string }{
		{"oci-layout", layoutVersion}, {"index.json", string(raw)},
	} {
		err := writeFile(filepath.Join(l.dir, file.name), func(f io.Writer) error {
			_, err := io.WriteString(f, file.content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file whole or not at all.
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

// until reads until the context is done.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
