package extensions

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// A manager is a package manager as far as its commands can be without an
// effect: those that install what is there, and those that concern lists and caches.
type manager struct {
	packages sbom.Type
	flags    map[string]flag   // on either side of the subcommand
	letters  string            // flags of one letter that may be written together: -qy
	install  []string          // subcommands
	lists    map[string]string // subcommands that only refresh or remove lists and caches, with the words that may follow
	match    func(spelled string, p sbom.Package) match
}

// A flag is an option that changes nothing about whether there is an effect.
type flag struct{ value *regexp.Regexp } // nil: it has no value

var anything = regexp.MustCompile(`^.*$`)

// A match says how a package answers to what an install spells.
type match struct {
	ok         bool
	constraint string // that a pin amounts to; empty: none is spelled
	exact      bool   // the pin allows one version
	arch       bool   // the architecture is spelled, too
	virtual    bool   // the package stands in for the name
}

// managers by the name of the program.
var managers = map[string]*manager{
	"apt-get": apt, "apt": apt,
	"apk": apk,
	"dnf": dnf, "microdnf": dnf, "yum": dnf, "tdnf": dnf,
	"zypper": zypper,
}

var apt = &manager{
	packages: sbom.Deb,
	flags: map[string]flag{
		"--yes": {}, "--assume-yes": {}, "--quiet": {}, "-q=1": {}, "-q=2": {}, "--no-install-recommends": {}, "--no-install-suggests": {},
		"--allow-releaseinfo-change": {}, "-o": {aptOption}, "--option": {aptOption},
	},
	letters: "yq",
	install: []string{"install"},
	lists:   map[string]string{"update": "", "clean": "", "autoclean": "", "auto-clean": ""},
	match:   matchDeb,
}

// aptOption are settings that change neither the system nor what is run: apt has
// others that name commands.
var aptOption = regexp.MustCompile(`(?i)^(?:Acquire::Retries|Acquire::https?::Timeout|Acquire::Check-Valid-Until|Acquire::ForceIPv[46]|` +
	`Dpkg::Use-Pty|APT::Install-(?:Recommends|Suggests)|APT::Get::Assume-Yes)=[0-9A-Za-z]+$|^Dpkg::Options::=--force-conf(?:def|old)$`)

var apk = &manager{
	packages: sbom.APK,
	flags: map[string]flag{
		"--no-cache": {}, "--update": {}, "--update-cache": {}, "--quiet": {}, "--no-progress": {}, "--verbose": {},
		"--repository": {anything}, "-X": {anything},
	},
	letters: "Uqv",
	install: []string{"add"},
	lists:   map[string]string{"update": "", "cache": "clean"},
	match:   matchAPK,
}

var dnf = &manager{
	packages: sbom.RPM,
	flags: map[string]flag{
		"--assumeyes": {}, "--quiet": {}, "--nodocs": {}, "--refresh": {}, "--best": {}, "--nobest": {},
		"--enablerepo": {anything}, "--disablerepo": {anything}, "--setopt": {dnfOption},
	},
	letters: "yq",
	install: []string{"install"},
	lists:   map[string]string{"clean": "all|metadata|packages|dbcache|expire-cache", "makecache": ""},
	match:   matchRPM,
}

var dnfOption = regexp.MustCompile(`^(?:install_weak_deps|keepcache|best|tsflags|fastestmirror|max_parallel_downloads|retries|timeout)=(?:[0-9]+|[Tt]rue|[Ff]alse|nodocs)$`)

var zypper = &manager{
	packages: sbom.RPM,
	flags: map[string]flag{
		"--non-interactive": {}, "--quiet": {}, "--no-confirm": {}, "--no-recommends": {}, "--auto-agree-with-licenses": {}, "--all": {},
	},
	letters: "nyqla",
	install: []string{"install", "in"},
	lists:   map[string]string{"refresh": "", "ref": "", "clean": "", "cc": ""},
	match:   matchRPM,
}

