package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/baseplan/baseplan/sbom/reference"
)

// openTar reads the OCI layout in a file, since that has the image's true digest. Without one,
// it reads the older format of docker save.
func (o *Opener) openTar(_ context.Context, ref reference.Reference, all bool) ([]*Image, error) {
	f, err := os.Open(ref.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading tar file: %w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading tar file: %w", err)
	}
	images, err := o.fromTar(f, all)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading tar file %s: %w", ref.Path, err), f.Close())
	}
	return sharing(images, f.Close), nil
}

func (o *Opener) fromTar(f *os.File, all bool) ([]*Image, error) {
	files, err := indexTar(f)
	if err != nil {
		return nil, err
	}
	if _, ok := files["index.json"]; ok {
		return o.fromLayout(layout{files}, "", "", all)
	}
	if _, ok := files["manifest.json"]; !ok {
		return nil, errors.New("it has neither index.json (an OCI layout) nor manifest.json (docker save)")
	}
	return o.fromSaved(files)
}

// A tarFS holds the regular files of an uncompressed tar file, by path.
type tarFS map[string]tarEntry

type tarEntry struct {
	info    fs.FileInfo
	content *io.SectionReader
}

func indexTar(f *os.File) (tarFS, error) {
	files, links := tarFS{}, map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, tar.ErrHeader) {
			return nil, fmt.Errorf("%w (decompress the file first if it is compressed)", err)
		}
		if err != nil {
			return nil, err
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			files[name] = tarEntry{h.FileInfo(), io.NewSectionReader(f, at, h.Size)}
		case tar.TypeSymlink: // older versions of docker save link equal layers
			links[name] = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			links[name] = path.Clean(h.Linkname)
		}
	}
	for name, target := range links {
		if e, ok := files[target]; ok {
			files[name] = e
		}
	}
	return files, nil
}

// Open implements [fs.FS].
func (t tarFS) Open(name string) (fs.File, error) {
	e, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	e.content = io.NewSectionReader(e.content, 0, e.content.Size())
	return &e, nil
}

func (e *tarEntry) Read(p []byte) (int, error) { return e.content.Read(p) }
func (e *tarEntry) Close() error               { return nil }
func (e *tarEntry) Stat() (fs.FileInfo, error) { return e.info, nil }
