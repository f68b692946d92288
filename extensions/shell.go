package extensions

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// run is the finding on a RUN instruction.
func (a *analyzer) run(c *instructions.RunCommand) finding {
	switch {
	case len(c.FlagsUsed) > 0:
		return effect("RUN --%s is not understood", c.FlagsUsed[0])
	case !c.PrependShell && len(c.Files) > 0:
		return effect("a here-document in a list of words is not understood")
	case !c.PrependShell && len(c.CmdLine) > 0 && slices.Contains([]string{"set", "command", ":"}, c.CmdLine[0]):
		return effect("%s is no program, but part of a shell", c.CmdLine[0])
	case !c.PrependShell:
		return a.command(c.CmdLine)
	case !standardShell(a.shell):
		return effect("the shell %s is not understood", strings.Join(a.shell, " "))
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

// standardShell reports whether words of this shell mean what POSIX says. The
// options are those that stop at failures.
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

// maxScript bounds the depth to which a script can be nested.
const maxScript = 64 << 10

// script is the finding on a shell script: no effect if none of its commands
// has one. It is read as POSIX has it, so that what only some shells understand
// counts as an effect.
func (a *analyzer) script(text string) finding {
	if len(text) > maxScript {
		return effect("a script of more than %d bytes is not read", maxScript)
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
	if err != nil {
		return effect("the shell cannot be read: %v", err)
	}
	return a.statements(file.Stmts)
}

func (a *analyzer) statements(stmts []*syntax.Stmt) finding {
	var found []finding
	for _, s := range stmts {
		found = append(found, a.statement(s))
	}
	return join(found...)
}

func (a *analyzer) statement(s *syntax.Stmt) finding {
	switch {
	case s.Negated:
		return effect("! is not understood")
	case s.Background || s.Coprocess || s.Disown:
		return effect("a command in the background is not understood")
	}
	for _, r := range s.Redirs {
		if !harmless(r) {
			return effect("the redirection %s is not understood", spell(r.Word))
		}
	}
	switch c := s.Cmd.(type) {
	case nil:
		return noEffect("")
	case *syntax.CallExpr:
		return a.call(c)
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.AndStmt:
			return a.statements([]*syntax.Stmt{c.X, c.Y})
		case syntax.OrStmt:
			return effect("|| is not understood: it goes on where a command fails")
		}
		return effect("a pipe is not understood")
	case *syntax.Block:
		return a.statements(c.Stmts)
	case *syntax.Subshell:
		return a.statements(c.Stmts)
	}
	return effect("shell of this kind (if, for, case, a function …) is not understood")
}

// harmless are redirections to /dev/null and of one output to the other.
func harmless(r *syntax.Redirect) bool {
	if r.Word == nil || r.Hdoc != nil || r.N != nil && !slices.Contains([]string{"0", "1", "2"}, r.N.Value) {
		return false
	}
	switch r.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrIn:
		return r.Word.Lit() == "/dev/null"
	case syntax.DplOut:
		return r.Word.Lit() == "1" || r.Word.Lit() == "2"
	}
	return false
}

// call is the finding on a simple command.
func (a *analyzer) call(c *syntax.CallExpr) finding {
	for _, assign := range c.Assigns {
		if f := harmlessAssign(assign); f.effect {
			return f
		}
		a.vague[assign.Name.Value] = true // from here on, and what it was may count for this command
	}
	if len(c.Args) == 0 {
		return noEffect("")
	}
	switch name := c.Args[0].Lit(); name {
	case "export":
		return a.export(c.Args[1:])
	case "echo", "printf", ":", "true":
		return printing(name, c.Args[1:])
	}
	var words []string
	for i, w := range c.Args {
		if i == 0 && w.Lit() == "" {
			return effect("which command %s is cannot be told", spell(w))
		}
		if !plain(w, func(name string) bool { _, set, known := a.variable(name); return set && known }) {
			return effect("what %s will be cannot be told", spell(w))
		}
		fields, err := expand.Fields(&expand.Config{Env: expand.FuncEnviron(a.getenv)}, w)
		if err != nil {
			return effect("what %s will be cannot be told: %v", spell(w), err)
		}
		words = append(words, fields...)
	}
	return a.command(words)
}

func (a *analyzer) getenv(name string) string {
	if name == "IFS" {
		return "" // which shells do not take from the environment
	}
	value, _, _ := a.variable(name)
	return value
}

// printing is the finding on commands that print their arguments at most, so that
// these need not be known.
func printing(name string, args []*syntax.Word) finding {
	for i, w := range args {
		if !plain(w, func(string) bool { return true }) {
			return effect("what %s will be cannot be told", spell(w))
		}
		if name == "printf" && i == 0 && strings.HasPrefix(strings.TrimLeft(beginning(w), `\`), "-") {
			return effect("printf with an option is not understood")
		}
	}
	return noEffect("%s changes nothing", name)
}

// beginning is the literal text that a word begins with; "-" if it begins with
// a variable, whose value might be an option.
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

// plain reports whether a word consists of text and of variables, without
// operators, that are known.
func plain(w *syntax.Word, known func(name string) bool) bool {
	if len(w.Parts) > 0 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && strings.HasPrefix(lit.Value, "~") {
			return false // somebody's home
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

// plainParam reports whether an expansion is $name or ${name}, nothing else.
func plainParam(p *syntax.ParamExp) bool {
	return p.Param != nil && syntax.ValidName(p.Param.Value) && p.Flags == nil && !p.Excl && !p.Length && !p.Width && !p.IsSet &&
		p.NestedParam == nil && p.Index == nil && len(p.Modifiers) == 0 && p.Slice == nil && p.Repl == nil && p.Names == 0 && p.Exp == nil
}

// export is the finding on export NAME=value …; its words are split, so that no
// variable may stand outside of quotes.
func (a *analyzer) export(words []*syntax.Word) finding {
	for _, w := range words {
		name, _, assigns := strings.Cut(beginning(w), "=")
		_, literal := w.Parts[0].(*syntax.Lit)
		if !assigns || !literal || !slices.Contains(harmlessEnv, name) {
			return effect("export %s is not understood", spell(w))
		}
		bare := slices.ContainsFunc(w.Parts, func(p syntax.WordPart) bool { _, ok := p.(*syntax.ParamExp); return ok })
		if bare || !plain(w, func(string) bool { return true }) {
			return effect("what %s will be cannot be told", name)
		}
		a.vague[name] = true
	}
	return noEffect("")
}

// harmlessEnv are variables that may be set: they concern questions that are
// not asked and languages.
var harmlessEnv = []string{
	"DEBIAN_FRONTEND", "DEBCONF_NONINTERACTIVE_SEEN", "DEBCONF_NOWARNINGS", "APT_LISTCHANGES_FRONTEND", "TERM", "LANG", "LANGUAGE", "LC_ALL",
}

func harmlessAssign(s *syntax.Assign) finding {
	if !slices.Contains(harmlessEnv, s.Name.Value) || s.Append || s.Naked || s.Index != nil || s.Array != nil {
		return effect("setting %s is not understood", s.Name.Value)
	}
	if s.Value != nil && !plain(s.Value, func(string) bool { return true }) {
		return effect("what %s will be cannot be told", s.Name.Value)
	}
	return noEffect("")
}

// spell is a word as it was written.
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
