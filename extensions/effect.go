package extensions

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// An analysis is the proof by effect: what each instruction of a Dockerfile would
// change. Everything unrecognized counts as a change.
type analysis struct {
	instructions []Instruction
	findings     []finding // one for each instruction
	effect       bool      // an instruction has an effect
	relies       []Reliance
	loose        []string // installed packages, with versions, of unpinned installs
}

// reasons returns the instructions that have an effect.
func (e analysis) reasons() []string {
	var all []string
	for _, i := range e.instructions {
		if i.Effect {
			all = append(all, fmt.Sprintf("line %d: %s", i.Line, i.Reason))
		}
	}
	return all
}

// beyond returns what no other image can make unnecessary under the given proof.
func (e analysis) beyond(enough Proof, p proof) []string {
	if enough == ByPlan && p.can {
		return nil
	}
	byPlan := enough == Installs && p.can
	var all []string
	for i, f := range e.findings {
		if f.effect && !f.depends && (!f.managed || f.lacks == nil && !byPlan) {
			all = append(all, fmt.Sprintf("line %d: %s", e.instructions[i].Line, e.instructions[i].Reason))
		}
	}
	return all
}

// unpinned returns a note on the packages for which no newer version is looked up.
// With a proof by plan, the packages that meet it are listed instead of those that
// would be added.
func (e analysis) unpinned(p proof) []string {
	there := slices.Clone(e.loose)
	for _, f := range e.findings {
		if slices.ContainsFunc(f.adds, func(a added) bool { return !a.pinned() }) {
			there = append(there, p.there...)
		}
	}
	slices.Sort(there)
	if there = slices.Compact(there); len(there) == 0 {
		return nil
	}
	is := "is"
	if len(there) > 1 {
		is = "are"
	}
	return []string{fmt.Sprintf("unpinned installs do not look for newer versions: %s %s already installed", strings.Join(there, ", "), is)}
}

// Build args that the extender passes. Their values are unknown or not comparable
// here, so each is represented by a placeholder with a NUL, which no text of a
// Dockerfile contains.
var predefined = map[string]string{
	"base_image": "\x00base_image", "build_id": "\x00build_id", "user_id": "\x00user_id", "group_id": "\x00group_id",
}

// An analyzer walks through a Dockerfile and keeps the state that later
// instructions depend on.
type analyzer struct {
	dockerfile *Dockerfile
	base       Base
	pinned     bool   // an unpinned install counts as an effect
	old        string // why an unpinned install counts as an effect on this image; may be empty

	args  map[string]string // build args with a value
	env   map[string]string // the image's environment, and ENV
	vague map[string]bool   // variables with an unknown value
	user  string            // "": as in the image
	shell []string
	proc  process // of the current RUN
	found analysis
}

// analyze returns what a Dockerfile would change in its base image.
func (c *Case) analyze(d *Dockerfile, base Base, enough Proof) analysis {
	a := &analyzer{dockerfile: d, base: base, pinned: enough == Strict, old: c.tooOld(base), args: map[string]string{}, env: map[string]string{}, vague: map[string]bool{}}
	if own := base.Config; own != nil {
		for _, variable := range own.Env {
			name, value, _ := strings.Cut(variable, "=")
			a.env[name] = value
		}
		a.user = own.User
		a.shell = own.Shell
	}
	if len(a.shell) == 0 {
		a.shell = []string{"/bin/sh", "-c"}
	}
	for _, cmd := range d.commands {
		a.found.findings = append(a.found.findings, a.instruction(cmd))
	}
	a.users()
	for i, f := range a.found.findings {
		for k, l := range f.lacks {
			f.lacks[k] = printable(l)
		}
		cmd := d.commands[i]
		a.found.instructions = append(a.found.instructions, Instruction{
			Line: lineOf(cmd.Location()), Text: text(cmd), Effect: f.effect, Reason: printable(f.reason), Lacks: f.lacks, Manager: f.managed,
			Expanded: slices.ContainsFunc(f.lacks, func(l string) bool { return !strings.Contains(text(cmd), l) }),
		})
	}
	a.found.effect = join(a.found.findings...).effect
	return a.found
}

