package format

import (
	"bytes"
	"slices"
	"strings"
)

// databaseFolders are the directories of package databases, relative to the root of
// a file system.
var databaseFolders = []string{
	"/var/lib/dpkg/", "/lib/apk/db/", "/var/lib/rpm/", "/usr/lib/sysimage/rpm/", "/usr/share/rpm/", "/var/lib/rpmmanifest/",
}

// outsideDatabases reports whether the paths where Syft found an operating system
// package are known and none is in a database of the image itself. The package then
// belongs to a nested root file system ("/opt/chroot/var/lib/dpkg/status") or is
// not installed ("/tmp/curl.deb").
func outsideDatabases(paths []string) bool {
	return len(paths) > 0 && !slices.ContainsFunc(paths, inDatabase)
}

func inDatabase(path string) bool {
	path = "/" + strings.TrimLeft(path, "/")
	return slices.ContainsFunc(databaseFolders, func(folder string) bool {
		root, _, ok := strings.Cut(path, folder)
		return ok && (root == "" || root == "/usr")
	})
}

// databaseHints are the parts of paths that matter to [outsideDatabases].
var databaseHints = [][]byte{[]byte("/dpkg/"), []byte("/apk/db/"), []byte("/rpm/"), []byte("/rpmmanifest/"), []byte(".deb"), []byte(".rpm"), []byte(".apk")}

// mayLocateDatabase reports whether a location, as JSON, can decide whether a
// package is installed.
func mayLocateDatabase(location []byte) bool {
	return slices.ContainsFunc(databaseHints, func(hint []byte) bool { return bytes.Contains(location, hint) })
}
