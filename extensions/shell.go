package extensions

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/baseplan/baseplan/sbom"
)

// run returns the finding for a RUN instruction.
func (a *analyzer) run(c *instructions.RunCommand) finding {
	if doubt := a.flags(c); doubt != "" {
		return effect("%s", doubt)
	}
	switch {
	case !c.PrependShell && len(c.Files) > 0:
		return effect("a here-document in a list of words is not understood")
	case !c.PrependShell && len(c.CmdLine) > 0 && slices.Contains(builtins, c.CmdLine[0]):
		return effect("%s is a shell builtin, not a program", c.CmdLine[0])
	case !c.PrependShell:
		a.proc = process{vars: map[string]local{}}
		return a.finish(a.command(c.CmdLine))
	case a.foreignShell() != "":
		return effect("%s", a.foreignShell())
	case len(c.CmdLine) != 1:
		return effect("a command line of several pieces is not understood")
	case len(c.Files) == 0:
		return a.script(c.CmdLine[0])
	case len(c.Files) > 1 || !strings.HasPrefix(c.CmdLine[0], "<<") || parser.MustParseHeredoc(c.CmdLine[0]) == nil:
		return effect("a here-document that is not the script itself is not understood")
	}
	script := c.Files[0].Data
	if c.Files[0].Chomp {
		script = parser.ChompHeredocContent(script)
	}
	if strings.HasPrefix(script, "#!") {
		return effect("a script with an interpreter of its own is not understood")
	}
	return a.script(script)
}

// mountable are directories whose content does not matter, so a mount over one does
// not change the effect of a command. A mount over another one, such as a package
// database, may.
var mountable = []string{"/tmp", "/var/tmp", "/var/cache/apt", "/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum", "/var/cache/tdnf", "/var/cache/zypp", "/var/cache/apk", "/var/lib/apt/lists", "/root/.cache"}

// flags returns what is not recognized in the flags of a RUN, or "".
func (a *analyzer) flags(c *instructions.RunCommand) string {
	for _, flag := range c.FlagsUsed {
		if flag != "mount" {
			return fmt.Sprintf("RUN --%s is not understood", flag)
		}
	}
	known := true
	err := c.Expand(func(word string) (string, error) {
		value, ok := a.word(word)
		known = known && ok
		return value, nil
	})
	if err != nil || !known {
		return "RUN --mount: the mounts are unknown"
	}
	for _, m := range instructions.GetMounts(c) {
		plain := m.From == "" && m.Source == "" && (m.Type == instructions.MountTypeCache || m.Type == instructions.MountTypeTmpfs)
		if !plain || !slices.ContainsFunc(mountable, func(dir string) bool { return m.Target == dir || strings.HasPrefix(path.Clean(m.Target), dir+"/") }) {
			return fmt.Sprintf("RUN --mount=type=%s,target=%s is not understood", m.Type, m.Target)
		}
	}
	return ""
}

// builtins are commands that exist only in shells.
var builtins = []string{"set", "command", ":", "exit", "cd", "type", "hash", "export"}

// standardShell reports whether the shell follows POSIX. Only options that stop at
// failures are allowed.
func standardShell(shell []string) bool {
	if len(shell) < 2 || !slices.Contains([]string{"sh", "bash", "dash", "ash", "/bin/sh", "/bin/bash", "/bin/dash", "/bin/ash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/dash"}, shell[0]) {
		return false
	}
	options := shell[1:]
	if !strings.HasSuffix(options[len(options)-1], "c") {
		return false
	}
	for i, o := range options {
		if flags, ok := strings.CutPrefix(o, "-"); ok && flags != "" && strings.Trim(flags, "euxoc") == "" {
			continue
		}
		if o != "pipefail" || i == 0 || !strings.HasSuffix(options[i-1], "o") {
			return false
		}
	}
	return true
}

