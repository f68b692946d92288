package provides

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Constraint is what metadata.version of a requirement asks for. The zero
// value allows every version, also an unknown one.
type Constraint struct {
	text string
	any  [][]clause // one of these lists must hold in full
}

// A clause is an operator and a version: ">=" "3.10". The operator "prefix" asks
// for the version or one that goes on behind it.
type clause struct{ op, version string }

var clauses = regexp.MustCompile(`^\s*,?\s*(===|==|!=|>=|<=|=>|=<|~>|\^|~|=|>|<)?\s*([^\s,<>=!~^|][^\s,<>=!|]*)`)

// wildcard is a version whose end is left open: "*", "17.*", "17.x".
var wildcard = regexp.MustCompile(`^(?:[*xX]|([0-9]+(?:\.[0-9]+)*)(?:\.[*xX])+)$`)

// ParseConstraint reads a version constraint:
//
//	17           17 itself, or any 17.*
//	17.*  17.x   the same; * and "" allow every version
//	= 17.0.12    that version; == is the same, != everything else
//	>= 3.10      also >, <, <=
//	~> 3.11      3.11 and later, before 3.12; ~ is the same (with one number: before the next one)
//	^18          18 and later, before 19; ^0.2 before 0.3
//	>= 3, < 4    all of them; a comma or a space
//	17 || 21     one of them
//
// (Ruby reads `~> 3.11` as "before 4", semver libraries as "before 3.12"; the
// narrower reading holds.) What it does not understand is an error.
func ParseConstraint(text string) (Constraint, error) {
	c := Constraint{text: strings.TrimSpace(text)}
	if c.text == "" {
		return c, nil
	}
	for part := range strings.SplitSeq(c.text, "||") {
		all, err := parseClauses(part)
		if err != nil {
			return Constraint{}, fmt.Errorf("version constraint %q is not understood: %w", text, err)
		}
		c.any = append(c.any, all)
	}
	return c, nil
}

func parseClauses(text string) ([]clause, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("an alternative is empty")
	}
	var all []clause
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := clauses.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("nothing can be made of %q", strings.TrimSpace(rest))
		}
		rest = rest[len(m[0]):]
		parsed, err := parseClause(m[1], m[2])
		if err != nil {
			return nil, err
		}
		all = append(all, parsed...)
	}
	return all, nil
}

// parseClause turns an operator and a version into what has to hold.
func parseClause(op, version string) ([]clause, error) {
	if len(version) > 1 && (version[0] == 'v' || version[0] == 'V') {
		version = version[1:]
	}
	if m := wildcard.FindStringSubmatch(version); m != nil {
		if op != "" && op != "=" && op != "==" {
			return nil, fmt.Errorf("%s does not go with %s", op, version)
		}
		if m[1] == "" {
			return nil, nil
		}
		return []clause{{"prefix", m[1]}}, nil
	}
	if !spelled.MatchString(version) || version[0] < '0' || version[0] > '9' {
		return nil, fmt.Errorf("%q is not a version", version)
	}
	switch op {
	case "":
		if full(version) {
			return []clause{{"=", version}}, nil
		}
		return []clause{{"prefix", version}}, nil
	case "==", "=":
		return []clause{{"=", version}}, nil
	case "~>", "~":
		return between(version, 2)
	case "^":
		return between(version, 0)
	case ">=", ">", "<", "<=", "!=":
		return []clause{{op, version}}, nil
	}
	return nil, fmt.Errorf("operator %q is unknown", op)
}

// between is the range from a version up to the next value of its number at
// place keep (counted from 1); 0 means the first that is not zero.
func between(version string, keep int) ([]clause, error) {
	numbers := strings.Split(version, ".")
	for _, n := range numbers {
		if !numeric(n) || len(n) > 9 {
			return nil, fmt.Errorf("%q is not dotted numbers", version)
		}
	}
	if keep == 0 {
		keep = 1
		for keep < len(numbers) && strings.Trim(numbers[keep-1], "0") == "" {
			keep++
		}
	}
	upper := append([]string(nil), numbers[:min(keep, len(numbers))]...)
	last := len(upper) - 1
	n, err := strconv.Atoi(upper[last])
	if err != nil {
		return nil, err
	}
	upper[last] = strconv.Itoa(n + 1)
	return []clause{{">=", version}, {"before", strings.Join(upper, ".")}}, nil
}

// full reports whether a constraint's version spells an epoch or a revision, so
// that it is to be compared with a package's version in full.
func full(version string) bool { return strings.ContainsAny(version, ":-") }

// Any reports whether the constraint allows every version.
func (c Constraint) Any() bool {
	if len(c.any) == 0 {
		return true
	}
	for _, all := range c.any {
		if len(all) == 0 {
			return true
		}
	}
	return false
}

// String is the constraint as it was written.
func (c Constraint) String() string { return c.text }

// Allows reports whether a version satisfies the constraint: upstream is what
// is compared, or inFull where the constraint itself spells an epoch or a
// revision. An unknown version ("") satisfies only a constraint that allows
// any. A version that the rule cannot read is an error.
func (c Constraint) Allows(rule Rule, upstream, inFull string) (bool, error) {
	if c.Any() {
		return true, nil
	}
	if upstream == "" {
		return false, nil
	}
	var failed error
	for _, all := range c.any {
		ok, err := allHold(all, rule, upstream, inFull)
		if ok {
			return true, nil
		}
		failed = errors.Join(failed, err)
	}
	return false, failed
}

func allHold(all []clause, rule Rule, upstream, inFull string) (bool, error) {
	for _, cl := range all {
		version := upstream
		if full(cl.version) && inFull != "" {
			version = inFull
		}
		if ok, err := cl.holds(rule, version); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (cl clause) holds(rule Rule, version string) (bool, error) {
	if cl.op == "prefix" {
		return hasPrefix(version, cl.version), nil
	}
	c, err := Compare(rule, version, cl.version)
	if err != nil {
		return false, err
	}
	switch cl.op {
	case "=":
		return c == 0, nil
	case "!=":
		return c != 0, nil
	case ">":
		return c > 0, nil
	case ">=":
		return c >= 0, nil
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	}
	// "before": also a pre-release of the bound is too new ("18~rc1", "18_rc1").
	return c < 0 && !strings.HasPrefix(version, cl.version+"~") && !strings.HasPrefix(version, cl.version+"_") &&
		!strings.HasPrefix(version, cl.version+"-"), nil
}

// follows is what may stand behind a version that a constraint names: a further
// part, a repacking mark ("2.9.14+dfsg"), an Alpine patch level ("17.0.11_p9").
// Not a tilde, a hyphen or another underscore, which mark what comes before a
// release.
var follows = regexp.MustCompile(`^(?:$|[.+]|_p[0-9])`)

// hasPrefix reports whether version is prefix or goes on behind it.
func hasPrefix(version, prefix string) bool {
	rest, ok := strings.CutPrefix(version, prefix)
	return ok && follows.MatchString(rest)
}
