package extensions

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// A manager describes the commands of a package manager that have no effect, or
// only a package manager's.
type manager struct {
	packages sbom.Type
	tool     string                    // the package that contains it
	flags    map[string]flag           // on either side of the subcommand
	install  []string                  // subcommands
	lists    map[string]*regexp.Regexp // subcommands that only refresh or remove lists and caches, with the allowed words
	reads    map[string]answers        // subcommands that only print something
	removes  []string                  // subcommands that remove the named packages
	prunes   []string                  // subcommands that remove unneeded packages
	enables  *regexp.Regexp            // command lines that select repositories or modules
	complete *regexp.Regexp            // arguments of an install that name a package
	match    func(spelled string, p sbom.Package) match
}

// answers says when a subcommand that only prints something succeeds.
type answers int

const (
	always   answers = iota // unless the build is broken
	ifThere                 // if the named packages are installed
	ifListed                // the same, unless the build is broken
	ifLucky                 // unknown
	onlyThat                // unless the build is broken; no words may follow
)

// A flag is an option that does not influence whether there is an effect.
type flag struct {
	value *regexp.Regexp // nil: it has no value
	only  string         // subcommands that have it; empty: all
}

// A match is the result of comparing a package with an argument of an install.
type match struct {
	ok         bool
	constraint string // equivalent of the pin; empty: not pinned
	exact      bool   // the pin allows one version
	arch       bool   // the architecture is given
	virtual    bool   // the package provides the name
}

// uses reports whether the image has packages of the type.
func (a *analyzer) uses(t sbom.Type) bool {
	return slices.ContainsFunc(a.base.Set.Document().Packages, func(p sbom.Package) bool { return p.Type == t })
}

// archive matches package files.
var archive = regexp.MustCompile(`\.(?:deb|apk|rpm)$`)

// install returns the finding for an install: no effect if every package is
// installed.
func (a *analyzer) install(m *manager, call string, words []string) finding {
	if len(words) == 0 {
		return effect("%s names no package", call)
	}
	var there, loose, lacks, whys []string
	var adds []added
	var relies []Reliance
	for _, spelled := range words {
		p, how, why := a.find(m, spelled)
		switch {
		case why != "" && (!m.complete.MatchString(spelled) || archive.MatchString(spelled)):
			return effect("%s: %s is not understood", call, spelled)
		case why != "":
			lacks, whys = append(lacks, spelled), append(whys, why)
			adds = append(adds, added{kind: m.packages, spelled: spelled})
			continue
		case !how.exact:
			loose = append(loose, p.Name+" "+p.Version)
		}
		r := Reliance{
			Image: a.dockerfile.Image, Name: p.Name, Constraint: how.constraint, Rule: provides.RuleOf(p.Type),
			Evidence: []string{provides.PatternOf(p)}, Extension: a.dockerfile.Extension,
		}
		if how.virtual {
			r.Name, r.Rule = spelled, ""
		}
		there = append(there, p.Name+" "+p.Version)
		relies = append(relies, r)
	}
	loosely := a.unpinned(call, loose)
	if len(lacks) > 0 {
		f := managerEffect("%s: %s", call, strings.Join(whys, "; "))
		f.lacks, f.adds = lacks, adds
		if loosely.effect {
			f = join(f, loosely)
		}
		a.found.loose = append(a.found.loose, loose...)
		return f
	}
	if unready := a.base.Set.Document().Unready; m.packages == sbom.Deb && len(unready) > 0 {
		return join(loosely, managerEffect("%s: it also finishes the installation of %s, which is %s", call, unready[0].Name, unready[0].State))
	}
	if loosely.effect {
		return loosely
	}
	a.found.relies = append(a.found.relies, relies...)
	a.found.loose = append(a.found.loose, loose...)
	return presumed(call + ": " + strings.Join(there, ", ") + areInstalled(len(there)))
}

func areInstalled(n int) string {
	if n == 1 {
		return " is installed"
	}
	return " are installed"
}

// unpinned returns the finding for an unpinned install of installed packages.
func (a *analyzer) unpinned(call string, loose []string) finding {
	there := strings.Join(loose, ", ")
	switch {
	case len(loose) == 0:
	case a.pinned:
		return effect("%s: not pinned to one version: %s", call, there)
	case a.old != "":
		return imageEffect("%s: not pinned to one version: %s; %s", call, there, a.old)
	}
	return noEffect("")
}

// find returns the installed package that an argument of an install means: by name
// first, then as a virtual package.
func (a *analyzer) find(m *manager, spelled string) (p sbom.Package, how match, why string) {
	doc := a.base.Set.Document()
	native := nativeArch(doc, m.packages)
	var other string
	for _, p := range doc.Packages {
		if p.Type != m.packages || !strings.Contains(spelled, p.Name) { // every spelling contains the name
			continue
		}
		if how := m.match(spelled, p); how.ok && (how.arch || runsOn(p, native)) {
			return p, how, ""
		}
		if name := baseName(spelled); p.Name == name {
			other = p.Name + " " + p.Version
			if p.Arch != "" {
				other += " (" + p.Arch + ")"
			}
		}
	}
	for _, p := range doc.Packages {
		// dnf prefers a package of that name over one that provides it.
		named := p.Type == sbom.RPM && !strings.ContainsAny(spelled, "/(")
		if p.Type == m.packages && !named && runsOn(p, native) && virtually(spelled, p) {
			return p, match{ok: true, virtual: true}, ""
		}
	}
	unready, ok := a.base.Set.Unready(baseName(spelled))
	_, untyped := a.base.Set.Untyped(baseName(spelled))
	switch {
	case untyped && other == "":
		return p, how, "whether " + spelled + " is installed is unknown: the SBOM lists it without its type"
	case ok && m.packages == sbom.Deb:
		return p, how, spelled + " is not installed: it is " + unready.State
	case other != "":
		return p, how, "the image has " + other + ", which is not " + spelled
	case !doc.Knows(sbom.Virtual):
		return p, how, spelled + " is not installed (the SBOM does not list virtual packages)"
	}
	return p, how, spelled + " is not installed"
}

