package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// wantedFiles are the files that catalogers and the search for the distribution read.
// Paths are relative to the image's root, clean.
var wantedFiles = []string{
	"etc/os-release",
	"usr/lib/os-release",
	"etc/debian_version",     // Syft: the point release
	"etc/system-release-cpe", // CentOS 6
	"etc/redhat-release",
	"etc/apk/repositories", // Syft: Alpine's release if there is no os-release

	dpkgStatus,
	dpkgDiversions,
	"lib/apk/db/installed",
	"usr/lib/apk/db/installed",
	"var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "var/lib/rpm/Packages",
	"usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db", "usr/lib/sysimage/rpm/Packages",
	"usr/share/rpm/rpmdb.sqlite", "usr/share/rpm/Packages.db", "usr/share/rpm/Packages",
	rpmManifest,

	// Without its log a sqlite database is an older state of itself, or a broken one.
	"var/lib/rpm/rpmdb.sqlite-wal", "var/lib/rpm/rpmdb.sqlite-journal",
	"usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "usr/lib/sysimage/rpm/rpmdb.sqlite-journal",
	"usr/share/rpm/rpmdb.sqlite-wal", "usr/share/rpm/rpmdb.sqlite-journal",
}

// logs are the endings of a sqlite database's log: the write-ahead log and the rollback journal.
var logs = []string{"-wal", "-journal"}

// logOf is the database whose log the file is; empty: it is no log.
func logOf(name string) string {
	for _, ending := range logs {
		if database, ok := strings.CutSuffix(name, ending); ok {
			return database
		}
	}
	return ""
}

// wantedDirs are folders of which the files with one of the endings are wanted; none
// stands for all.
var wantedDirs = map[string][]string{
	dpkgStatusDir: nil,
	dpkgInfo:      {".list", ".md5sums", ".conffiles"},
}

const (
	dpkgStatus     = "var/lib/dpkg/status"
	dpkgDiversions = "var/lib/dpkg/diversions"
	dpkgStatusDir  = "var/lib/dpkg/status.d"
	dpkgInfo       = "var/lib/dpkg/info"
	rpmManifest    = "var/lib/rpmmanifest/container-manifest-2"
)

// An interest is what to pick out of a layer: the content of wanted files, the names of commands and
// libraries, and every entry above them, since a symbolic link or a whiteout there decides what the path means.
type interest struct {
	files map[string]bool
	dirs  map[string][]string
	names map[string]bool // directories behind links; see watches
	above map[string]bool
}

func newInterest() *interest {
	in := &interest{files: map[string]bool{}, dirs: map[string][]string{}, names: map[string]bool{}, above: map[string]bool{}}
	for _, f := range wantedFiles {
		in.addFile(f)
	}
	for d, endings := range wantedDirs {
		in.addDir(d, endings)
	}
	for _, d := range slices.Concat(sbom.CommandDirs, sbom.LibraryDirs) {
		in.addAbove(d)
	}
	return in
}

func (in *interest) addFile(name string) {
	in.files[name] = true
	in.addAbove(path.Dir(name))
}

func (in *interest) addDir(name string, endings []string) {
	in.dirs[name] = endings
	in.addAbove(name)
}

// addNames watches a directory to which a link leads.
func (in *interest) addNames(name string) {
	in.names[name] = true
	in.addAbove(name)
}

func (in *interest) addAbove(dir string) {
	for ; dir != "." && !in.above[dir]; dir = path.Dir(dir) {
		in.above[dir] = true
	}
}

// wants reports whether the content of a file at the path is picked.
func (in *interest) wants(name string) bool {
	if in.files[name] {
		return true
	}
	dir, base := path.Split(name)
	endings, ok := in.dirs[strings.TrimSuffix(dir, "/")]
	return ok && hasEnding(base, endings)
}

// watches reports whether it matters that there is something at the path, whatever its content.
func (in *interest) watches(name string) bool {
	return sbom.FileName(name) != "" || len(in.names) > 0 && in.holdsNames(path.Dir(name))
}

// holdsNames reports whether commands or libraries in the directory are watched.
func (in *interest) holdsNames(dir string) bool {
	return slices.Contains(sbom.CommandDirs, dir) || slices.Contains(sbom.LibraryDirs, dir) || sbom.IsMultiarchDir(dir) ||
		in.names[dir] || strings.Contains(path.Base(dir), "-linux-") && in.names[path.Dir(dir)]
}

// picks reports whether an entry at the path is picked.
func (in *interest) picks(name string) bool {
	return in.above[name] || in.wants(name) || in.watches(name) || sbom.IsMultiarchDir(name)
}

func hasEnding(name string, endings []string) bool {
	return len(endings) == 0 || slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) })
}

// files are the contents of wanted files by wanted path: a file behind a symbolic link has
// the path at which it was looked for.
type files map[string][]byte
