package extensions

import (
	"path"
	"slices"
	"strings"
)

// commandName is the name of a program that is called by it, or by its path in
// one of the folders of the system's own programs.
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

// command is the finding on a command whose words are known.
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
		return setOptions(args)
	case "rm":
		return a.remove(args)
	case "echo", "true", ":":
		return noEffect("%s changes nothing", name)
	}
	if slices.ContainsFunc(readers[name], func(known string) bool { return known == strings.Join(args, " ") }) {
		return a.reads(name, strings.Join(words, " "))
	}
	if name == "command" && len(args) == 2 && args[0] == "-v" {
		return a.reads(args[1], strings.Join(words, " "))
	}
	return effect("%s is not understood", word)
}

// setOptions is the finding on set: options that only stop a script or show it.
func setOptions(args []string) finding {
	for i, o := range args {
		follows := i > 0 && strings.HasSuffix(args[i-1], "o")
		switch {
		case follows && slices.Contains([]string{"pipefail", "errexit", "nounset", "xtrace"}, o):
		case len(o) > 1 && (o[0] == '-' || o[0] == '+') && strings.Trim(o[1:], "euxo") == "":
		default:
			return effect("set %s is not understood", o)
		}
	}
	return noEffect("")
}

// cleanable are caches of package managers: what lies there is no content of an image.
var cleanable = []string{
	"/var/lib/apt/lists", "/var/lib/apt/lists/*", "/var/lib/apt/lists/partial/*",
	"/var/cache/apt", "/var/cache/apt/*", "/var/cache/apt/archives", "/var/cache/apt/archives/*", "/var/cache/apt/archives/*.deb",
	"/var/cache/apk", "/var/cache/apk/*", "/var/cache/dnf", "/var/cache/dnf/*", "/var/cache/yum", "/var/cache/yum/*",
	"/var/cache/tdnf", "/var/cache/tdnf/*", "/var/cache/zypp", "/var/cache/zypp/*",
}

func (a *analyzer) remove(args []string) finding {
	for _, arg := range args {
		if flags, ok := strings.CutPrefix(arg, "-"); ok && flags != "" && strings.Trim(flags, "rRfv") == "" || arg == "--recursive" || arg == "--force" {
			continue
		}
		if !slices.Contains(cleanable, strings.TrimSuffix(arg, "/")) {
			return effect("rm: %s is no cache of a package manager", arg)
		}
	}
	if !a.root() {
		return imageEffect("rm: runs as %s, who may not do that", a.userName())
	}
	return noEffect("rm: only package lists and caches")
}

func (a *analyzer) userName() string {
	switch {
	case a.user != "":
		return a.user
	case a.base.Config == nil:
		return "the image's user, who is not known"
	}
	return "root"
}

// readers are commands that with these arguments only print something.
var readers = map[string][]string{
	"curl": {"--version", "-V"}, "wget": {"--version", "-V"}, "git": {"--version", "version"}, "tree": {"--version"}, "jq": {"--version"},
	"openssl": {"version", "version -a"}, "node": {"--version", "-v"}, "npm": {"--version", "-v"}, "java": {"-version", "--version"},
	"javac": {"-version", "--version"}, "python3": {"--version", "-V"}, "python": {"--version", "-V"}, "perl": {"--version", "-v"},
	"ruby": {"--version", "-v"}, "php": {"--version", "-v"}, "go": {"version"}, "gcc": {"--version"}, "make": {"--version"},
	"bash": {"--version"}, "vim": {"--version"}, "ffmpeg": {"-version"}, "id": {"", "-u", "-g", "-un"}, "whoami": {""}, "uname": {"", "-a", "-m", "-r", "-s"},
}

// reads is the finding on a command that changes nothing, if there is one: else
// it fails, and the Dockerfile with it.
func (a *analyzer) reads(name, line string) finding {
	if a.base.Set == nil {
		return imageEffect("%s: no inventory says whether the image has %s", line, name)
	}
	answer := a.base.Set.Answer("cmd:"+name, "")
	if !answer.Met {
		return imageEffect("%s: the image %s", line, answer.Reason)
	}
	r := Reliance{Image: a.dockerfile.Image, Name: "cmd:" + name, Extension: a.dockerfile.Extension}
	for _, e := range answer.By[0].Evidence {
		r.Evidence = append(r.Evidence, e.Pattern)
	}
	a.found.relies = append(a.found.relies, r)
	return noEffect("%s only prints; %s is there", line, answer.Reason)
}