// split takes the flags out of a command line; unknown is one that is not understood.
func (m *manager) split(args []string) (words []string, unknown string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") {
			words = append(words, arg)
			continue
		}
		if m.clustered(arg) {
			continue
		}
		name, value, spelled := strings.Cut(arg, "=")
		f, ok := m.flags[arg]
		switch {
		case ok && f.value == nil:
			continue
		case !ok:
			if f, ok = m.flags[name]; !ok || f.value == nil || !spelled {
				return nil, arg
			}
		case i+1 < len(args): // the value is the next word
			i++
			value = args[i]
		}
		if value == "" || !f.value.MatchString(value) {
			return nil, arg + " " + value
		}
	}
	return words, ""
}

// clustered reports whether arg is one letter or several that mean no harm.
func (m *manager) clustered(arg string) bool {
	return len(arg) > 1 && arg[1] != '-' && strings.Trim(arg[1:], m.letters) == ""
}

// manage is the finding on a call of a package manager.
func (a *analyzer) manage(m *manager, name string, args []string) finding {
	words, unknown := m.split(args)
	if unknown != "" {
		return effect("%s: %s is not understood", name, unknown)
	}
	if len(words) == 0 {
		return effect("%s without a subcommand is not understood", name)
	}
	sub, words := words[0], words[1:]
	call := name + " " + sub
	rest, refreshes := m.lists[sub]
	installs := slices.Contains(m.install, sub)
	switch {
	case !refreshes && !installs:
		return effect("%s is not understood", call)
	case !a.root():
		return imageEffect("%s: runs as %s, who may not do that", call, a.userName())
	case a.base.Set == nil:
		return imageEffect("%s: no inventory says what the image has", call)
	case !a.uses(m.packages):
		return imageEffect("%s: the image has no %s packages", call, m.packages)
	case installs:
		return a.install(m, call, words)
	case rest == "" && len(words) == 0 || rest != "" && len(words) == 1 && slices.Contains(strings.Split(rest, "|"), words[0]):
		return noEffect("%s: only package lists and caches", call)
	}
	return effect("%s %s is not understood", call, strings.Join(words, " "))
}

// uses reports whether the image has packages of the type.
func (a *analyzer) uses(t sbom.Type) bool {
	return slices.ContainsFunc(a.base.Set.Document().Packages, func(p sbom.Package) bool { return p.Type == t })
}

