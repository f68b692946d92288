package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// An entry is a file of a tarball or a layer.
type entry struct {
	name string // relative; ends in a slash for a directory
	mode int64
	body []byte
	link string // target of a symbolic link
}

// phases returns links to the lifecycle with the names of the phases.
func phases() []entry {
	var links []entry
	for _, name := range platform.PhaseNames() {
		links = append(links, entry{name: name, mode: 0o777, link: "lifecycle"})
	}
	return links
}

// below returns the files below a folder, with the folder and its parents.
func below(folder string, files []entry) []entry {
	var all []entry
	for dir := folder; dir != "."; dir = path.Dir(dir) {
		all = append(all, entry{name: dir + "/", mode: 0o755})
	}
	for _, f := range files {
		f.name = folder + "/" + f.name
		all = append(all, f)
	}
	return all
}

// archive returns a tar archive of the files: sorted by name, owned by root, with one time.
func archive(files []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	sorted := slices.SortedFunc(slices.Values(files), func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, f := range sorted {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.body)), Linkname: f.link, ModTime: layers.Epoch, Typeflag: tar.TypeReg}
		switch {
		case strings.HasSuffix(f.name, "/"):
			h.Typeflag = tar.TypeDir
		case f.link != "":
			h.Typeflag = tar.TypeSymlink
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// compress compresses the archive with gzip.
func compress(files []entry) ([]byte, error) {
	data, err := archive(files)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// zipped returns a zip archive of the files, without directories.
func zipped(files []entry) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b entry) int { return strings.Compare(a.name, b.name) }) {
		if strings.HasSuffix(f.name, "/") {
			continue
		}
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: layers.Epoch}
		h.SetMode(fs.FileMode(f.mode))
		to, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := to.Write(f.body); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
