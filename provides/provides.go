package provides

// A Kind says where a name comes from.
type Kind string

// The kinds, in order of rank: a declared or mapped name shadows the same
// package name.
const (
	Declared Kind = "declared" // the publisher's declaration
	Mapped   Kind = "mapped"   // a mapping: the operator's, over the built-in table
	Package  Kind = "package"  // an operating system package's name
	Virtual  Kind = "virtual"  // a Provides of dpkg, rpm or apk
	PURL     Kind = "purl"     // a package URL, pkg:deb/debian/curl
	Command  Kind = "command"  // cmd:tree, an executable
	Library  Kind = "library"  // so:libssl.so.3, a shared library
)

// A Rule names the way in which versions are compared.
type Rule string

// The rules.
const (
	Deb    Rule = "deb"
	RPM    Rule = "rpm"
	APK    Rule = "apk"
	Semver Rule = "semver"
)

// Evidence backs a provide: one package, or one file.
type Evidence struct {
	PURL    string // the package as the inventory spells it, with version; empty for a file alone
	Pattern string // the same without version, "pkg:deb/debian/curl", or "file:/usr/bin/tree"
	Package string // the package's name
	Version string // the package's version in full, "1:2.3-4"
	Path    string // the file, where a file is what backs the name
}

// A Provide is a name that a base image offers.
type Provide struct {
	Name     string
	Kind     Kind
	Version  string // upstream version, "7.88.1"; empty: none known
	Full     string // the version in full, "1:7.88.1-10+deb12u12"; empty: only Version
	Rule     Rule   // empty: there is no version to compare
	Evidence []Evidence
}

// An Answer is what a base image has to say to a requirement.
type Answer struct {
	Met     bool
	Offered bool      // the name is provided, whether or not the version fits
	By      []Provide // Met: those that meet it, best first; else those of the name
	Reason  string    // one clause for people: "curl 7.88.1-10+deb12u12", "has curl 7.88.1, not >= 8", "has no curl"
}
