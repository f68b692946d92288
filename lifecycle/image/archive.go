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
)

// archive writes a file as of docker save, in which the layers that are known are named but
// not there.
func (l *loading) archive(ctx context.Context, w io.Writer, name string, known int) error {
	tw := tar.NewWriter(w)
	entry := saved{Config: l.id.Hex + ".json", RepoTags: []string{name}}
	if err := addFile(ctx, tw, entry.Config, int64(len(l.config)), bytes.NewReader(l.config)); err != nil {
		return err
	}
	written := map[v1.Hash]bool{}
	for n, p := range l.parts {
		file := p.diffID.Hex + ".tar"
		entry.Layers = append(entry.Layers, file)
		if n < known || written[p.diffID] {
			continue
		}
		written[p.diffID] = true
		if err := l.addLayer(ctx, tw, file, p); err != nil {
			return fmt.Errorf("reading layer %s: %w", p.diffID, err)
		}
	}
	raw, err := json.Marshal([]saved{entry})
	if err != nil {
		return err
	}
	if err := addFile(ctx, tw, "manifest.json", int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return err
	}
	return tw.Close()
}

// A sized layer knows how long its tar is before it is read.
type sized interface {
	UncompressedSize() (int64, error)
}

func (l *loading) addLayer(ctx context.Context, tw *tar.Writer, name string, p part) error {
	if s, ok := p.layer.(sized); ok {
		size, err := s.UncompressedSize()
		if err != nil {
			return err
		}
		r, err := p.layer.Uncompressed()
		if err != nil {
			return err
		}
		return errors.Join(addFile(ctx, tw, name, size, r), r.Close())
	}
	f, err := l.open(ctx, p)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return addFile(ctx, tw, name, info.Size(), f)
}

// open is the layer as a file: from docker save, from the launch cache, or unpacked for it.
func (l *loading) open(ctx context.Context, p part) (*os.File, error) {
	if file, ok := l.saved[p.diffID]; ok {
		return os.Open(file)
	}
	if p.layer == nil {
		return l.cache.Open(p.diffID)
	}
	r, err := p.layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := os.CreateTemp(l.spool, "layer-*.tar")
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Remove(f.Name()), copyVerified(ctx, f, r, p.diffID))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func addFile(ctx context.Context, tw *tar.Writer, name string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{tw}, until{ctx, r}, make([]byte, 256<<10))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
