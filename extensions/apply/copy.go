//go:build linux

package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	symbolic "github.com/tonistiigi/dchapes-mode"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// A transfer holds the arguments of a COPY or an ADD.
type transfer struct {
	to           instructions.SourcesAndDest
	chown, chmod string
	add          bool
	checksum     string
	unpack       *bool // nil: archives from the context, but not downloaded ones
}

// A source is one thing to copy: a file or the content of a directory.
type source struct {
	base    string // its base name
	dir     bool
	archive bool
	entries []sourceFile // of a directory: everything in it; else one
}

// A sourceFile is a file, with its name relative to the source; empty for the source itself.
type sourceFile struct {
	name  string
	mode  fs.FileMode
	link  string    // target of a symbolic link
	hard  string    // name of an earlier hard link to the same file; empty: this is the first
	open  opener    // opens a file on this machine
	data  []byte    // or the content itself
	mtime time.Time // zero: the epoch
	sum   string    // SHA-256 of the content, in hex
}

// An opener opens a regular file.
type opener func() (*os.File, error)

// copy executes COPY and ADD.
func (s *stage) copy(ctx context.Context, cmd instructions.Command, t transfer) error {
	var mode symbolic.Set
	if t.chmod != "" {
		var err error
		if mode, err = symbolic.Parse(t.chmod); err != nil {
			return fmt.Errorf("--chmod=%s: %w", t.chmod, err)
		}
	}
	sources, err := s.sources(ctx, t)
	if err != nil {
		return err
	}
	dest := s.absolute(t.to.DestPath)
	intoDir := strings.HasSuffix(t.to.DestPath, "/") || path.Base(t.to.DestPath) == "." || path.Base(t.to.DestPath) == ".."
	if len(sources) > 1 && !intoDir {
		return fmt.Errorf("copying %d files to %s: the destination must be a directory, with a / at the end", len(sources), t.to.DestPath)
	}
	return s.b.step(ctx, step{
		layer: s.layer(cmd),
		key:   append([]string{"COPY", dest, strconv.FormatBool(intoDir), t.chown, t.chmod}, sourceKeys(sources)...),
		do: func(ctx context.Context) error {
			uid, gid, err := s.b.owner(ctx, t.chown)
			if err != nil {
				return err
			}
			w := copier{tree: s.b.tree, dest: dest, intoDir: intoDir, uid: uid, gid: gid, chown: t.chown != "", chmod: t.chmod != "", mode: mode}
			for _, src := range sources {
				if err := w.copy(ctx, src); err != nil {
					return err
				}
			}
			return s.b.tree.setDirTimes()
		},
	})
}

// sourceKeys returns the parts of the cache key for the sources: everything except times.
func sourceKeys(sources []source) (keys []string) {
	for _, src := range sources {
		keys = append(keys, src.base, fmt.Sprint(src.dir, src.archive))
		for _, e := range src.entries {
			keys = append(keys, e.name, e.mode.String(), e.link, e.hard, e.sum)
		}
	}
	return keys
}

// A copier writes sources into a tree.
type copier struct {
	tree         *tree
	dest         string
	intoDir      bool
	uid, gid     int
	chown, chmod bool
	mode         symbolic.Set
}

func (w *copier) copy(ctx context.Context, src source) error {
	dest, err := w.tree.resolve(w.dest)
	if err != nil {
		return err
	}
	switch {
	case src.archive:
		if err := w.tree.mkdirAll(dest, w.uid, w.gid); err != nil {
			return err
		}
		return w.unpack(ctx, src.entries[0].verified, dest)
	case src.dir:
		if err := w.tree.mkdirAll(dest, w.uid, w.gid); err != nil {
			return err
		}
	case w.intoDir || w.tree.isDir(dest): // a link of that name in the directory is replaced, not followed
		if err := w.tree.mkdirAll(dest, w.uid, w.gid); err != nil {
			return err
		}
		dest = path.Join(dest, src.base)
	default:
		if err := w.tree.mkdirAll(path.Dir(dest), w.uid, w.gid); err != nil {
			return err
		}
	}
	for _, e := range src.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.put(dest, e, src.dir && e.name == "."); err != nil {
			return err
		}
	}
	return nil
}

func (w *copier) put(dest string, e sourceFile, top bool) error {
	if top {
		return nil // the directory itself already exists
	}
	h := &tar.Header{Name: path.Join(dest, e.name), Mode: unixMode(e.mode), Uid: w.uid, Gid: w.gid, ModTime: abi.Epoch}
	if !e.mtime.IsZero() {
		h.ModTime = e.mtime
	}
	if w.chmod {
		h.Mode = unixMode(w.mode.Apply(e.mode))
	}
	if err := w.checkKind(h.Name, e.mode.IsDir()); err != nil {
		return err
	}
	switch {
	case e.hard != "":
		h.Typeflag, h.Linkname = tar.TypeLink, path.Join(dest, e.hard)
	case e.mode.IsDir():
		h.Typeflag = tar.TypeDir
	case e.link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	case e.open == nil:
		h.Typeflag = tar.TypeReg
		return w.tree.put(h, bytes.NewReader(e.data))
	default:
		h.Typeflag = tar.TypeReg
		f, err := e.verified()
		if err != nil {
			return err
		}
		defer f.Close()
		return w.tree.put(h, f)
	}
	return w.tree.put(h, nil)
}

// checkKind returns an error if the copy would replace a directory with a non-directory or the
// reverse. A link to a directory is not a directory.
func (w *copier) checkKind(name string, dir bool) error {
	info, err := w.tree.root.Lstat(below(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case dir && !info.IsDir():
		return fmt.Errorf("writing %s: a directory cannot replace an existing file", name)
	case !dir && info.IsDir():
		return fmt.Errorf("writing %s: a file cannot replace an existing directory", name)
	}
	return nil
}

// verified opens a file whose content must match the digest in the cache key, since the
// application can write to its build context.
func (e *sourceFile) verified() (io.ReadCloser, error) {
	f, err := e.open()
	if err != nil {
		return nil, err
	}
	return &verified{File: f, sum: sha256.New(), want: v1.Hash{Hex: e.sum}}, nil
}

// unixMode returns a mode with its setuid, setgid and sticky bits, as in a tar.
func unixMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

// unpack unpacks an archive into the directory dest.
func (w *copier) unpack(ctx context.Context, open func() (io.ReadCloser, error), dest string) error {
	file, err := open()
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := openArchive(file)
	if err != nil {
		return err
	}
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, file) // up to the end, where the digest is checked
			return err
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("unpacking an archive: %w", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name := path.Clean("/" + h.Name)
		if name == "/" {
			continue // the directory keeps its metadata
		}
		h.Name = path.Join(dest, name)
		if h.Typeflag == tar.TypeLink {
			h.Linkname = path.Join(dest, path.Clean("/"+h.Linkname))
		}
		if w.chown {
			h.Uid, h.Gid = w.uid, w.gid
		}
		if err := w.tree.put(h, tr); err != nil {
			return err
		}
	}
}
