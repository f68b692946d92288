package extensions

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// versions are commands that only print something with these arguments.
var versions = map[string][]string{
	"curl": {"--version", "-V"}, "wget": {"--version", "-V"}, "git": {"--version", "version"}, "tree": {"--version"}, "jq": {"--version"},
	"openssl": {"version", "version -a"}, "node": {"--version", "-v"}, "npm": {"--version", "-v"}, "java": {"-version", "--version"},
	"javac": {"-version", "--version"}, "python3": {"--version", "-V"}, "python": {"--version", "-V"}, "perl": {"--version", "-v"},
	"ruby": {"--version", "-v"}, "php": {"--version", "-v"}, "gcc": {"--version"}, "g++": {"--version"}, "make": {"--version"},
	"bash": {"--version"}, "vim": {"--version"}, "ffmpeg": {"-version"}, "tar": {"--version"}, "gzip": {"--version"}, "xz": {"--version"},
	"rsync": {"--version"}, "ssh": {"-V"}, "cmake": {"--version"}, "psql": {"--version"}, "file": {"--version"},
}

// A reader is a command that only prints something with these options.
type reader struct {
	options  *regexp.Regexp // nil: any
	values   []string       // options with a value in the next word
	operands operands
}

// operands says for which operands a command succeeds.
type operands int

const (
	none     operands = iota // none allowed
	whatever                 // any
	files                    // existing regular files
	paths                    // existing files or directories
	formats                  // operands that start with "+"
	content                  // depends on the content of files
)

// readers are programs of coreutils, BusyBox and the like, according to their
// manuals.
var readers = map[string]reader{
	"cat": {options: regexp.MustCompile(`^-[AbeEnstTuv]+$`), operands: files}, "wc": {options: regexp.MustCompile(`^-[clmwL]+$`), operands: files},
	"head": {options: regexp.MustCompile(`^-(?:[nc]?[0-9]+|[nc]|[qv])$`), values: []string{"-n", "-c"}, operands: files},
	"tail": {options: regexp.MustCompile(`^-(?:[nc]?[0-9]+|[nc]|[qv])$`), values: []string{"-n", "-c"}, operands: files},
	"ls":   {operands: paths}, "stat": {values: []string{"-c", "--format", "--printf"}, operands: paths}, "realpath": {options: regexp.MustCompile(`^-[emqsz]+$`), operands: paths},
	"readlink": {operands: content}, "grep": {values: []string{"-e", "-m", "-A", "-B", "-C"}, operands: content}, "egrep": {operands: content}, "fgrep": {operands: content},
	"basename": {operands: whatever}, "dirname": {operands: whatever}, "pwd": {options: regexp.MustCompile(`^-[LP]$`)}, "whoami": {}, "arch": {}, "nproc": {options: regexp.MustCompile(`^--all$`)},
	"id": {options: regexp.MustCompile(`^-(?:[ugG]|[ugG]n|n[ugG])$`)}, "uname": {options: regexp.MustCompile(`^-[asnrvmpio]+$`)},
	"env": {options: regexp.MustCompile(`^$`)}, "printenv": {options: regexp.MustCompile(`^$`), operands: content}, "locale": {options: regexp.MustCompile(`^-[am]$`)},
	"md5sum": {options: regexp.MustCompile(`^-[bt]$`), operands: files}, "sha256sum": {options: regexp.MustCompile(`^-[bt]$`), operands: files},
	"getent": {options: regexp.MustCompile(`^$`), operands: content}, "cmp": {options: regexp.MustCompile(`^-s$`), operands: content}, "diff": {options: regexp.MustCompile(`^-[quNrbBw]+$`), operands: content},
	"df": {options: regexp.MustCompile(`^-[ahikPT]+$`)}, "du": {options: regexp.MustCompile(`^-[achksx]+$`), operands: paths},
	"date": {options: regexp.MustCompile(`^-[uRI]$`), operands: formats},
	"cut":  {operands: content}, "tr": {operands: whatever}, "cd": {options: regexp.MustCompile(`^$`), operands: paths},
}

// readOnly returns the finding for a reader.
func (a *analyzer) readOnly(r reader, name string, args []string) finding {
	var given []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case len(arg) < 2 || arg[0] != '-':
			given = append(given, arg)
		case r.options != nil && !r.options.MatchString(arg):
			return effect("%s %s is not understood", name, arg)
		case slices.Contains(r.values, arg):
			i++
		}
	}
	reason := name + " only prints"
	line := strings.Join(append([]string{name}, args...), " ")
	if r.operands == none && len(given) > 0 || name == "cd" && len(given) != 1 {
		return effect("%s is not understood", line)
	}
	if name == "cd" {
		reason = ""
	}
	for _, p := range given {
		switch {
		case r.operands == formats && p[:min(1, len(p))] != "+":
			return effect("%s is not understood", line)
		case r.operands == formats, r.operands == whatever || r.operands == paths && a.directory(p) || r.operands == files && p == "-":
		case r.operands == content, name == "cd", !a.readable(p):
			return uncertain(reason, line+" may fail")
		}
	}
	if r.operands == content {
		return uncertain(reason, line+" may fail")
	}
	return presumed(reason)
}

