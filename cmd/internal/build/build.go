// Package build holds the version of baseplan.
package build

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
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

// SourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org), or returns unset for an empty text.
func SourceDate(text string, unset time.Time) (time.Time, error) {
	if text == "" {
		return unset, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading SOURCE_DATE_EPOCH: %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
