// Package build holds the version of baseplan.
package build

// Version and the Commit it was built from, which may be empty. The linker sets both; see the Makefile.
var (
	Version = "1.0.0-dev"
	Commit  = ""
)

// String returns VERSION or VERSION+COMMIT, as `PHASE -version` prints it.
func String() string {
	if Commit == "" {
		return Version
	}
	return Version + "+" + Commit
}
