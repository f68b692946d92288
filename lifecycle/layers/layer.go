package layers

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/pgzip"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// Epoch is the modification time of all entries of a layer.
var Epoch = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

// ErrChanged is wrapped by errors of a [Layer] whose files have changed since it was made.
var ErrChanged = errors.New("it changed while it was read")

// A Layer is a tar that is generated from its files whenever it is read, so the files must
// not change. Its methods may be called concurrently.
type Layer struct {
	content content
	spool   string // directory of the temporary file with the compressed layer

	mu     sync.Mutex // guards the fields below, so that only one caller hashes or compresses
	diffID v1.Hash    // zero: not hashed yet
	length int64      // of the tar; set with diffID
	packed *packed    // nil: not compressed yet
}

// content is what a layer has.
type content interface {
	// each calls emit for every entry in order, with the open file of a regular file. It may be
	// called concurrently. Its errors name the entry.
	each(emit func(*tar.Header, *os.File) error) error
	empty() bool
}

var _ v1.Layer = (*Layer)(nil)

// Empty reports whether the layer has no entries, such as a slice that matches no file.
func (l *Layer) Empty() bool { return l.content.empty() }

// fileWork is the number of bytes whose reading takes as long as opening a file.
const fileWork = 16 << 10

// Work estimates how long reading the layer takes, in the bytes of a single file that takes as
// long. It does not read the files.
func (l *Layer) Work() int64 {
	if p, ok := l.content.(part); ok {
		return p.work
	}
	return 0
}

// DiffID returns the digest of the uncompressed tar. The first call reads and hashes the files.
func (l *Layer) DiffID() (v1.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.diffID == (v1.Hash{}) {
		if err := l.writeHashed(io.Discard); err != nil {
			return v1.Hash{}, err
		}
	}
	return l.diffID, nil
}

// UncompressedSize returns the size of the uncompressed tar; see [Layer.DiffID].
func (l *Layer) UncompressedSize() (int64, error) {
	if _, err := l.DiffID(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.length, nil
}

// Uncompressed returns a stream of the uncompressed tar.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.write(w)) }()
	return r, nil
}

// MediaType returns the type of a gzipped layer in Docker's image format.
func (l *Layer) MediaType() (types.MediaType, error) { return types.DockerLayer, nil }

// Digest returns the digest of the compressed layer. The first call compresses it; where the
// layer may be known by its diff ID, call DiffID first.
func (l *Layer) Digest() (v1.Hash, error) {
	p, err := l.compressed()
	if err != nil {
		return v1.Hash{}, err
	}
	return p.digest, nil
}

// Size returns the size of the compressed layer; see [Layer.Digest].
func (l *Layer) Size() (int64, error) {
	p, err := l.compressed()
	if err != nil {
		return 0, err
	}
	return p.size, nil
}

// Compressed returns the compressed layer; see [Layer.Digest].
func (l *Layer) Compressed() (io.ReadCloser, error) {
	p, err := l.compressed()
	if err != nil {
		return nil, err
	}
	return reader{io.NewSectionReader(p.file, 0, p.size), p}, nil
}

// A reader keeps the spool file reachable, so that it is not finalized and closed while it is read.
type reader struct {
	*io.SectionReader
	from *packed
}

func (reader) Close() error { return nil }

// Close frees the disk space of the compressed layer. The layer can still be used.
func (l *Layer) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.packed == nil {
		return nil
	}
	p := l.packed
	l.packed = nil
	return p.file.Close()
}

// A packed layer is its gzipped tar in an unlinked file, so that a killed process leaves
// nothing behind.
type packed struct {
	file   *os.File
	digest v1.Hash
	size   int64
}

func (l *Layer) compressed() (*packed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.packed != nil {
		return l.packed, nil
	}
	f, err := os.CreateTemp(l.spool, "layer-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("compressing layer: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("compressing layer: %w", errors.Join(err, f.Close()))
	}
	p := &packed{file: f}
	if err := l.pack(p); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.packed = p
	return p, nil
}

