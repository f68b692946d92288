package extensions

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// commandName returns the name of a program that is called by name or by its path
// in a system directory, or "".
func commandName(word string) string {
	if !strings.Contains(word, "/") {
		return word
	}
	switch dir, name := path.Split(word); dir {
	case "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/":
		return name
	}
	return ""
}

// command returns the finding for a command with known words.
func (a *analyzer) command(words []string) finding {
	if len(words) == 0 {
		return effect("no command")
	}
	word, args := words[0], words[1:]
	name := commandName(word)
	if m, ok := managers[name]; ok {
		return a.manage(m, name, args)
	}
	switch name {
	case "set":
		return a.setOptions(args)
	case "exit":
		return a.exits(args)
	case "rm":
		return a.remove(args)
	case "ldconfig":
		return a.ldconfig(args)
	case "echo", "true", ":":
		return noEffect("%s changes nothing", name)
	case "false":
		return noEffect("false changes nothing").with(mayFail|mustFail, "false fails")
	case "test":
		return a.test(args)
	case "[":
		if n := len(args); n > 0 && args[n-1] == "]" {
			return a.test(args[:n-1])
		}
	case "command", "type", "hash", "which":
		if f, ok := a.lookUp(name, args); ok {
			return f
		}
	case "dpkg", "dpkg-query", "rpm", "apt-cache", "apt-mark", "apt-config":
		if f, ok := a.query(name, args); ok {
			return f
		}
	}
	if slices.Contains(versions[name], strings.Join(args, " ")) {
		return a.reads(name, strings.Join(words, " "))
	}
	if r, ok := readers[name]; ok {
		return a.readOnly(r, name, args)
	}
	return effect("%s is not understood", word)
}

// setOptions returns the finding for set with options that only stop or trace a
// script.
func (a *analyzer) setOptions(args []string) finding {
	f := noEffect("")
	for i, o := range args {
		follows := i > 0 && strings.HasSuffix(args[i-1], "o")
		switch {
		case follows && slices.Contains([]string{"pipefail", "errexit", "nounset", "xtrace"}, o):
			a.proc.errexit = a.proc.errexit || o == "errexit"
			a.proc.nounset = a.proc.nounset || o == "nounset"
			if o == "pipefail" && args[i-1][0] == '-' {
				a.proc.pipefail = true
				if !a.knowsPipefail() {
					a.die("set: the image's shell may not have the option pipefail")
				}
			}
		case len(o) > 1 && (o[0] == '-' || o[0] == '+') && strings.Trim(o[1:], "euxo") == "":
			a.proc.errexit = a.proc.errexit || strings.Contains(o, "e")
			a.proc.nounset = a.proc.nounset || strings.Contains(o, "u")
		default:
			return effect("set %s is not understood", o)
		}
	}
	return f
}

var failure = regexp.MustCompile(`^(?:[1-9][0-9]?|1[0-9][0-9])$`)

// exits returns the finding for exit with a failure. Commands after it are analyzed
// all the same.
func (a *analyzer) exits(args []string) finding {
	if len(args) != 1 || !failure.MatchString(args[0]) {
		return effect("exit %s is not understood: what follows may not run", strings.Join(args, " "))
	}
	doubt := "exit " + args[0] + " may end the build"
	a.die(doubt)
	return noEffect("").with(mayFail|mustFail, doubt)
}

// cleanable are caches of package managers, which do not count as content of an
// image.
var cleanable = []string{
	"/var/lib/apt/lists", "/var/lib/apt/lists/*", "/var/lib/apt/lists/partial", "/var/lib/apt/lists/partial/*",
	"/var/cache/apt", "/var/cache/apt/*", "/var/cache/apt/*.bin", "/var/cache/apt/archives", "/var/cache/apt/archives/*", "/var/cache/apt/archives/*.deb",
	"/var/cache/apt/archives/partial", "/var/cache/apt/archives/partial/*", "/var/cache/apt/pkgcache.bin", "/var/cache/apt/srcpkgcache.bin",
	"/var/cache/apk", "/var/cache/apk/*", "/var/cache/dnf", "/var/cache/dnf/*", "/var/cache/libdnf5", "/var/cache/libdnf5/*", "/var/cache/yum", "/var/cache/yum/*",
	"/var/cache/tdnf", "/var/cache/tdnf/*", "/var/cache/zypp", "/var/cache/zypp/*",
	"/var/log/apt/*", "/var/log/zypp/*",
}

// scratch matches files directly in a directory for temporary files or logs. The
// directories themselves are content, and deeper paths may lead through a link.
var scratch = regexp.MustCompile(`^/(?:tmp|var/tmp|var/log)/(?:\*|[A-Za-z0-9_][A-Za-z0-9_.+*?-]*)$`)

func (a *analyzer) remove(args []string) finding {
	force, recursive, logs, operands := false, false, false, false
	var odd []finding
	for _, arg := range args {
		flags, ok := strings.CutPrefix(arg, "-")
		switch {
		case operands && ok:
			odd = append(odd, effect("rm: %s is not a cache of a package manager", arg))
		case ok && flags != "" && strings.Trim(flags, "rRfv") == "":
			force = force || strings.Contains(flags, "f")
			recursive = recursive || strings.ContainsAny(flags, "rR")
		case arg == "--":
			operands = true
		case arg == "--verbose":
		case arg == "--recursive", arg == "--force":
			force, recursive = force || arg == "--force", recursive || arg == "--recursive"
		case slices.Contains(cleanable, strings.TrimSuffix(arg, "/")):
		case scratch.MatchString(arg):
			logs = true
		default:
			odd = append(odd, effect("rm: %s is not a cache of a package manager", arg))
		}
	}
	if odd != nil {
		return join(odd...)
	}
	f := noEffect("rm: only package lists and caches")
	if logs {
		f = noEffect("rm: only caches, logs and temporary files")
	}
	switch {
	case !a.root():
		return imageEffect("rm: runs as %s, which lacks the permission", a.userName())
	case force && recursive:
		return f
	case !logs:
		return presumed(f.reason)
	}
	return uncertain(f.reason, "rm: fails on missing files and on directories")
}

// ldconfig returns the finding for a new library cache. Package managers keep it up
// to date; other installers may not.
func (a *analyzer) ldconfig(args []string) finding {
	if line := strings.Join(args, " "); line != "" && line != "-v" && line != "-p" {
		return effect("ldconfig %s is not understood", line)
	}
	switch {
	case a.base.Set == nil:
		return imageEffect("ldconfig: no inventory says which libraries the image has")
	case !a.root():
		return imageEffect("ldconfig: runs as %s, which lacks the permission", a.userName())
	}
	for _, file := range a.base.Set.Document().Files {
		if strings.HasSuffix(file, ".so") || strings.Contains(file, ".so.") || strings.HasPrefix(file, "/etc/ld.so.conf") {
			return imageEffect("ldconfig: the cache may lack %s, which no package owns", file)
		}
	}
	return presumed("ldconfig: the cache has the packages' libraries")
}

func (a *analyzer) userName() string {
	switch {
	case a.user != "":
		return a.user
	case a.base.Config == nil:
		return "the image's user, which is unknown"
	}
	return "root"
}
