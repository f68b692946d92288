// Package build says which version of baseplan a binary is of. It is the one place where
// that stands.
package build

// Version is the version; Commit is where it was built from, empty for none. The linker sets
// both: see the Makefile.
var (
	Version = "1.0.0-dev"
	Commit  = ""
)

// String is VERSION or VERSION+COMMIT, as `PHASE -version` prints it.
func String() string {
	if Commit == "" {
		return Version
	}
	return Version + "+" + Commit
}
