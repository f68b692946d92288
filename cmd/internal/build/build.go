// Package build holds the version of baseplan.
package build

import (
	"runtime/debug"
	"strings"
)

// dev is the version of a build that nobody gave a version.
const dev = "1.0.0-dev"

// Version and the Commit it was built from, which may be empty. The linker sets both; see cmd/dist. In a program that
// "go install MODULE/cmd/PROGRAM@VERSION" built, Version is that of the module.
var (
	Version = dev
	Commit  = ""
)

func init() {
	if Version != dev {
		return
	}
	// Only a module that came from a proxy or a repository has a checksum.
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Sum != "" {
		Version = strings.TrimPrefix(info.Main.Version, "v")
	}
}

// String returns VERSION or VERSION+COMMIT, as `PHASE -version` prints it.
func String() string {
	if Commit == "" {
		return Version
	}
	return Version + "+" + Commit
}
