//go:build linux

package apply

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// isArchive reports whether ADD unpacks a file: whether its content is a tar, compressed or
// not. The name does not matter.
func isArchive(open opener) bool {
	f, err := open()
	if err != nil {
		return false
	}
	defer f.Close()
	r, err := openArchive(f)
	if err != nil {
		return false
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil
}

// openArchive returns the uncompressed content of f.
func openArchive(f io.Reader) (io.ReadCloser, error) {
	r, err := uncompress(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return nil, err
	}
	if c, ok := r.(io.ReadCloser); ok {
		return c, nil
	}
	return io.NopCloser(r), nil
}

func uncompress(r *bufio.Reader) (io.Reader, error) {
	magic, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bzip2.NewReader(r), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return xz.NewReader(r, 0)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return r, nil
}
