package extensions

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// A process is the state of the shell while it runs a script. Variables set in a
// subshell are dropped after it.
type process struct {
	vars     map[string]local
	errexit  bool   // set -e may hold
	nounset  bool   // set -u may hold
	pipefail bool   // set -o pipefail may hold
	inBroken int    // the current command runs only in a broken build
	death    string // why the script may exit with a failure early
	steps    int
	asked    int // number of conditions that another image may decide differently
}

// A local is a variable set by the script.
type local struct {
	value string
	known bool
}

// maxSteps limits the expansion of loops.
const maxSteps = 20_000

// newProcess returns the state at the start of a script.
func (a *analyzer) newProcess() process {
	p := process{vars: map[string]local{}}
	for i, o := range a.shell {
		flags, ok := strings.CutPrefix(o, "-")
		p.errexit = p.errexit || ok && strings.Contains(flags, "e") || i > 0 && o == "errexit"
		p.nounset = p.nounset || ok && strings.Contains(flags, "u") || i > 0 && o == "nounset"
		p.pipefail = p.pipefail || o == "pipefail"
	}
	return p
}

// finish adds the doubt to the finding for a RUN that changes nothing but may fail.
func (a *analyzer) finish(f finding) finding {
	doubt := a.proc.death
	if doubt == "" && f.status&mayFail != 0 {
		doubt = f.doubt
	}
	if doubt == "" && !f.effect && f.status&mayFail != 0 {
		doubt = "it may fail"
	}
	if doubt == "" {
		return f
	}
	return join(f, imageEffect("%s", doubt))
}

// die records that a failure may end the script.
func (a *analyzer) die(doubt string) {
	if a.proc.death == "" && a.proc.inBroken == 0 {
		a.proc.death = doubt
	}
}

// statements returns the finding for a sequence of commands.
func (a *analyzer) statements(stmts []*syntax.Stmt) finding {
	var found []finding
	var last finding
	for _, s := range stmts {
		last = a.statement(s)
		if a.proc.errexit && last.status&mayFail != 0 {
			a.die(last.doubt)
		}
		found = append(found, last)
	}
	return join(found...).with(last.exit(), last.doubt)
}

// condition returns the finding for commands in a condition, whose failure does not
// end the script.
func (a *analyzer) condition(stmts ...*syntax.Stmt) finding {
	errexit := a.proc.errexit
	a.proc.errexit = false
	f := a.statements(stmts)
	a.proc.errexit = a.proc.errexit || errexit
	return f
}

// asking is like [analyzer.condition] and reports whether the result depends on the
// image.
func (a *analyzer) asking(stmts ...*syntax.Stmt) (f finding, asks bool) {
	before := a.proc.asked
	f = a.condition(stmts...)
	return f, a.proc.asked > before
}

func (a *analyzer) statement(s *syntax.Stmt) finding {
	if a.proc.steps++; a.proc.steps > maxSteps {
		return effect("a script of more than %d steps is not analyzed", maxSteps)
	}
	if s.Background || s.Coprocess || s.Disown {
		return effect("a command in the background is not understood")
	}
	var odd []finding
	for _, r := range s.Redirs {
		if !harmless(r) {
			odd = append(odd, effect("the redirection %s is not understood", spell(r.Word)))
		}
	}
	if odd != nil { // also report what the command itself does
		inner := *s
		inner.Redirs = nil
		return join(append(odd, a.statement(&inner))...)
	}
	if s.Negated {
		inner := *s
		inner.Negated, inner.Redirs = false, nil
		return a.condition(&inner).negated()
	}
	switch c := s.Cmd.(type) {
	case nil:
		return noEffect("")
	case *syntax.CallExpr:
		return a.call(c)
	case *syntax.BinaryCmd:
		return a.binary(c)
	case *syntax.IfClause:
		return a.ifClause(c)
	case *syntax.ForClause:
		return a.forClause(c)
	case *syntax.Block:
		return a.statements(c.Stmts)
	case *syntax.Subshell:
		return a.subshell(c.Stmts...)
	}
	return effect("shell of this kind (while, case, a function …) is not understood")
}

// subshell returns the finding for commands in a subshell.
func (a *analyzer) subshell(stmts ...*syntax.Stmt) finding {
	vars := maps.Clone(a.proc.vars)
	f := a.statements(stmts)
	a.proc.vars = vars
	return f
}

func (a *analyzer) binary(c *syntax.BinaryCmd) finding {
	switch c.Op {
	case syntax.AndStmt:
		x, asks := a.asking(c.X)
		if x.exit()&mustFail != 0 {
			return x
		}
		return both(x, a.perhaps(x.exit().succeeds(), c.Y).where(asks))
	case syntax.OrStmt:
		x, asks := a.asking(c.X)
		if x.exit().succeeds() {
			return x
		}
		defer a.enter(x.exit())()
		return either(x, a.perhaps(x.exit()&mustFail != 0, c.Y).where(asks))
	case syntax.Pipe:
		x, y := a.subshell(c.X), a.subshell(c.Y)
		s := y.exit()
		if a.proc.pipefail { // also if the reader stops early
			s |= mayFail
		}
		return join(x, y).with(s, cmp.Or(y.doubt, x.doubt, "a pipe may fail under pipefail"))
	}
	return effect("shell of this kind (%s) is not understood", c.Op)
}