// baseName returns the argument without its pin, for messages.
func baseName(spelled string) string {
	if i := strings.IndexAny(spelled, "=<>~@/:"); i > 0 {
		return spelled[:i]
	}
	return spelled
}

// virtually reports whether a package provides an unpinned name or (RPM) owns the
// given file. apt considers Provides only if no package has the name: perl-base
// provides libsocket-perl, but apt installs the newer libsocket-perl. A virtual
// package with the version of its package is another name of it (libcurl4 of
// libcurl4t64).
func virtually(spelled string, p sbom.Package) bool {
	stands := func(v sbom.VirtualPackage) bool {
		return v.Name == spelled && (p.Type != sbom.Deb || v.Version == p.Version)
	}
	return slices.ContainsFunc(p.Provides, stands) ||
		p.Type == sbom.RPM && strings.HasPrefix(spelled, "/") && slices.Contains(p.Files, spelled)
}

func runsOn(p sbom.Package, native string) bool { return p.Arch == native || independent(p.Arch) }

func independent(arch string) bool { return arch == "" || arch == "all" || arch == "noarch" }

// nativeArch returns the most common architecture of the type. An install does not
// mean packages of other architectures.
func nativeArch(doc *sbom.Document, t sbom.Type) string {
	count := map[string]int{}
	var native string
	for _, p := range doc.Packages {
		if p.Type == t && !independent(p.Arch) {
			count[p.Arch]++
			if c := cmp.Compare(count[p.Arch], count[native]); c > 0 || c == 0 && p.Arch < native {
				native = p.Arch
			}
		}
	}
	return native
}

// spelledDeb is name[:arch][=version]. The rest of apt's grammar (a trailing - or
// +, /release, globs, tasks, files) is not recognized unless a package has that
// name.
var spelledDeb = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?(?:=([0-9A-Za-z.+:~-]+))?$`)

func matchDeb(spelled string, p sbom.Package) match {
	m := spelledDeb.FindStringSubmatch(spelled)
	if m == nil || m[1] != p.Name || m[2] != "" && m[2] != p.Arch {
		return match{}
	}
	how := pinned(m[3], p)
	how.arch = m[2] != ""
	return how
}

// pinned returns the match of an exact version, which may be empty.
func pinned(version string, p sbom.Package) match {
	if version == "" {
		return match{ok: true}
	}
	return match{ok: version == p.Version, constraint: "= " + version, exact: true}
}

// spelledAPK is a name with an optional operator and version (apk-world(5)). Tags
// (@edge) and conflicts (!name) are not recognized.
var spelledAPK = regexp.MustCompile(`^((?:[a-z0-9.]+:)?[A-Za-z0-9_][A-Za-z0-9+._-]*)(?:(>=|<=|~=|=~|=|~|>|<)([0-9][0-9A-Za-z._-]*))?$`)

func matchAPK(spelled string, p sbom.Package) match {
	m := spelledAPK.FindStringSubmatch(spelled)
	if m == nil || m[1] != p.Name {
		return match{}
	}
	op, version := m[2], m[3]
	switch op {
	case "", "=":
		return pinned(version, p)
	case "~", "~=", "=~":
		rest, ok := strings.CutPrefix(p.Version, version)
		return match{ok: ok && (rest == "" || rest[0] == '.' || strings.HasPrefix(rest, "-r")), constraint: version + ".*"}
	}
	c, err := provides.Compare(provides.APK, p.Version, version)
	ok := err == nil && (c > 0 && op[0] == '>' || c < 0 && op[0] == '<' || c == 0 && strings.HasSuffix(op, "="))
	return match{ok: ok, constraint: op + " " + version}
}

// matchRPM compares with the spellings of name, epoch, version, release and
// architecture in dnf(8). Others are not recognized.
func matchRPM(spelled string, p sbom.Package) match {
	v := p.EVR()
	name, arch := spelled, false
	if p.Arch != "" {
		name, arch = strings.CutSuffix(spelled, "."+p.Arch)
	}
	full := v.Version + "-" + v.Release
	epoch := cmp.Or(v.Epoch, "0") + ":"
	switch name {
	case p.Name:
		return match{ok: true, arch: arch}
	case p.Name + "-" + full, p.Name + "-" + epoch + full, epoch + p.Name + "-" + full:
		return match{ok: v.Release != "", constraint: "= " + p.Version, exact: true, arch: arch}
	case p.Name + "-" + v.Version, p.Name + "-" + epoch + v.Version:
		return match{ok: true, constraint: "= " + v.Version, arch: arch}
	}
	return match{}
}
