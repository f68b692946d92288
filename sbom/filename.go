package sbom

import (
	"path"
	"slices"
	"strings"
)

// CommandDirs and LibraryDirs are the directories with commands and shared
// libraries, without a leading slash. /usr/games is missing because images leave it
// out of PATH.
var (
	CommandDirs = []string{"bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"}
	LibraryDirs = []string{"lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64"}
)

// FileName returns the name that a file at this path provides, "cmd:curl" or
// "so:libssl.so.3", or "" if it provides none. The path is clean, with or without a
// leading slash.
func FileName(file string) string {
	dir, base := path.Split(strings.TrimPrefix(file, "/"))
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case slices.Contains(CommandDirs, dir):
		return "cmd:" + base
	case IsLibrary(base) && (slices.Contains(LibraryDirs, dir) || IsMultiarchDir(dir)):
		return "so:" + base
	}
	return ""
}

// IsLibrary reports whether base is the name of a shared library, such as libz.so
// or libssl.so.3.
func IsLibrary(base string) bool {
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// IsMultiarchDir reports whether dir holds the libraries of one architecture, as in
// Debian: usr/lib/x86_64-linux-gnu.
func IsMultiarchDir(dir string) bool {
	parent, base := path.Split(strings.TrimPrefix(dir, "/"))
	return strings.Contains(base, "-linux-") && slices.Contains(LibraryDirs, strings.TrimSuffix(parent, "/"))
}
