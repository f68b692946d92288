package scan

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxContent limits the memory used for one image. The databases of the largest
// distributions have about 100 MB.
const maxContent = 512 << 20

// perEntry is the memory used by an entry in addition to its content and names.
const perEntry = 256

// maxWindow limits a zstd decoder's memory.
const maxWindow = 128 << 20

// An entry is one entry of a layer. Only entries that a [selection] wants are kept.
type entry struct {
	path    string
	kind    kind
	target  string // of a link
	content []byte // of a file
}

type kind byte

const (
	regular  kind = iota
	other         // a device or socket: occupies the path, but is never read
	hidden        // inaccessible, or nothing
	dir           // an explicit directory, which replaces a link from below
	symlink       // target as written
	hardlink      // target is a clean path from the root
	whiteout      // removes the path of the layers below
	opaque        // removes the directory's content of the layers below
)

// A budget is the number of bytes that may still be kept.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int64) error {
	if n < 0 || b.left.Add(-n) < 0 {
		return fmt.Errorf("package databases have more than %d MB", maxContent>>20)
	}
	return nil
}

// readLayer streams the layer and keeps the wanted entries. It reads to the end,
// where the digest of a registry's blob is checked.
func readLayer(ctx context.Context, layer v1.Layer, in *selection, b *budget, tee io.Writer) ([]entry, error) {
	stored, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer stored.Close()
	r, err := decompress(&ctxReader{ctx, stored})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var content io.Reader = r
	if tee != nil {
		content = io.TeeReader(r, tee)
	}
	entries, err := readTar(content, in, b)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, stored); err != nil {
		return nil, err
	}
	return entries, nil
}

// decompress detects the compression from the first bytes, because media types are
// not reliable.
func decompress(stored io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(stored, 128<<10)
	start, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// ctxReader stops reading when the context ends.
type ctxReader struct {
	ctx context.Context
	io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// readTar returns the wanted entries of a layer's tar archive in order.
func readTar(r io.Reader, in *selection, b *budget) ([]entry, error) {
	var entries []entry
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		e := entryOf(h)
		if e.path == "." && e.kind != opaque || e.path != "." && !in.picks(e.path) {
			continue
		}
		if err := b.take(int64(len(e.path) + len(e.target) + perEntry)); err != nil {
			return nil, err
		}
		if e.kind == regular && !in.above[e.path] && in.wants(e.path) {
			if e.content, err = readContent(archive, h.Size, b); err != nil {
				return nil, fmt.Errorf("/%s: %w", e.path, err)
			}
		}
		entries = append(entries, e)
	}
}

func entryOf(h *tar.Header) entry {
	e := entry{path: clean(h.Name), kind: other}
	folder, base := path.Split(e.path)
	if base == ".wh..wh..opq" {
		return entry{path: clean(folder), kind: opaque}
	}
	if gone, ok := strings.CutPrefix(base, ".wh."); ok {
		return entry{path: clean(folder + gone), kind: whiteout}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		e.kind = regular
	case tar.TypeDir:
		e.kind = dir
	case tar.TypeSymlink:
		e.kind, e.target = symlink, h.Linkname
	case tar.TypeLink:
		e.kind, e.target = hardlink, clean(h.Linkname)
	}
	return e
}

// clean returns the path relative to the root, "." for the root. ".." never leads
// above the root.
func clean(name string) string {
	if cleaned := path.Clean("/" + name); cleaned != "/" {
		return cleaned[1:]
	}
	return "."
}

func readContent(r io.Reader, size int64, b *budget) ([]byte, error) {
	if err := b.take(size); err != nil {
		return nil, err
	}
	content := make([]byte, size)
	_, err := io.ReadFull(r, content)
	return content, err
}

// writeTar writes entries in the form that readTar reads.
func writeTar(w io.Writer, entries []entry) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{Name: e.path, Typeflag: tar.TypeReg, Size: int64(len(e.content)), Format: tar.FormatPAX}
		switch e.kind {
		case other:
			h.Typeflag = tar.TypeFifo
		case dir:
			h.Typeflag = tar.TypeDir
		case symlink:
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.target
		case hardlink:
			h.Typeflag, h.Linkname = tar.TypeLink, e.target
		case whiteout:
			folder, base := path.Split(e.path)
			h.Name = folder + ".wh." + base
		case opaque:
			h.Name = path.Join(e.path, ".wh..wh..opq")
		}
		if err := archive.WriteHeader(h); err != nil {
			return err
		}
		if _, err := archive.Write(e.content); err != nil {
			return err
		}
	}
	return archive.Close()
}
