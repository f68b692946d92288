// Package scan makes an inventory of an image's operating system packages from its
// package databases (dpkg, apk, rpm). It alone imports Syft, whose catalogers read
// the databases.
//
// Start with [Image]. It picks the databases, and the names of commands and libraries, out of the
// layers as these stream by; nothing is unpacked to disk. (An RPM database passes through one
// temporary file, since its readers need one.) [Tree] reads the same from a container
// in a daemon, [Dir] from a root file system.
//
// An image without a package database gives a Document without Databases and packages; that is
// no error. A database that cannot be read is one, which names it, unless another can be read.
//
// Commands and libraries that a package owns by its database, but that are not in the image
// (deleted, diverted, excluded), are in [sbom.Package.Absent]. Other files are not looked for.
//
// It finds what Syft finds in the places where distributions keep their databases, except for four
// things. It reads the log beside an RPM database. Of several RPM databases in one folder it reads the one
// that RPM would. A dpkg package is installed if the third word of its status says so. And a
// package in the manifest of an Azure Linux image gets the namespace and distribution in its purl, also on
// a last line that does not end.
//
// Databases elsewhere (a root file system unpacked inside of the image) are none
// of the image's own and are left out, and so are opkg's. A distribution that only its busybox
// would give away is not known.
package scan

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom"
)

// Options are optional.
type Options struct {
	Cache    Cache // what was picked out of layers seen before; nil: none is kept
	Parallel int   // layers read at the same time; zero: 4
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
// lifecycle/image is one.
type Files interface {
	// Archive is the file or directory at an absolute path as a tar stream, symbolic
	// links followed, as a process in the image would see it; an error that
	// wraps [fs.ErrNotExist] if there is none.
	Archive(ctx context.Context, path string) (io.ReadCloser, error)
}

// Tree reads an image that is only accessible by path, such as one in a docker daemon.
func Tree(ctx context.Context, tree Files) (*sbom.Document, error) {
	files, there, err := fromTree(ctx, tree)
	if err != nil {
		return nil, err
	}
	return inventory(ctx, files, there)
}

// Dir reads a root file system, such as the program's own ("/"). Symbolic links are
// followed as if the directory were the root: none leads out of it.
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

// inventory is what the databases say, less the commands and libraries that are not there.
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
