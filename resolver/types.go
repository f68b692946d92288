package resolver

import "github.com/baseplan/baseplan/provides"

// A Kind tells a buildpack from an image extension.
type Kind string

// The kinds of module.
const (
	Buildpack Kind = "buildpack"
	Extension Kind = "extension"
)

// A Module is a buildpack or an image extension.
type Module struct {
	Kind    Kind
	ID      string
	Version string
}

// String returns id@version, as in logs and files.
func (m Module) String() string {
	if m.Version == "" {
		return m.ID
	}
	return m.ID + "@" + m.Version
}

// A Context is where a dependency is needed.
type Context string

// The contexts. A run image counts for launch only, a build image for build only.
const (
	Build  Context = "build"
	Launch Context = "launch"
)

// A Require is an entry of `requires` (buildpack.md, "Build Plan").
type Require struct {
	Name     string
	Metadata map[string]any // as decoded; the keys "version", "build" and "launch" have a meaning
}

// A Section is one alternative of a module's build plan: `provides` and `requires`
// (buildpack.md, "Build Plan").
type Section struct {
	Provides []string
	Requires []Require
}

// A Candidate is a module that passed detection, with its alternatives in order:
// the top-level section, then each of `or`. No Plans means one empty section.
type Candidate struct {
	Module   Module
	Optional bool
	Plans    []Section
}

// A Base is a base image as a provider. *[provides.Set] implements it; nil means
// that the image is unknown.
type Base interface {
	// Answer returns whether the image meets a requirement for name under a version
	// constraint ("" for any).
	Answer(name, constraint string) provides.Answer
	// Prefers reports whether the operator wants the image to consume launch-only
	// requirements of the name (docs/design.md, "Resolution").
	Prefers(name string) bool
}

// A Requirement is a requirement of the chosen trial and what meets it.
type Requirement struct {
	Name     string
	By       Module
	Version  string    // the constraint in metadata.version; empty: any
	Contexts []Context // as flagged, build before launch; may be empty
	Asks     []string  // metadata keys that ask for more than a name and a version; see [Require.Asks]

	Providers []Module        // the elements of the group that provide it, in order
	Run       provides.Answer // the run image's, if the launch flag or none is set
	Build     provides.Answer // the build image's, if the build flag or none is set
	Consumed  bool            // met by a preferred run image alone: no buildpack is asked and no extension provides it
}
