package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// archive writes the input of docker load. For a daemon with containerd's image store, that is
// an OCI layout, else a file as written by docker save, which lists the known layers but does
// not contain them.
func (l *daemonLoad) archive(ctx context.Context, w io.Writer, known int) error {
	tw := tar.NewWriter(w)
	if err := addFile(ctx, tw, blob(l.configID), int64(len(l.config)), bytes.NewReader(l.config)); err != nil {
		return err
	}
	written := map[v1.Hash]bool{}
	for _, p := range l.parts[known:] {
		if written[p.diffID] {
			continue
		}
		written[p.diffID] = true
		if err := l.addLayer(ctx, tw, p); err != nil {
			return fmt.Errorf("reading layer %s: %w", p.diffID, err)
		}
	}
	index := l.savedIndex
	if l.containerd {
		index = l.layoutIndex
	}
	for _, f := range index() {
		if err := addFile(ctx, tw, f.name, int64(len(f.content)), bytes.NewReader(f.content)); err != nil {
			return err
		}
	}
	return tw.Close()
}

type memoryFile struct {
	name    string
	content []byte
}

func (l *daemonLoad) savedIndex() []memoryFile {
	entry := saved{Config: blob(l.configID)}
	for _, p := range l.parts {
		entry.Layers = append(entry.Layers, blob(p.diffID))
	}
	raw, _ := json.Marshal([]saved{entry}) // only strings
	return []memoryFile{{"manifest.json", raw}}
}

func (l *daemonLoad) layoutIndex() []memoryFile {
	raw, _ := json.Marshal(v1.IndexManifest{ // only numbers and strings
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Digest: l.id, Size: int64(len(l.manifest))}},
	})
	return []memoryFile{{blob(l.id), l.manifest}, {"index.json", raw}, {"oci-layout", []byte(layoutVersion)}}
}

// describe sets the manifest of the image with uncompressed layers, and its digest, which is
// the image ID in containerd's store.
func (l *daemonLoad) describe() error {
	parts := make([]part, len(l.parts))
	for n, p := range l.parts {
		r, size, err := l.open(p)
		if err != nil {
			return fmt.Errorf("reading layer %s: %w", p.diffID, err)
		}
		if err := r.Close(); err != nil {
			return err
		}
		parts[n].desc = &v1.Descriptor{MediaType: types.OCIUncompressedLayer, Digest: p.diffID, Size: size}
	}
	img, err := assemble(types.OCIManifestSchema1, l.config, parts)
	if err != nil {
		return err
	}
	if l.manifest, err = img.RawManifest(); err != nil {
		return err
	}
	l.id, err = img.Digest()
	return err
}

// A sized layer knows the length of its tar without reading it.
type sized interface {
	UncompressedSize() (int64, error)
}

// open returns the layer's tar and its length.
func (l *daemonLoad) open(p part) (io.ReadCloser, int64, error) {
	if s, ok := p.layer.(sized); ok {
		size, err := s.UncompressedSize()
		if err != nil {
			return nil, 0, err
		}
		r, err := p.layer.Uncompressed()
		return r, size, err
	}
	var f *os.File
	var err error
	if file, ok := l.files[p.diffID]; ok {
		f, err = os.Open(file)
	} else {
		f, err = l.cache.Open(p.diffID)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// unpackLayers writes layers of unknown length to files.
func (l *daemonLoad) unpackLayers(ctx context.Context, known int) error {
	for _, p := range l.parts[known:] {
		_, isSized := p.layer.(sized)
		if _, done := l.files[p.diffID]; p.layer == nil || isSized || done {
			continue
		}
		if err := l.unpackLayer(ctx, p); err != nil {
			return fmt.Errorf("reading layer %s: %w", p.diffID, err)
		}
	}
	return nil
}

func (l *daemonLoad) unpackLayer(ctx context.Context, p part) error {
	f, err := l.create()
	if err != nil {
		return err
	}
	r, err := p.layer.Uncompressed()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.files[p.diffID] = f.Name()
	return errors.Join(copyVerified(ctx, f, r, p.diffID), r.Close(), f.Close())
}

// create creates a file that is removed after loading.
func (l *daemonLoad) create() (*os.File, error) {
	if l.temp == "" {
		var err error
		if l.temp, err = os.MkdirTemp(l.spool, "layers-*"); err != nil {
			return nil, err
		}
	}
	return os.CreateTemp(l.temp, "layer-*")
}

func (l *daemonLoad) addLayer(ctx context.Context, tw *tar.Writer, p part) error {
	r, size, err := l.open(p)
	if err != nil {
		return err
	}
	return errors.Join(addFile(ctx, tw, blob(p.diffID), size, r), r.Close())
}

func addFile(ctx context.Context, tw *tar.Writer, name string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{tw}, files.Until(ctx, r), make([]byte, 256<<10))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
