package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// wantedFiles are the files that the catalogers and the detection of the
// distribution read, as clean paths relative to the image's root.
var wantedFiles = []string{
	"etc/os-release",
	"usr/lib/os-release",
	"etc/debian_version",     // point release, for Syft
	"etc/system-release-cpe", // CentOS 6
	"etc/redhat-release",
	"etc/apk/repositories", // Alpine's release without os-release, for Syft

	dpkgStatus,
	dpkgDiversions,
	"lib/apk/db/installed",
	"usr/lib/apk/db/installed",
	"var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "var/lib/rpm/Packages",
	"usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db", "usr/lib/sysimage/rpm/Packages",
	"usr/share/rpm/rpmdb.sqlite", "usr/share/rpm/Packages.db", "usr/share/rpm/Packages",
	rpmManifest,

	// A sqlite database without its log is outdated or broken.
	"var/lib/rpm/rpmdb.sqlite-wal", "var/lib/rpm/rpmdb.sqlite-journal",
	"usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "usr/lib/sysimage/rpm/rpmdb.sqlite-journal",
	"usr/share/rpm/rpmdb.sqlite-wal", "usr/share/rpm/rpmdb.sqlite-journal",
}

// logs are the suffixes of a sqlite database's log: the write-ahead log and the
// rollback journal.
var logs = []string{"-wal", "-journal"}

// logOf returns the database to which the log belongs, or "" if name is no log.
func logOf(name string) string {
	for _, ending := range logs {
		if database, ok := strings.CutSuffix(name, ending); ok {
			return database
		}
	}
	return ""
}

// wantedDirs maps directories to the suffixes of wanted files; nil means all files.
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

// A selection is what to keep of a layer: the content of wanted files, the names of
// commands and libraries, and every entry above them, since a symbolic link or
// whiteout there changes what the path means.
type selection struct {
	files map[string]bool
	dirs  map[string][]string
	names map[string]bool // directories that links lead to; see watches
	above map[string]bool

	filesOnly bool // neither commands nor libraries
}

func newSelection() *selection {
	in := &selection{files: map[string]bool{}, dirs: map[string][]string{}, names: map[string]bool{}, above: map[string]bool{}}
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

func (in *selection) addFile(name string) {
	in.files[name] = true
	in.addAbove(path.Dir(name))
}

func (in *selection) addDir(name string, endings []string) {
	in.dirs[name] = endings
	in.addAbove(name)
}

// addNames watches a directory that a link leads to.
func (in *selection) addNames(name string) {
	in.names[name] = true
	in.addAbove(name)
}

func (in *selection) addAbove(dir string) {
	for ; dir != "." && !in.above[dir]; dir = path.Dir(dir) {
		in.above[dir] = true
	}
}

// wants reports whether to keep the content of a file at the path.
func (in *selection) wants(name string) bool {
	if in.files[name] {
		return true
	}
	dir, base := path.Split(name)
	endings, ok := in.dirs[strings.TrimSuffix(dir, "/")]
	return ok && hasEnding(base, endings)
}

// watches reports whether the existence of a file at the path matters, whatever its
// content.
func (in *selection) watches(name string) bool {
	return !in.filesOnly && (sbom.FileName(name) != "" || len(in.names) > 0 && in.holdsNames(path.Dir(name)))
}

// holdsNames reports whether commands or libraries in the directory are watched.
func (in *selection) holdsNames(dir string) bool {
	return slices.Contains(sbom.CommandDirs, dir) || slices.Contains(sbom.LibraryDirs, dir) || sbom.IsMultiarchDir(dir) ||
		in.names[dir] || strings.Contains(path.Base(dir), "-linux-") && in.names[path.Dir(dir)]
}

// picks reports whether to keep an entry at the path.
func (in *selection) picks(name string) bool {
	return in.above[name] || in.wants(name) || in.watches(name) || !in.filesOnly && sbom.IsMultiarchDir(name)
}

func hasEnding(name string, endings []string) bool {
	return len(endings) == 0 || slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) })
}

// files maps wanted paths to contents. A file behind a symbolic link has the path
// at which it was looked up.
type files map[string][]byte