func (l *Layer) pack(p *packed) error {
	gz := <-compressors
	defer func() { compressors <- gz }()
	sum := sha256.New()
	gz.Reset(io.MultiWriter(p.file, sum))
	// The bytes depend on the block size, but not on the number of blocks compressed at once.
	err := gz.SetConcurrency(256<<10, min(4, runtime.GOMAXPROCS(0)))
	if err != nil {
		return fmt.Errorf("compressing layer: %w", err)
	}
	if l.diffID == (v1.Hash{}) {
		err = l.writeHashed(gz)
	} else {
		err = l.write(gz)
	}
	// Close ends its goroutines, also after an error, which then matters more than that of Close.
	if closeErr := gz.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("compressing layer: %w", closeErr)
	}
	if err != nil {
		return err
	}
	p.digest = digestOf(sum)
	p.size, err = p.file.Seek(0, io.SeekCurrent)
	return err
}

// compressors holds the writers in use at a time: two, since each takes some MB and several cores.
var compressors = func() chan *pgzip.Writer {
	all := make(chan *pgzip.Writer, 2)
	for range cap(all) {
		gz, _ := pgzip.NewWriterLevel(io.Discard, pgzip.BestSpeed) // fails only for an invalid level
		all <- gz
	}
	return all
}()

// writeHashed writes the tar and sets diffID and length.
func (l *Layer) writeHashed(w io.Writer) error {
	counted := counter{Hash: sha256.New()}
	if w == io.Discard {
		w = &counted
	} else {
		w = io.MultiWriter(w, &counted)
	}
	if err := l.write(w); err != nil {
		return err
	}
	l.diffID, l.length = digestOf(&counted), counted.n
	return nil
}

// A counter is a hash that counts what is written to it.
type counter struct {
	hash.Hash
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

func digestOf(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// write writes the tar. It needs no lock, since it only reads l.content, which never changes.
func (l *Layer) write(w io.Writer) error {
	tw := tar.NewWriter(w)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	err := l.content.each(func(h *tar.Header, f *os.File) error {
		if err := tw.WriteHeader(h); err != nil || f == nil {
			return err
		}
		return copyFile(tw, f, h.Size, *buf)
	})
	if err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("archiving: %w", err)
	}
	return nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// copyFile copies so many bytes. It is ErrChanged if the file has less.
func copyFile(w io.Writer, f *os.File, size int64, buf []byte) error {
	for size > 0 {
		n, err := f.Read(buf[:min(size, int64(len(buf)))])
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
		if errors.Is(err, io.EOF) {
			return ErrChanged
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A list is the content of a layer of few entries.
type list []entry

// An entry is a header and, for a regular file, the path of its content.
type entry struct {
	header tar.Header
	file   string      // on disk; empty: no content
	info   fs.FileInfo // of file when the layer was made
}

func (l list) empty() bool { return len(l) == 0 }

func (l list) each(emit func(*tar.Header, *os.File) error) error {
	for i := range l {
		if err := l[i].pass(emit); err != nil {
			return err
		}
	}
	return nil
}

// pass passes the entry to emit.
func (e *entry) pass(emit func(*tar.Header, *os.File) error) error {
	err := e.open(func(f *os.File) error { return emit(&e.header, f) })
	if err != nil {
		return fmt.Errorf("archiving %s: %w", e.header.Name, err)
	}
	return nil
}

// open calls do with the open file, which must not have changed before or after; nil if it has no content.
func (e *entry) open(do func(*os.File) error) error {
	if e.file == "" {
		return do(nil)
	}
	f, err := openFile(e.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unchanged(f, e.info); err != nil {
		return err
	}
	if err := do(f); err != nil {
		return err
	}
	return unchanged(f, e.info)
}

// openFile opens a file that may have been replaced by a symbolic link or a pipe.
func openFile(file string) (*os.File, error) { return os.OpenFile(file, os.O_RDONLY|files.NoFollow, 0) }

// unchanged returns ErrChanged if the file differs from when it was looked at. A layer is
// read more than once but hashed only once.
func unchanged(f *os.File, before fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, before) || info.Size() != before.Size() || !info.ModTime().Equal(before.ModTime()) {
		return ErrChanged
	}
	return nil
}