// text returns an instruction as it was written.
func text(cmd instructions.Command) string {
	if s, ok := cmd.(fmt.Stringer); ok {
		return s.String()
	}
	return strings.ToUpper(cmd.Name())
}

// Instructions returns the instructions after FROM as they are written, with all of their lines and without their
// effects.
func (d *Dockerfile) Instructions() (all []Instruction) {
	lines := strings.Split(string(d.Content), "\n")
	for _, cmd := range d.commands {
		location := cmd.Location()
		if len(location) == 0 {
			continue
		}
		first, last := lineOf(location), location[len(location)-1].End.Line
		all = append(all, Instruction{Line: first, Text: strings.Join(lines[first-1:min(last, len(lines))], "\n")})
	}
	return all
}

// printable replaces placeholders by the variables they stand for.
func printable(s string) string {
	for _, name := range slices.Sorted(maps.Keys(predefined)) {
		s = strings.ReplaceAll(s, predefined[name], "${"+name+"}")
	}
	return s
}

func (a *analyzer) instruction(cmd instructions.Command) finding {
	switch c := cmd.(type) {
	case *instructions.ArgCommand:
		return a.arg(c)
	case *instructions.EnvCommand:
		return a.setEnv(c.Env)
	case *instructions.LabelCommand:
		return a.label(c.Labels)
	case *instructions.UserCommand:
		return a.setUser(c.User)
	case *instructions.WorkdirCommand:
		return a.workdir(c.Path)
	case *instructions.ShellCommand:
		return a.setShell(c.Shell)
	case *instructions.RunCommand:
		return a.run(c)
	case *instructions.AddCommand, *instructions.CopyCommand:
		return effect("puts files into the image")
	}
	return a.runtime(cmd)
}

// variable returns the value of a variable in RUN and in words of other
// instructions: ENV wins over ARG (Dockerfile reference, "Using ARG variables").
func (a *analyzer) variable(name string) (value string, set, known bool) {
	if a.vague[name] {
		return "", false, false
	}
	if value, ok := a.env[name]; ok {
		return value, true, true
	}
	value, ok := a.args[name]
	switch {
	case ok && predefined[name] != "":
		return value, true, true
	case a.base.Config == nil: // the image's environment may set it too
		return "", false, false
	}
	return value, ok, true
}

// word expands the variables of a word. ok is false if a value is unknown.
func (a *analyzer) word(w string) (value string, ok bool) {
	value, known, err := expandWord(a.dockerfile.escape, w, a.variable)
	return value, known && err == nil
}

// arg declares build args, which are part of the environment of every later RUN.
func (a *analyzer) arg(c *instructions.ArgCommand) finding {
	for _, pair := range c.Args {
		name := pair.Key
		switch {
		case influential(name):
			a.vague[name] = true
			return effect("%s would influence the commands that follow", name)
		case shellOwned(name):
			a.vague[name] = true
			return effect("%s is managed by the shell, which may ignore the value", name)
		}
		value, passed := a.dockerfile.passed(name)
		inherited, inherits := a.dockerfile.meta[name]
		switch {
		case passed && predefined[name] != "":
			a.vague[name] = true // the specification does not say which value wins
		case passed:
			a.args[name] = value
		case predefined[name] != "":
			a.args[name] = predefined[name]
		case platformArg(name):
			a.vague[name] = true // builders set it themselves
		case pair.Value != nil:
			var ok bool
			if a.args[name], ok = a.word(*pair.Value); !ok {
				a.vague[name] = true
			}
		case inherits:
			a.args[name] = inherited
		}
	}
	return noEffect("declares a build arg")
}