// foreignShell returns what is unknown about the shell of RUN, or "".
func (a *analyzer) foreignShell() string {
	name := path.Base(a.shell[0])
	own := a.base.Config != nil && slices.Equal(a.shell, a.base.Config.Shell)
	switch {
	case !standardShell(a.shell):
		return "the shell " + strings.Join(a.shell, " ") + " is not understood"
	case name != "sh" && !own && !a.has(name, map[string]string{"ash": "busybox", "bash": "bash", "dash": "dash"}[name]):
		return "the shell " + a.shell[0] + " may not be in the image"
	case slices.Contains(a.shell, "pipefail") && !a.knowsPipefail():
		return "the shell " + a.shell[0] + " may not have the option pipefail"
	}
	return ""
}

// knowsPipefail reports whether the shell supports pipefail; Debian's sh does only
// in recent releases.
func (a *analyzer) knowsPipefail() bool {
	if len(a.shell) == 0 {
		return false
	}
	switch path.Base(a.shell[0]) {
	case "bash", "ash":
		return true
	case "sh":
		return a.base.Set != nil && !a.uses(sbom.Deb)
	}
	return false
}

// maxScript limits the nesting depth of a script.
const maxScript = 64 << 10

// script returns the finding for a shell script: no effect if none of its commands
// has one. It is parsed as POSIX shell, so syntax of specific shells counts as an
// effect.
func (a *analyzer) script(text string) finding {
	if len(text) > maxScript {
		return effect("a script of more than %d bytes is not analyzed", maxScript)
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
	if err != nil {
		return effect("cannot parse the script: %v", err)
	}
	a.proc = a.newProcess()
	return a.finish(a.statements(file.Stmts))
}

// harmless reports whether r redirects to /dev/null or to an existing output.
func harmless(r *syntax.Redirect) bool {
	if r.Word == nil || r.Hdoc != nil || r.N != nil && !slices.Contains([]string{"0", "1", "2"}, r.N.Value) {
		return false
	}
	switch r.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrIn:
		return slices.Contains([]string{"/dev/null", "/dev/stdout", "/dev/stderr"}, r.Word.Lit())
	case syntax.DplOut:
		return r.Word.Lit() == "1" || r.Word.Lit() == "2"
	}
	return false
}

// call returns the finding for a simple command.
func (a *analyzer) call(c *syntax.CallExpr) finding {
	for _, assign := range c.Assigns {
		if f := a.harmlessAssign(assign); f.effect {
			return f
		}
		if len(c.Args) == 0 {
			a.assign(assign.Name.Value, assign.Value)
		} else { // it may stay set, and its old value may count for this command
			a.proc.vars[assign.Name.Value] = local{}
		}
	}
	if len(c.Args) == 0 {
		return noEffect("")
	}
	switch name := c.Args[0].Lit(); name {
	case "":
		return effect("the command %s is unknown", spell(c.Args[0]))
	case "export":
		return a.export(c.Args[1:])
	case "echo", "printf", ":", "true", "false":
		return a.printing(name, c.Args[1:])
	}
	words, f := a.fields(c.Args)
	if f.effect {
		return f
	}
	return a.command(words)
}

func (a *analyzer) getenv(name string) string {
	if name == "IFS" {
		return "" // shells do not take it from the environment
	}
	value, _, _ := a.shellVariable(name)
	return value
}