// enter records that the following commands run only after a command with this
// status failed, until leave is called.
func (a *analyzer) enter(s status) (leave func()) {
	if s&mayFail != 0 {
		return func() {}
	}
	a.proc.inBroken++
	return func() { a.proc.inBroken-- }
}

// perhaps returns the finding for a command that runs for certain or perhaps.
func (a *analyzer) perhaps(certain bool, s *syntax.Stmt) finding {
	before := maps.Clone(a.proc.vars)
	f := a.statement(s)
	if !certain {
		a.merge(before)
	}
	return f
}

// merge forgets variables whose value depends on the branch taken.
func (a *analyzer) merge(other map[string]local) {
	for name, v := range a.proc.vars {
		if o, ok := other[name]; !ok || o != v {
			a.proc.vars[name] = local{}
		}
	}
	for name := range other {
		if _, ok := a.proc.vars[name]; !ok {
			a.proc.vars[name] = local{}
		}
	}
}

// ifClause returns the finding for if, elif or else.
func (a *analyzer) ifClause(c *syntax.IfClause) finding {
	if c == nil {
		return noEffect("")
	}
	if len(c.Cond) == 0 { // else
		return a.statements(c.Then)
	}
	x, asks := a.asking(c.Cond...)
	switch s := x.exit(); {
	case s.succeeds():
		then := a.statements(c.Then).where(asks)
		return join(x, then).with(then.exit(), then.doubt)
	case s&mustFail != 0:
		otherwise := a.ifClause(c.Else).where(asks)
		return join(x, otherwise).with(otherwise.exit(), otherwise.doubt)
	}
	before := maps.Clone(a.proc.vars)
	then := a.statements(c.Then).where(asks)
	after := a.proc.vars
	a.proc.vars = before
	leave := a.enter(x.exit())
	otherwise := a.ifClause(c.Else).where(asks)
	leave()
	a.merge(after)
	f := branches(then, otherwise, x.exit()&mayFail == 0)
	return join(x, f).with(f.exit(), f.doubt)
}

// forClause returns the finding for a loop over known words.
func (a *analyzer) forClause(c *syntax.ForClause) finding {
	loop, ok := c.Loop.(*syntax.WordIter)
	if !ok || c.Select || !loop.InPos.IsValid() {
		return effect("a loop of this kind is not understood")
	}
	name := loop.Name.Value
	if influential(name) || shellOwned(name) {
		return effect("setting %s is not understood", name)
	}
	words, f := a.fields(loop.Items)
	if f.effect {
		return f
	}
	if slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w, "*?[\x00") }) {
		return effect("the words of a loop are unknown")
	}
	var found []finding
	var last finding
	for _, w := range words {
		a.proc.vars[name] = local{w, true}
		last = a.statements(c.Do)
		if found = append(found, last); a.proc.steps > maxSteps {
			break
		}
	}
	return join(found...).with(last.exit(), last.doubt)
}

// fields returns words as the shell passes them to a command, after expansion and
// splitting.
func (a *analyzer) fields(words []*syntax.Word) ([]string, finding) {
	known := func(name string) bool { _, set, known := a.shellVariable(name); return set && known }
	var all []string
	for _, w := range words {
		if !plain(w, known) {
			return nil, effect("the value of %s is unknown", spell(w))
		}
		fields, err := expand.Fields(&expand.Config{Env: expand.FuncEnviron(a.getenv)}, w)
		if err != nil {
			return nil, effect("the value of %s is unknown: %v", spell(w), err)
		}
		all = append(all, fields...)
	}
	return all, noEffect("")
}

// shellVariable returns the value of a variable in a script. The shell's own
// variables are unknown, whatever the environment has.
func (a *analyzer) shellVariable(name string) (value string, set, known bool) {
	if v, ok := a.proc.vars[name]; ok {
		return v.value, v.known, v.known
	}
	if shellOwned(name) {
		return "", false, false
	}
	return a.variable(name)
}

// assign records an assignment.
func (a *analyzer) assign(name string, value *syntax.Word) {
	known := func(name string) bool { _, set, known := a.shellVariable(name); return set && known }
	v := local{known: true}
	if value != nil {
		v.known = false
		if plain(value, known) {
			text, err := expand.Literal(&expand.Config{Env: expand.FuncEnviron(a.getenv)}, value)
			v = local{text, err == nil}
		}
	}
	a.proc.vars[name] = v
}