// influential reports whether shells, linkers, package managers or readers use the
// variable: with some, even java -version writes a file.
func influential(name string) bool {
	switch name {
	case "PATH", "IFS", "ENV", "PS4", "CDPATH", "SHELLOPTS", "POSIXLY_CORRECT", "HOME", "TMPDIR",
		"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JDK_JAVAC_OPTIONS", "_JAVA_OPTIONS", "NODE_OPTIONS", "NODE_V8_COVERAGE", "RUBYOPT", "RUBYLIB",
		"PHPRC", "PHP_INI_SCAN_DIR", "GODEBUG", "GOCOVERDIR", "OPENSSL_CONF", "SSLKEYLOGFILE", "WGETRC", "SYSTEM_WGETRC", "CURL_HOME", "VIMINIT", "FFREPORT",
		"GCONV_PATH", "LOCPATH", "NLSPATH", "TZDIR", "LESSOPEN", "LESSCLOSE", "PAGER", "EDITOR", "VISUAL", "TAR_OPTIONS", "GREP_OPTIONS", "LIBREPO_DEBUG_ADNU":
		return true
	}
	for _, prefix := range []string{"GIT_TRACE", "GIT_CONFIG", "GIT_EXEC", "npm_config_", "NPM_CONFIG_", "MALLOC_", "BASH", "LD_", "GLIBC_", "APT_", "DPKG_", "APK_", "RPM", "DNF", "LIBDNF", "YUM", "ZYPP", "TDNF", "XDG_", "OPENSSL_", "DEBCONF_DB", "SOLV_", "PYTHON", "PERL"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// shellOwned reports whether shells set the variable themselves or use it for their
// own purposes, so that its effect differs between shells. Dash exits at an OPTIND
// that is not a number; UID is bash's.
func shellOwned(name string) bool {
	switch name {
	case "UID", "EUID", "PPID", "GROUPS", "PWD", "OLDPWD", "OPTIND", "OPTARG", "OPTERR", "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME",
		"LINENO", "FUNCNAME", "DIRSTACK", "PIPESTATUS", "SHLVL", "SHELL", "REPLY", "MAPFILE", "COPROC", "TIMEFORMAT", "TMOUT", "COLUMNS", "LINES",
		"PROMPT_COMMAND", "IGNOREEOF", "FIGNORE", "FCEDIT", "GLOBIGNORE", "EXECIGNORE", "INPUTRC", "INSIDE_EMACS", "CHILD_MAX", "ATTY", "auto_resume", "histchars", "_",
		"PS0", "PS1", "PS2", "PS3", "HOSTNAME", "HOSTTYPE", "OSTYPE", "MACHTYPE", "MAIL", "MAILCHECK", "MAILPATH", "COMPREPLY", "FUNCNEST", "EMACS":
		return true
	}
	for _, prefix := range []string{"HIST", "COMP_", "READLINE_", "KSH_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func platformArg(name string) bool {
	return strings.HasPrefix(name, "TARGET") || strings.HasPrefix(name, "BUILDKIT_") || strings.HasSuffix(strings.ToLower(name), "_proxy") ||
		slices.Contains([]string{"BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"}, name)
}

func (a *analyzer) setEnv(pairs instructions.KeyValuePairs) finding {
	var found []finding
	type change struct {
		name, value string
		ok          bool
	}
	var changes []change // variables of one instruction do not see each other
	for _, pair := range pairs {
		name, okName := a.word(pair.Key)
		value, okValue := a.word(pair.Value)
		changes = append(changes, change{name, value, okName && okValue})
	}
	for _, c := range changes {
		found = append(found, a.envChange(c.name, c.value, c.ok))
		a.env[c.name] = c.value
		a.vague[c.name] = !c.ok
	}
	return join(found...)
}

// envChange returns the finding for one variable of ENV.
func (a *analyzer) envChange(name, value string, known bool) finding {
	has, ok := a.env[name]
	switch {
	case a.base.Config == nil:
		return imageEffect("the image's environment is not known")
	case !known:
		return effect("the value of %s is unknown", name)
	case !ok:
		return imageEffect("the image has no %s", name)
	case has != value:
		return imageEffect("the image has %s=%s", name, has)
	}
	return noEffect("the image has it already")
}

// rebasable is the label that declares whether the image can be rebased.
const rebasable = "io.buildpacks.rebasable"

func (a *analyzer) label(pairs instructions.KeyValuePairs) finding {
	var found []finding
	for _, pair := range pairs {
		found = append(found, a.labelChange(pair))
	}
	return join(found...)
}

// labelChange returns the finding for one label.
func (a *analyzer) labelChange(pair instructions.KeyValuePair) finding {
	name, okName := a.word(pair.Key)
	value, okValue := a.word(pair.Value)
	ok := okName && okValue
	switch {
	case ok && name == rebasable && value == "true":
		return noEffect("without new layers the image stays rebasable")
	case ok && name == rebasable:
		return effect("the image would no longer be rebasable")
	case a.base.Config == nil:
		return imageEffect("the image's labels are not known")
	case !ok:
		return effect("the value of the label is unknown")
	}
	switch has, there := a.base.Config.Labels[name]; {
	case !there:
		return imageEffect("the image has no label %s", name)
	case has != value:
		return imageEffect("the image has %s=%s", name, has)
	}
	return noEffect("the image has it already")
}

func (a *analyzer) workdir(dir string) finding {
	dir, ok := a.word(dir)
	if a.base.Config == nil || !ok {
		return imageEffect("the current or the new working directory is unknown")
	}
	has := path.Clean("/" + a.base.Config.WorkingDir)
	if !path.IsAbs(dir) {
		dir = path.Join(has, dir)
	}
	if path.Clean(dir) != has {
		return imageEffect("the image's working directory is %s", has)
	}
	return noEffect("is the image's working directory already")
}

func (a *analyzer) setShell(shell []string) finding {
	same := a.base.Config != nil && slices.Equal(shell, a.shell)
	a.shell = shell
	switch {
	case same:
		return noEffect("is the image's shell already")
	case a.base.Config == nil || a.foreignShell() != "":
		return imageEffect("changes the image's shell")
	}
	return noEffect("only sets the shell for later instructions")
}

// setUser records the user; [analyzer.users] decides on the effect at the end.
func (a *analyzer) setUser(user string) finding {
	user, ok := a.word(user)
	if !ok || user == "" {
		a.user = "an unknown user"
		return effect("the user is unknown")
	}
	a.user = user
	return noEffect("")
}

// users completes the findings for USER: the last one has an effect unless it
// restores the image's user.
func (a *analyzer) users() {
	last := -1
	for i, cmd := range a.dockerfile.commands {
		if _, ok := cmd.(*instructions.UserCommand); !ok {
			continue
		}
		if f := &a.found.findings[i]; !f.effect {
			f.reason = "another USER follows"
		}
		last = i
	}
	if last < 0 || a.found.findings[last].effect {
		return
	}
	f := &a.found.findings[last]
	switch own := a.base.Config; {
	case a.user == predefined["user_id"] && own != nil && strings.Contains(own.User, ":"):
		*f = imageEffect("ends without the group of the image's own user, %s; end with USER ${user_id}:${group_id}", own.User)
	case a.user == predefined["user_id"] || a.user == predefined["user_id"]+":"+predefined["group_id"]:
		*f = noEffect("ends as the image's own user") // the purpose of these build args
	case own == nil:
		*f = imageEffect("the image's user is not known; end with USER ${user_id}")
	case a.sameUser():
		*f = noEffect("ends as the image's own user, %s", own.User)
	default:
		*f = imageEffect("ends as %s, the image's own user is %s", a.user, orRoot(own.User))
	}
}

// sameUser compares the final user with the image's. user_id and group_id are
// replaced by the image's numbers, if it has numbers.
func (a *analyzer) sameUser() bool {
	uid, gid, _ := strings.Cut(a.base.Config.User, ":")
	user := a.user
	for name, id := range map[string]string{"user_id": uid, "group_id": gid} {
		if id != "" && strings.Trim(id, "0123456789") == "" {
			user = strings.ReplaceAll(user, predefined[name], id)
		}
	}
	return user == a.base.Config.User
}

// root reports whether commands run as root at this point.
func (a *analyzer) root() bool {
	user := a.user
	if user == predefined["user_id"] || user == predefined["user_id"]+":"+predefined["group_id"] {
		if a.base.Config == nil {
			return false
		}
		user = a.base.Config.User
	}
	if user == "" {
		return a.base.Config != nil
	}
	name, _, _ := strings.Cut(user, ":")
	return name == "root" || name == "0"
}

func orRoot(user string) string {
	if user == "" {
		return "root"
	}
	return user
}