// Directories and files of every image with a shell and packages.
var (
	commonDirs = []string{
		"/", "/bin", "/sbin", "/lib", "/etc", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/var", "/var/lib", "/var/cache", "/var/log", "/tmp", "/var/tmp", "/dev", "/proc", "/sys",
	}
	commonFiles = []string{"/etc/os-release", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf", "/proc/cpuinfo", "/proc/meminfo", "/proc/version"}
)

// directory reports whether a directory exists.
func (a *analyzer) directory(p string) bool {
	if p == "" || p == "." {
		return p == "."
	}
	p = path.Clean(p)
	if slices.Contains(commonDirs, p) {
		return true
	}
	if a.base.Set == nil || !a.root() || !path.IsAbs(p) {
		return false
	}
	return slices.ContainsFunc(a.base.Set.Owners(p), func(pkg sbom.Package) bool {
		return slices.ContainsFunc(pkg.Files, func(f string) bool { return strings.HasPrefix(f, p+"/") })
	})
}

// readable reports whether a file exists.
func (a *analyzer) readable(p string) bool {
	switch {
	case slices.Contains(commonFiles, p):
		return true
	case a.base.Set == nil || !a.root() || path.Clean(p) != p || !path.IsAbs(p) || a.directory(p):
		return false
	}
	return len(a.base.Set.Owners(p)) > 0
}

// has reports whether the image has a command, by its file or by a package that
// always contains it.
func (a *analyzer) has(command string, packages ...string) bool {
	if a.base.Set == nil {
		return false
	}
	return a.base.Set.Answer("cmd:"+command, "").Met || slices.ContainsFunc(a.base.Set.Document().Packages, func(p sbom.Package) bool {
		return p.Type.OS() && slices.Contains(packages, p.Name)
	})
}

// lookUp returns the finding for command -v and similar commands, if recognized.
func (a *analyzer) lookUp(name string, args []string) (finding, bool) {
	line := strings.Join(append([]string{name}, args...), " ")
	if name == "command" {
		if len(args) != 2 || args[0] != "-v" && args[0] != "-V" {
			return finding{}, false
		}
		args = args[1:]
	}
	if len(args) != 1 || !isName.MatchString(args[0]) {
		return finding{}, false
	}
	a.proc.asked++
	f := a.reads(args[0], line)
	if f.status == mayBreak && !a.pinned && (name != "which" || a.has("which", "debianutils", "which")) && a.inPath(args[0]) {
		f.status = 0
	}
	return f, true
}

var isName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)

// inPath reports whether a shell finds a command that the image has. A command
// without a path in the inventory is assumed to be in a standard directory.
func (a *analyzer) inPath(command string) bool {
	searched, set, known := a.variable("PATH")
	if !known || !set {
		return known
	}
	dirs := strings.Split(searched, ":")
	in := func(dir string) bool { return slices.Contains(dirs, dir) || slices.Contains(dirs, dir+"/") }
	for _, p := range a.base.Set.Answer("cmd:"+command, "").By {
		for _, e := range p.Evidence {
			dir := path.Dir(e.Path)
			if e.Path == "" {
				return in("/usr/bin") && in("/bin")
			}
			if in(dir) || strings.HasPrefix(dir, "/usr/") && !strings.HasPrefix(dir, "/usr/local") && in(strings.TrimPrefix(dir, "/usr")) || in("/usr"+dir) {
				return true
			}
		}
	}
	return false
}

// reads returns the finding for a command that changes nothing if the image has it;
// otherwise the Dockerfile fails.
func (a *analyzer) reads(name, line string) finding {
	only := line + " only prints"
	if a.base.Set == nil {
		return uncertain(only, line+": no inventory says whether the image has "+name)
	}
	answer := a.base.Set.Answer("cmd:"+name, "")
	if !answer.Met {
		return uncertain(only, line+": the image "+answer.Reason)
	}
	r := Reliance{Image: a.dockerfile.Image, Name: "cmd:" + name, Extension: a.dockerfile.Extension}
	for _, e := range answer.By[0].Evidence {
		r.Evidence = append(r.Evidence, e.Pattern)
	}
	a.found.relies = append(a.found.relies, r)
	return presumed(only + "; " + answer.Reason + " is there")
}

// A packageQuery is a tool that queries a package database or package lists.
type packageQuery struct {
	manager *manager
	tool    string                    // the package that contains it
	names   *regexp.Regexp            // first words that take packages as operands and succeed if all are installed
	any     *regexp.Regexp            // first words that take other operands
	options *regexp.Regexp            // allowed options
	values  map[string]*regexp.Regexp // options with a value in the next word
}

