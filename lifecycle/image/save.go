package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/sbom/registry"
)

// save gets the missing layers above the known ones by docker save, from an image that contains
// them. It saves each image at most once and keeps only the layers needed.
func (l *daemonLoad) save(ctx context.Context, known int) error {
	missing := map[v1.Hash]bool{}
	for _, p := range l.parts[known:] {
		if _, saved := l.files[p.diffID]; p.layer == nil && !saved && !l.cache.has(p.diffID) {
			missing[p.diffID] = true
		}
	}
	for _, img := range []*Image{l.draft.Base, l.draft.Under, l.draft.Previous} {
		if img == nil || img.Files == nil || !anyOf(img.Config.RootFS.DiffIDs, missing) {
			continue
		}
		if err := l.saveFrom(ctx, img, missing); err != nil {
			return fmt.Errorf("saving layers of image %s from the docker daemon: %w", registry.Redact(img.Name.String()), err)
		}
	}
	for _, p := range l.parts[known:] {
		if missing[p.diffID] {
			return fmt.Errorf("finding layer %s: %w", p.diffID, errNoContent)
		}
	}
	return nil
}

func anyOf(ids []v1.Hash, wanted map[v1.Hash]bool) bool {
	return slices.ContainsFunc(ids, func(id v1.Hash) bool { return wanted[id] })
}

func (l *daemonLoad) saveFrom(ctx context.Context, img *Image, missing map[v1.Hash]bool) error {
	stream, err := l.daemon.ImageSave(ctx, []string{img.Digest.String()})
	if err != nil {
		return err
	}
	defer stream.Close()
	for r := tar.NewReader(stream); len(missing) > 0; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := l.saveFile(ctx, h.Name, r, missing); err != nil {
			return fmt.Errorf("reading %s: %w", h.Name, err)
		}
	}
	return nil // the rest of the stream is not needed
}

// saveFile keeps a file of docker save if it is a missing layer. File names depend on the
// daemon's version, so layers are identified by digest.
func (l *daemonLoad) saveFile(ctx context.Context, name string, r io.Reader, missing map[v1.Hash]bool) error {
	in := bufio.NewReaderSize(r, 64<<10)
	start, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	content, packed, err := unpack(in, start)
	if err != nil {
		return err
	}
	defer content.Close()
	if !packed && path.Dir(name) == "blobs/sha256" && !missing[v1.Hash{Algorithm: "sha256", Hex: path.Base(name)}] {
		return nil
	}
	f, err := l.create()
	if err != nil {
		return err
	}
	sum, err := v1.Hasher("sha256")
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = io.CopyBuffer(io.MultiWriter(f, sum), files.Until(ctx, content), make([]byte, 256<<10))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	id := hashOf(sum)
	if !missing[id] {
		return os.Remove(f.Name())
	}
	delete(missing, id)
	l.files[id] = f.Name()
	return nil
}

// unpack decompresses r if start begins with the magic number of gzip or zstd.
func unpack(r io.Reader, start []byte) (content io.ReadCloser, packed bool, err error) {
	switch {
	case bytes.HasPrefix(start, compressed[0]):
		gz, err := gzip.NewReader(r)
		return gz, true, err
	case bytes.HasPrefix(start, compressed[1]):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, true, err
		}
		return z.IOReadCloser(), true, nil
	}
	return io.NopCloser(r), false, nil
}

func hashOf(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}