// printing returns the finding for commands that at most print their arguments,
// whose values therefore do not matter.
func (a *analyzer) printing(name string, args []*syntax.Word) finding {
	known := func(name string) bool {
		_, set, known := a.shellVariable(name)
		return !a.proc.nounset || set && known
	}
	for i, w := range args {
		if !plain(w, known) {
			return effect("the value of %s is unknown", spell(w))
		}
		if name == "printf" && i == 0 && strings.HasPrefix(strings.TrimLeft(beginning(w), `\`), "-") {
			return effect("printf with an option is not understood")
		}
	}
	switch {
	case name == "false":
		return noEffect("false changes nothing").with(mayFail|mustFail, "false fails")
	case name == "printf" && !plainFormat(args): // such as a number that is invalid
		return uncertain("printf changes nothing", "printf may fail")
	}
	return noEffect("%s changes nothing", name)
}

// plainFormat reports whether printf accepts any arguments for its format.
func plainFormat(args []*syntax.Word) bool {
	if len(args) == 0 {
		return false
	}
	format, err := expand.Literal(nil, args[0])
	verbs := strings.NewReplacer("%s", "", "%b", "", "%%", "").Replace(format)
	return err == nil && plain(args[0], func(string) bool { return false }) && !strings.Contains(verbs, "%")
}

// beginning returns the literal text at the start of a word, or "-" for a variable,
// whose value may be an option.
func beginning(w *syntax.Word) string {
	parts := w.Parts
	if len(parts) > 0 {
		if q, ok := parts[0].(*syntax.DblQuoted); ok {
			parts = q.Parts
		}
	}
	if len(parts) == 0 {
		return ""
	}
	switch p := parts[0].(type) {
	case *syntax.Lit:
		return p.Value
	case *syntax.SglQuoted:
		return p.Value
	}
	return "-"
}

// plain reports whether a word consists of text and of known variables without
// operators.
func plain(w *syntax.Word, known func(name string) bool) bool {
	if len(w.Parts) > 0 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && strings.HasPrefix(lit.Value, "~") {
			return false // a home directory
		}
	}
	return plainParts(w.Parts, known)
}

func plainParts(parts []syntax.WordPart, known func(name string) bool) bool {
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			if strings.ContainsAny(p.Value, "{}$") { // shells differ in {a,b} and $'a'
				return false
			}
		case *syntax.SglQuoted:
			if p.Dollar {
				return false
			}
		case *syntax.DblQuoted:
			if p.Dollar || !plainParts(p.Parts, known) {
				return false
			}
		case *syntax.ParamExp:
			if !plainParam(p) || !known(p.Param.Value) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// plainParam reports whether an expansion is just $name or ${name}.
func plainParam(p *syntax.ParamExp) bool {
	return p.Param != nil && syntax.ValidName(p.Param.Value) && p.Flags == nil && !p.Excl && !p.Length && !p.Width && !p.IsSet &&
		p.NestedParam == nil && p.Index == nil && len(p.Modifiers) == 0 && p.Slice == nil && p.Repl == nil && p.Names == 0 && p.Exp == nil
}

// export returns the finding for export NAME=value …. Its words are split, so
// variables must be quoted.
func (a *analyzer) export(words []*syntax.Word) finding {
	for _, w := range words {
		name, _, assigns := strings.Cut(beginning(w), "=")
		_, literal := w.Parts[0].(*syntax.Lit)
		if !assigns || !literal || !syntax.ValidName(name) || influential(name) || shellOwned(name) {
			return effect("export %s is not understood", spell(w))
		}
		bare := slices.ContainsFunc(w.Parts, func(p syntax.WordPart) bool { _, ok := p.(*syntax.ParamExp); return ok })
		if bare || !a.settable(w) {
			return effect("the value of %s is unknown", name)
		}
		fields, f := a.fields([]*syntax.Word{w})
		a.proc.vars[name] = local{}
		if value, ok := strings.CutPrefix(strings.Join(fields, " "), name+"="); ok && !f.effect && len(fields) == 1 {
			a.proc.vars[name] = local{value, true}
		}
	}
	return noEffect("")
}

// harmlessAssign returns the finding for NAME=value. Variables that the shell or
// programs use may not be set.
func (a *analyzer) harmlessAssign(s *syntax.Assign) finding {
	if influential(s.Name.Value) || shellOwned(s.Name.Value) || s.Append || s.Naked || s.Index != nil || s.Array != nil {
		return effect("setting %s is not understood", s.Name.Value)
	}
	if s.Value != nil && !a.settable(s.Value) {
		return effect("the value of %s is unknown", s.Name.Value)
	}
	return noEffect("")
}

// settable reports whether a word consists of text and variables, which under set
// -u must be known.
func (a *analyzer) settable(w *syntax.Word) bool {
	home := slices.ContainsFunc(w.Parts, func(p syntax.WordPart) bool {
		lit, ok := p.(*syntax.Lit)
		return ok && strings.Contains(lit.Value, "~") // also after a colon
	})
	return !home && plain(w, func(name string) bool {
		_, set, known := a.shellVariable(name)
		return !a.proc.nounset || set && known
	})
}

// spell returns a word as it was written.
func spell(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, w); err != nil {
		return "a word"
	}
	return b.String()
}
