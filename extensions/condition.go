package extensions

import (
	"slices"
	"strconv"
	"strings"
)

// test returns the finding for test(1), which changes nothing. If neither arguments
// nor inventory decide it, the result is uncertain.
func (a *analyzer) test(args []string) finding {
	line := "test " + strings.Join(args, " ")
	reason := "test changes nothing"
	relied := len(a.found.relies)
	s, ok := a.holds(args)
	if len(a.found.relies) > relied {
		reason = line + " changes nothing; " + a.base.Set.Answer(a.found.relies[relied].Name, "").Reason + " is there"
	}
	if !ok {
		return uncertain(reason, line+" may fail")
	}
	if s&mustFail != 0 {
		return noEffect("%s", reason).with(s, line+" fails")
	}
	return noEffect("%s", reason).with(s, "")
}

// holds returns the status of a test (POSIX, "test", by the number of arguments).
func (a *analyzer) holds(args []string) (s status, ok bool) {
	if slices.ContainsFunc(args, func(arg string) bool { return strings.ContainsAny(arg, "*?[\x00") }) {
		return 0, false // globs, and values that only the builder knows
	}
	if len(args) > 1 && args[0] == "!" && (len(args) != 3 || !comparison(args[1])) {
		s, ok = a.holds(args[1:])
		if !ok || s == mayBreak {
			return 0, false
		}
		return truth(s&mustFail != 0), true
	}
	switch len(args) {
	case 0:
		return truth(false), true
	case 1:
		return truth(args[0] != ""), true
	case 2:
		return a.unary(args[0], args[1])
	case 3:
		return compared(args[0], args[1], args[2])
	}
	return 0, false
}

func truth(holds bool) status {
	if holds {
		return 0
	}
	return mayFail | mustFail
}

func comparison(op string) bool {
	return slices.Contains([]string{"=", "==", "!=", "<", ">", "-a", "-o", "-eq", "-ne", "-gt", "-ge", "-lt", "-le", "-nt", "-ot", "-ef"}, op)
}

// unary evaluates a test with one operand. A file that a package owns is assumed to
// exist, but only the presence of a command decides which branch runs.
func (a *analyzer) unary(op, operand string) (status, bool) {
	switch op {
	case "-n":
		return truth(operand != ""), true
	case "-z":
		return truth(operand == ""), true
	}
	a.proc.asked++
	switch op {
	case "-d":
		return mayBreak, a.directory(operand)
	case "-e":
		return a.present(operand), a.directory(operand) || a.readable(operand)
	case "-f", "-x", "-r":
		if op == "-x" && a.directory(operand) {
			return mayBreak, true
		}
		s := a.present(operand)
		if op == "-r" {
			s = mayBreak
		}
		return s, s == 0 || op != "-x" && a.readable(operand)
	}
	return 0, false
}

// present returns success for the path of a command that the inventory lists.
func (a *analyzer) present(file string) status {
	name := commandName(file)
	if a.base.Set == nil || a.pinned || name == "" || name == file {
		return mayBreak
	}
	for _, p := range a.base.Set.Answer("cmd:"+name, "").By {
		for _, e := range p.Evidence {
			if e.Path == file {
				a.rely("cmd:"+name, e.Pattern)
				return 0
			}
		}
	}
	return mayBreak
}

func (a *analyzer) rely(name string, evidence ...string) {
	a.found.relies = append(a.found.relies, Reliance{Image: a.dockerfile.Image, Name: name, Evidence: evidence, Extension: a.dockerfile.Extension})
}

// compared evaluates a test with two operands.
func compared(x, op, y string) (status, bool) {
	switch op {
	case "=":
		return truth(x == y), true
	case "!=":
		return truth(x != y), true
	}
	m, err1 := strconv.ParseUint(x, 10, 31)
	n, err2 := strconv.ParseUint(y, 10, 31)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	switch op {
	case "-eq":
		return truth(m == n), true
	case "-ne":
		return truth(m != n), true
	case "-gt":
		return truth(m > n), true
	case "-ge":
		return truth(m >= n), true
	case "-lt":
		return truth(m < n), true
	case "-le":
		return truth(m <= n), true
	}
	return 0, false
}
