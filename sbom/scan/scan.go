// Package scan generates an inventory of an image's operating system packages from
// its package databases (dpkg, apk, rpm). Only this package imports Syft, whose
// catalogers read the databases.
//
// Start with [Image]. It extracts the databases and the names of commands and
// libraries while it streams the layers; nothing is unpacked to disk. (An RPM
// database is written to a temporary file, since its readers need one.) [Tree] does
// the same for a container in a daemon, [Dir] for a root file system.
//
// An image without a package database gives a Document without Databases and
// Packages, and no error. A database that cannot be read is an error that names it,
// unless another can be read.
//
// Commands and libraries that a package owns according to its database, but that
// are not in the image (deleted, diverted, excluded), are in [sbom.Package.Absent].
// Other files are not checked.
//
// The result equals Syft's for the places where distributions keep their databases,
// with four exceptions. The log beside an RPM database is applied. Of several RPM
// databases in one directory, the one that RPM would open is read. A dpkg package
// is installed if the third word of its status says so. A package in the manifest
// of an Azure Linux image gets the namespace and distribution in its package URL,
// also on an unterminated last line.
//
// Databases elsewhere (a root file system unpacked inside the image) do not belong
// to the image and are ignored, as are opkg's. The distribution is unknown if only
// busybox reveals it.
//
// The API is stable from version 1.0 on; see docs/library.md.
package scan

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom"
)

// Options configure [Image]. The zero value is valid.
type Options struct {
	Cache    Cache // wanted entries of layers seen before; nil: no cache
	Parallel int   // layers to read in parallel; zero: 4
}

// Image reads the layers of the image.
func Image(ctx context.Context, img v1.Image, opts Options) (*sbom.Document, error) {
	files, there, err := fromLayers(ctx, img, opts)
	if err != nil {
		return nil, err
	}
	return inventory(ctx, files, there)
}

// Files gives access to the files of an image by path. *image.Files of
// lifecycle/image implements it.
type Files interface {
	// Archive returns the file or directory at an absolute path as a tar stream. It
	// follows symbolic links as a process in the image does. If there is no such
	// file, the error wraps [fs.ErrNotExist].
	Archive(ctx context.Context, path string) (io.ReadCloser, error)
}

// Tree reads an image that is accessible only by path, such as one in a docker
// daemon.
func Tree(ctx context.Context, tree Files) (*sbom.Document, error) {
	files, there, err := fromTree(ctx, tree)
	if err != nil {
		return nil, err
	}
	return inventory(ctx, files, there)
}

// Dir reads a root file system, such as "/". Symbolic links are followed as if the
// directory were the root, so none leads out of it.
func Dir(ctx context.Context, root string) (*sbom.Document, error) {
	d, err := openDirectory(ctx, root)
	if err != nil {
		return nil, err
	}
	defer d.root.Close()
	files, _, err := collect(d)
	if err != nil {
		return nil, fmt.Errorf("reading root file system %s: %w", root, err)
	}
	return inventory(ctx, files, newPresence(d, func(string) bool { return true }))
}

// inventory reads the databases and checks that commands and libraries exist.
func inventory(ctx context.Context, found files, there *presence) (*sbom.Document, error) {
	doc, err := catalog(ctx, found)
	if err != nil {
		return nil, err
	}
	for i := range doc.Packages {
		there.check(&doc.Packages[i])
	}
	return doc, nil
}
