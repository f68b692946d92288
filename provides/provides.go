package provides

// A Kind is the origin of a name.
type Kind string

// The kinds by rank. A declared or mapped name hides a package of that name.
const (
	Declared Kind = "declared" // the publisher's declaration
	Mapped   Kind = "mapped"   // the operator's or the built-in mapping
	Package  Kind = "package"  // the name of an operating system package
	Virtual  Kind = "virtual"  // a Provides of dpkg, rpm or apk
	PURL     Kind = "purl"     // a package URL, pkg:deb/debian/curl
	Command  Kind = "command"  // cmd:tree, an executable
	Library  Kind = "library"  // so:libssl.so.3, a shared library
)

// A Rule is a version ordering.
type Rule string

// The rules.
const (
	Deb    Rule = "deb"
	RPM    Rule = "rpm"
	APK    Rule = "apk"
	Semver Rule = "semver"
)

// Evidence is one package or one file that backs a provide.
type Evidence struct {
	PURL    string // the package URL with version, as in the inventory; empty for a file without a package
	Pattern string // the same without version, "pkg:deb/debian/curl", or "file:/usr/bin/tree"
	Package string // name of the package
	Version string // full version of the package, "1:2.3-4"
	Path    string // the file, if a file backs the name
}

// A Provide is a name that a base image offers.
type Provide struct {
	Name     string
	Kind     Kind
	Version  string // upstream version, "7.88.1"; empty if unknown
	Full     string // full version, "1:7.88.1-10+deb12u12"; empty if only Version is known
	Rule     Rule   // empty if there is no version to compare
	Evidence []Evidence
}

// An Answer is the result of judging a requirement on a base image.
type Answer struct {
	Met     bool
	Offered bool      // the name is provided, in whatever version
	By      []Provide // if Met, the provides that meet it, best first; otherwise all of the name
	Reason  string    // one clause: "curl 7.88.1-10+deb12u12", "has curl 7.88.1, not >= 8", "has no curl"
}
