//go:build linux

package apply

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions/apply/abi"
	"github.com/baseplan/baseplan/resolver"
)

// A Layer holds the changes of one instruction. It is a v1.Layer whose tar is a file in
// [Applier.Cache] or [Applier.Spool]. It is compressed on first use.
type Layer struct {
	Extension   resolver.Module // the extension that generated the Dockerfile
	Instruction string          // as written
	Cached      bool            // from an earlier build

	diffID v1.Hash
	file   string
	spool  string // directory for the compressed file

	once   sync.Once
	digest v1.Hash
	size   int64
	packed string
	err    error
}

// CreatedBy returns the text of the layer's history entry in an app image.
func (l *Layer) CreatedBy() string {
	return fmt.Sprintf("Layer: '%s', Created by extension: %s", l.Instruction, l.Extension.ID)
}

// DiffID returns the digest of the tar.
func (l *Layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Uncompressed returns the tar. Reading it to the end verifies its digest, since others may be
// able to write to its file.
func (l *Layer) Uncompressed() (io.ReadCloser, error) { return openVerified(l.file, l.diffID) }

// MediaType returns the media type of a gzipped layer of docker's image format.
func (l *Layer) MediaType() (types.MediaType, error) { return types.DockerLayer, nil }

// Digest returns the digest of the compressed layer.
func (l *Layer) Digest() (v1.Hash, error) {
	l.once.Do(l.compress)
	return l.digest, l.err
}

// Size returns the size of the compressed layer in bytes.
func (l *Layer) Size() (int64, error) {
	l.once.Do(l.compress)
	return l.size, l.err
}

// Compressed returns the gzipped tar. Reading it to the end verifies its digest.
func (l *Layer) Compressed() (io.ReadCloser, error) {
	l.once.Do(l.compress)
	if l.err != nil {
		return nil, l.err
	}
	return openVerified(l.packed, l.digest)
}

func (l *Layer) compress() {
	l.packed, l.digest, l.size, l.err = spool(l.spool, "packed-*.tar.gz", func(w io.Writer) error {
		in, err := l.Uncompressed()
		if err != nil {
			return err
		}
		defer in.Close()
		zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		_, err = io.Copy(zip, in)
		return errors.Join(err, zip.Close())
	})
}

// A verified file returns an error at its end if the content does not have the digest that it
// had when it was written.
type verified struct {
	*os.File
	sum  hash.Hash
	want v1.Hash
}

func openVerified(name string, want v1.Hash) (io.ReadCloser, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	return &verified{File: f, sum: sha256.New(), want: want}, nil
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.File.Read(p)
	v.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.Hex {
			err = fmt.Errorf("reading layer %s: the file was changed: its digest is %s, not %s", v.Name(), got, v.want.Hex)
		}
	}
	return n, err
}

// WriteTo keeps [io.Copy] from using the file's own WriteTo, which would bypass the digest.
func (v *verified) WriteTo(w io.Writer) (int64, error) {
	return io.CopyBuffer(w, onlyReader{v}, make([]byte, 64<<10))
}

// openRegular opens a regular file, not a link, and does not block on a named pipe.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &pathError{"opening", name, errNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var errNotRegular = errors.New("not a regular file")

// spool writes a new file and returns its name, digest and size. It removes the file after an
// error.
func spool(dir, pattern string, write func(io.Writer) error) (name string, digest v1.Hash, size int64, err error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", digest, 0, err
	}
	counted := &counter{to: bufio.NewWriterSize(f, 256<<10), sum: sha256.New()}
	err = write(counted)
	err = errors.Join(err, counted.to.Flush(), f.Close())
	if err != nil {
		return "", digest, 0, errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(counted.sum.Sum(nil))}, counted.size, nil
}

type counter struct {
	to   *bufio.Writer
	sum  hash.Hash
	size int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.sum.Write(b[:n])
	c.size += int64(n)
	return n, err
}

// An archiver writes changes as a layer.
type archiver struct {
	tree  *tree
	tar   *tar.Writer
	first map[inode]string // of hard links, the entry that holds the content

	// unchangedDir reports whether a directory existed before and did not change. It gets a fixed
	// time, since its real one differs between containers.
	unchangedDir func(*file) bool
}

func (t *tree) writeLayer(w io.Writer, changes []change, unchangedDir func(*file) bool) error {
	a := &archiver{tree: t, tar: tar.NewWriter(w), first: map[inode]string{}, unchangedDir: unchangedDir}
	for _, c := range changes {
		var err error
		if c.file == nil {
			err = a.addWhiteout(c.gone)
		} else {
			err = a.add(c.file)
		}
		if err != nil {
			return err
		}
	}
	return a.tar.Close()
}

func (a *archiver) addWhiteout(name string) error {
	dir, base := path.Split(name)
	if strings.HasPrefix(base, whiteout) {
		return nil // no lower layer can contain it
	}
	return a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(dir+whiteout+base, "/"), Mode: 0o600, ModTime: abi.Epoch, Format: tar.FormatPAX})
}

func (a *archiver) add(f *file) error {
	if strings.HasPrefix(path.Base(f.path), whiteout) {
		return fmt.Errorf("%s: a name in a layer cannot begin with %s", f.path, whiteout)
	}
	h := header(f)
	if a.unchangedDir(f) {
		h.ModTime = abi.Epoch
	}
	if f.linked() {
		if first, ok := a.first[f.inode()]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		}
		a.first[f.inode()] = h.Name
	}
	if f.kind() == unix.S_IFREG || f.isDir() {
		return a.addOpen(f, h)
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		var err error
		if h.Linkname, err = a.tree.root.Readlink(below(f.path)); err != nil {
			return err
		}
	case tar.TypeChar:
		if h.Devmajor == 0 && h.Devminor == 0 {
			return nil // a whiteout of an overlay file system
		}
	case 0:
		return nil // a socket
	}
	return a.tar.WriteHeader(h)
}

// addOpen adds what must be opened for its extended attributes, and a file's content. Hard
// links get the attributes too: unpacking sets the owner at each name, which makes the kernel
// drop the file's capabilities.
func (a *archiver) addOpen(f *file, h *tar.Header) error {
	in, err := a.tree.root.OpenFile(below(f.path), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	attrs, err := xattrs(int(in.Fd()))
	if err != nil {
		return &pathError{"reading attributes of", f.path, err}
	}
	for name, value := range attrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[paxXattr+name] = value
	}
	if err := a.tar.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	n, err := io.CopyBuffer(onlyWriter{a.tar}, io.LimitReader(in, h.Size), a.tree.buf)
	if err == nil && n < h.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return &pathError{"reading", f.path, err}
	}
	return nil
}

// header returns the tar header of a file. Its type is 0 if tar has none for it.
func header(f *file) *tar.Header {
	st := &f.stat
	h := &tar.Header{Name: strings.TrimPrefix(f.path, "/"), Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), Format: tar.FormatPAX}
	// Whole seconds, since finer times take an extra header for every entry.
	h.ModTime = unixTime(st.Mtim.Sec)
	switch f.kind() {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		h.Typeflag = tar.TypeChar
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev))) // its type depends on the architecture
	}
	return h
}