// install is the finding on an install: no effect if every package is there.
func (a *analyzer) install(m *manager, call string, words []string) finding {
	if len(words) == 0 {
		return effect("%s names no package", call)
	}
	var there, lacks, whys []string
	var adds []added
	var relies []Reliance
	for _, spelled := range words {
		p, how, why := a.find(m, spelled)
		switch {
		case why != "":
			lacks, whys = append(lacks, spelled), append(whys, why)
			adds = append(adds, added{kind: m.packages, spelled: spelled})
			continue
		case a.pinned && !how.exact:
			return effect("%s: %s is there, but not pinned to one version", call, spelled)
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
	if len(lacks) > 0 {
		f := managerEffect("%s: %s", call, strings.Join(whys, "; "))
		f.lacks, f.adds = lacks, adds
		return f
	}
	if unready := a.base.Set.Document().Unready; m.packages == sbom.Deb && len(unready) > 0 {
		return managerEffect("%s: it also finishes the installation of %s, which is %s", call, unready[0].Name, unready[0].State)
	}
	a.found.relies = append(a.found.relies, relies...)
	verb := " is installed"
	if len(there) > 1 {
		verb = " are installed"
	}
	return noEffect("%s: %s%s", call, strings.Join(there, ", "), verb)
}

// find looks for the installed package that an install spells: by its own name
// first, then as a virtual package.
func (a *analyzer) find(m *manager, spelled string) (p sbom.Package, how match, why string) {
	doc := a.base.Set.Document()
	native := nativeArch(doc, m.packages)
	var other string
	for _, p := range doc.Packages {
		if p.Type != m.packages || !strings.Contains(spelled, p.Name) { // every spelling has the name in it
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
		// dnf installs a package of the very name where there is one, whatever else provides it.
		named := p.Type == sbom.RPM && !strings.ContainsAny(spelled, "/(")
		if p.Type == m.packages && !named && runsOn(p, native) && virtually(spelled, p) {
			return p, match{ok: true, virtual: true}, ""
		}
	}
	unready, ok := a.base.Set.Unready(baseName(spelled))
	switch {
	case ok && m.packages == sbom.Deb:
		return p, how, spelled + " is not installed: it is " + unready.State
	case other != "":
		return p, how, "the image has " + other + ", which is not " + spelled
	case !doc.Knows(sbom.Virtual):
		return p, how, spelled + " is not installed (of virtual packages the SBOM does not tell)"
	}
	return p, how, spelled + " is not installed"
}

// baseName is what an install spells, without a pin, for messages.
func baseName(spelled string) string {
	if i := strings.IndexAny(spelled, "=<>~@/:"); i > 0 {
		return spelled[:i]
	}
	return spelled
}

// virtually reports whether a package stands in for a name without a pin, or
// (RPM) has the file that is spelled. apt heeds that only where no package has
// the very name: perl-base provides libsocket-perl, and yet apt installs the
// newer libsocket-perl. What has the version of its package is but another name
// of it (libcurl4 of libcurl4t64).
func virtually(spelled string, p sbom.Package) bool {
	stands := func(v sbom.VirtualPackage) bool {
		return v.Name == spelled && (p.Type != sbom.Deb || v.Version == p.Version)
	}
	return slices.ContainsFunc(p.Provides, stands) ||
		p.Type == sbom.RPM && strings.HasPrefix(spelled, "/") && slices.Contains(p.Files, spelled)
}

func runsOn(p sbom.Package, native string) bool { return p.Arch == native || independent(p.Arch) }

func independent(arch string) bool { return arch == "" || arch == "all" || arch == "noarch" }

// nativeArch is the architecture of most packages of the type: a package that is
// there for another one only is not what an install means.
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

// spelledDeb is name[:arch][=version]; the rest of apt's grammar (a trailing - or +, /release, globs, tasks, files) is
// not understood unless a package has the very name.
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

// pinned is the match of an exact version; none is fine.
func pinned(version string, p sbom.Package) match {
	if version == "" {
		return match{ok: true}
	}
	return match{ok: version == p.Version, constraint: "= " + version, exact: true}
}

// spelledAPK is a name and, behind an operator, a version (apk-world(5)); tags
// (@edge) and conflicts (!name) are not understood.
var spelledAPK = regexp.MustCompile(`^((?:[a-z0-9.]+:)?[A-Za-z0-9_][A-Za-z0-9+._-]*)(?:(>=|<=|=|~|>|<)([0-9][0-9A-Za-z._-]*))?$`)

func matchAPK(spelled string, p sbom.Package) match {
	m := spelledAPK.FindStringSubmatch(spelled)
	if m == nil || m[1] != p.Name {
		return match{}
	}
	op, version := m[2], m[3]
	switch op {
	case "", "=":
		return pinned(version, p)
	case "~":
		rest, ok := strings.CutPrefix(p.Version, version)
		return match{ok: ok && (rest == "" || rest[0] == '.' || strings.HasPrefix(rest, "-r")), constraint: version + ".*"}
	}
	c, err := provides.Compare(provides.APK, p.Version, version)
	ok := err == nil && (c > 0 && op[0] == '>' || c < 0 && op[0] == '<' || c == 0 && strings.HasSuffix(op, "="))
	return match{ok: ok, constraint: op + " " + version}
}

// matchRPM compares with the spellings of name, epoch, version, release and
// architecture that dnf(8) lists; whatever else it takes is not understood.
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
