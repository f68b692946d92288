package format

import (
	"bytes"
	"slices"
	"strings"
)

// databaseFolders hold package databases, below the root of a file system.
var databaseFolders = []string{
	"/var/lib/dpkg/", "/lib/apk/db/", "/var/lib/rpm/", "/usr/lib/sysimage/rpm/", "/usr/share/rpm/", "/var/lib/rpmmanifest/",
}

// elsewhere reports whether the files that Syft found an operating system's package
// in are known, and none is of a database of the image itself: they are those of a
// nested root file system ("/opt/chroot/var/lib/dpkg/status"), or the package is
// not installed ("/tmp/curl.deb").
func elsewhere(paths []string) bool {
	return len(paths) > 0 && !slices.ContainsFunc(paths, ofDatabase)
}

func ofDatabase(path string) bool {
	path = "/" + strings.TrimLeft(path, "/")
	return slices.ContainsFunc(databaseFolders, func(folder string) bool {
		root, _, ok := strings.Cut(path, folder)
		return ok && (root == "" || root == "/usr")
	})
}

// databaseHints are the parts of paths that [elsewhere] looks at.
var databaseHints = [][]byte{[]byte("/dpkg/"), []byte("/apk/db/"), []byte("/rpm/"), []byte("/rpmmanifest/"), []byte(".deb"), []byte(".rpm"), []byte(".apk")}

// telling reports whether a location, as JSON, says where a package is installed.
func telling(location []byte) bool {
	return slices.ContainsFunc(databaseHints, func(hint []byte) bool { return bytes.Contains(location, hint) })
}