var (
	showFormat  = regexp.MustCompile(`^[${}A-Za-z0-9_:;\\\-. =,]*$`)
	queryFormat = regexp.MustCompile(`^[%{}A-Za-z0-9_:\\\-. =,]*$`)
	dpkgQuery   = packageQuery{
		manager: apt, tool: "dpkg", names: regexp.MustCompile(`^(?:-[slLW]|--(?:status|list|listfiles|show))$`),
		any:     regexp.MustCompile(`^(?:-[Sp]|--(?:search|print-avail|print-architecture|print-foreign-architectures|get-selections|version))$`),
		options: regexp.MustCompile(`^(?:-f=?|--showformat=)` + showFormat.String()[1:]), values: map[string]*regexp.Regexp{"-f": showFormat},
	}
	rpmQuery = packageQuery{
		manager: dnf, tool: "rpm", names: regexp.MustCompile(`^(?:-q[ilRdcsv]*|--query)$`), any: regexp.MustCompile(`^(?:-q[ailRdcsvf]*|--version)$`),
		options: regexp.MustCompile(`^(?:--quiet|-[ilRdcsv]+|--(?:info|list|requires|provides|changelog|last)|--(?:qf|queryformat)=` + strings.Trim(queryFormat.String(), "^$") + `)$`),
		values:  map[string]*regexp.Regexp{"--qf": queryFormat, "--queryformat": queryFormat},
	}
	aptCache  = packageQuery{manager: apt, tool: "apt", names: regexp.MustCompile(`^show$`), any: regexp.MustCompile(`^(?:policy|showpkg|search|depends|rdepends|madison|pkgnames|stats)$`)}
	aptMark   = packageQuery{manager: apt, tool: "apt", any: regexp.MustCompile(`^(?:showmanual|showauto|showhold)$`)}
	aptConfig = packageQuery{manager: apt, tool: "apt", any: regexp.MustCompile(`^dump$`)}

	packageQueries = map[string]packageQuery{"dpkg": dpkgQuery, "dpkg-query": dpkgQuery, "rpm": rpmQuery, "apt-cache": aptCache, "apt-mark": aptMark, "apt-config": aptConfig}
)

// query returns the finding for a query of a package database, if recognized.
func (a *analyzer) query(name string, args []string) (finding, bool) {
	q := packageQueries[name]
	if len(args) == 0 {
		return finding{}, false
	}
	byName := q.names != nil && q.names.MatchString(args[0])
	if !byName && !q.any.MatchString(args[0]) {
		return finding{}, false
	}
	var given []string
	for i := 1; i < len(args); i++ {
		arg := args[i]
		value, ok := q.values[arg]
		switch {
		case ok && i+1 < len(args) && value.MatchString(args[i+1]):
			i++
		case q.options != nil && q.options.MatchString(arg) && !ok:
		case strings.HasPrefix(arg, "-"):
			return finding{}, false
		default:
			given = append(given, arg)
		}
	}
	return a.asks(q.manager, q.tool, strings.Join(append([]string{name}, args...), " "), given, byName), true
}

// asks returns the finding for a query about packages. If byName is set, it
// succeeds if they are installed.
func (a *analyzer) asks(m *manager, tool, line string, given []string, byName bool) finding {
	reason := line + " only prints"
	if byName {
		a.proc.asked++
	}
	switch {
	case a.base.Set == nil:
		return uncertain(reason, line+": no inventory says what the image has")
	case !a.uses(m.packages):
		return uncertain(reason, line+": the image has no "+string(m.packages)+" packages")
	case len(given) == 0 || strings.HasPrefix(line, "apt-cache policy "):
		return presumed(reason)
	case !byName:
		return uncertain(reason, line+" may fail")
	}
	return a.installed(m, tool, line, given)
}

// plainPackage matches a name without a version.
var plainPackage = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]*(?::[a-z0-9]+)?$`)

// installed returns the finding for a query that succeeds if packages are
// installed.
func (a *analyzer) installed(m *manager, tool, line string, names []string) finding {
	reason := line + " only prints"
	var there []string
	for _, name := range names {
		p, how, why := a.find(m, name)
		if why != "" || how.virtual || how.constraint != "" || !plainPackage.MatchString(name) {
			return uncertain(reason, line+": "+cmp.Or(why, name+" may not be installed"))
		}
		there = append(there, p.Name+" "+p.Version)
		a.found.relies = append(a.found.relies, Reliance{
			Image: a.dockerfile.Image, Name: p.Name, Rule: provides.RuleOf(p.Type), Evidence: []string{provides.PatternOf(p)}, Extension: a.dockerfile.Extension,
		})
	}
	f := presumed(reason + ": " + strings.Join(there, ", ") + areInstalled(len(there)))
	if !a.pinned && a.has(strings.TrimSuffix(tool, "-tools"), tool) {
		f.status = 0
	}
	return f
}
