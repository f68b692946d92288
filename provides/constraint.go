package provides

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// A Constraint is a version constraint from metadata.version of a requirement. The
// zero value allows every version, even an unknown one.
type Constraint struct {
	text string
	any  [][]clause // one of these lists must hold entirely
}

// A clause is an operator and a version: ">=" "3.10". The operator "prefix" matches
// the version and every version that continues it.
type clause struct{ op, version string }

var clauses = regexp.MustCompile(`^\s*,?\s*(===|==|!=|>=|<=|=>|=<|~=|~>|\^|~|=|>|<)?\s*([^\s,<>=!~^|][^\s,<>=!|]*)`)

// between is a hyphen range of npm and Composer: "18 - 20".
var between = regexp.MustCompile(`^\s*,?\s*([^\s,<>=!~^|][^\s,<>=!|]*)\s+-\s+([^\s,<>=!~^|][^\s,<>=!|]*)`)

// alternatives separates alternatives: two bars, or one for Composer.
var alternatives = regexp.MustCompile(`\|\|?`)

// stability is Composer's stability suffix. It is ignored, since a constraint never
// allows a pre-release that it does not name.
var stability = regexp.MustCompile(`(?i)@(?:stable|rc|beta|alpha|dev)$`)

// wildcard is a version with an open end: "*", "17.*", "17.x".
var wildcard = regexp.MustCompile(`^(?:[*xX]|([0-9]+(?:\.[0-9]+)*)(?:\.[*xX])+)$`)

// ParseConstraint parses a version constraint:
//
//	17           17 itself, or any 17.*
//	17.*  17.x   the same; * and "" allow every version
//	= 17.0.12    that version; == is the same, != everything else
//	!= 3.10.*    everything but 3.10.*
//	=== 3.10     that version in exactly this spelling
//	>= 3.10      also >, <, <=
//	> 17         newer than whatever 17 includes; < 17 excludes pre-releases of 17
//	~> 3.11      3.11 and later, before 3.12; ~ is the same (with one number: before the next one)
//	~= 3.11      3.11 and later, before 4; ~= 3.11.2 before 3.12 (PEP 440)
//	^18          18 and later, before 19; ^0.2 before 0.3; ^18.x is the same as ^18
//	18 - 20      18 and later, before 21; 18 - 20.1.2 up to 20.1.2 itself
//	>= 3, < 4    all of them; separated by a comma or a space
//	17 || 21     one of them; | is the same
//	^8.1@stable  the same as ^8.1
//
// (Ruby and Composer read `~> 3.11` and `~3.11` as "before 4", semver libraries as
// "before 3.12". The narrower reading is used.) Anything else is an error.
func ParseConstraint(text string) (Constraint, error) {
	c := Constraint{text: strings.TrimSpace(text)}
	if c.text == "" {
		return c, nil
	}
	for _, part := range alternatives.Split(c.text, -1) {
		all, err := parseClauses(part)
		if err != nil {
			return Constraint{}, fmt.Errorf("cannot parse version constraint %q: %w", text, err)
		}
		c.any = append(c.any, all)
	}
	return c, nil
}

func parseClauses(text string) ([]clause, error) {
	switch text := strings.TrimSpace(text); {
	case text == "":
		return nil, errors.New("an alternative is empty")
	case text[0] == ',':
		return nil, errors.New("nothing before the comma")
	}
	var all []clause
	for rest := text; strings.TrimSpace(rest) != ""; {
		if m := between.FindStringSubmatch(rest); m != nil {
			rest = rest[len(m[0]):]
			parsed, err := parseRange(m[1], m[2])
			if err != nil {
				return nil, err
			}
			all = append(all, parsed...)
			continue
		}
		m := clauses.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("cannot parse %q", strings.TrimSpace(rest))
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

// parseRange parses a hyphen range. An upper bound of fewer than three numbers
// includes every version that starts with it.
func parseRange(from, to string) ([]clause, error) {
	lower, err := parseClause("", from)
	if err != nil {
		return nil, err
	}
	upper, err := parseClause("", to)
	if err != nil {
		return nil, err
	}
	for i := range lower {
		lower[i].op = ">="
	}
	for i := range upper {
		upper[i].op = "upto"
		if strings.Count(leading.FindString(withoutEpoch(upper[i].version)), ".") < 2 {
			upper[i].op = "through"
		}
	}
	return append(lower, upper...), nil
}

// parseClause converts an operator and a version to clauses.
func parseClause(op, version string) ([]clause, error) {
	version = stability.ReplaceAllString(version, "")
	if len(version) > 1 && (version[0] == 'v' || version[0] == 'V') {
		version = version[1:]
	}
	if m := wildcard.FindStringSubmatch(version); m != nil {
		return parseWildcard(op, version, m[1])
	}
	if !spelled.MatchString(version) || version[0] < '0' || version[0] > '9' {
		return nil, fmt.Errorf("%q is not a version", version)
	}
	switch op {
	case "":
		return []clause{{"prefix", version}}, nil
	case "==", "=":
		return []clause{{"=", version}}, nil
	case "~=":
		return compatible(version)
	case "~>", "~":
		return within(version, 2)
	case "^":
		return within(version, 0)
	case ">":
		return []clause{{op, version}, {"!=", version}}, nil // as in npm: 17.9 is not > 17
	case ">=", "<", "<=", "!=", "===":
		return []clause{{op, version}}, nil
	}
	return nil, fmt.Errorf("unknown operator %q", op)
}

// parseWildcard parses a version that ends in .* or .x; stem is the part before
// that, which may be empty.
func parseWildcard(op, version, stem string) ([]clause, error) {
	switch {
	case op == "" || op == "=" || op == "==":
		if stem == "" {
			return nil, nil
		}
		return []clause{{"prefix", stem}}, nil
	case op == "!=" && stem != "":
		return []clause{{"!prefix", stem}}, nil
	case op == "^" && stem != "":
		return within(stem, 0)
	case op == "~" && stem != "":
		return within(stem, 2)
	}
	return nil, fmt.Errorf("cannot use %s with %s", op, version)
}

// compatible is PEP 440's "compatible release": only the last number may increase.
func compatible(version string) ([]clause, error) {
	dots := strings.Count(leading.FindString(withoutEpoch(version)), ".")
	if dots == 0 {
		return nil, fmt.Errorf("cannot use ~= with %s: it needs two numbers", version)
	}
	return within(version, dots)
}

func withoutEpoch(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}

// within returns clauses for a version and newer ones whose first keep numbers are
// the same; with keep 0, those up to the first non-zero number. It uses a prefix
// instead of an upper bound, because 2.0~rc1 is older than 2.0 but not a 1.x.
func within(version string, keep int) ([]clause, error) {
	epoch, upstream, ok := strings.Cut(version, ":")
	if !ok {
		epoch, upstream = "", version
	} else {
		epoch += ":"
	}
	numbers := strings.Split(leading.FindString(upstream), ".")
	if numbers[0] == "" {
		return nil, fmt.Errorf("%q does not begin with numbers", version)
	}
	if keep == 0 {
		keep = 1
		for keep < len(numbers) && strings.Trim(numbers[keep-1], "0") == "" {
			keep++
		}
	}
	stem := strings.Join(numbers[:min(keep, len(numbers))], ".")
	return []clause{{">=", version}, {"prefix", epoch + stem}}, nil
}

// leading is the dotted numbers at the start of a version.
var leading = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*`)

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

// String returns the constraint as it was written.
func (c Constraint) String() string { return c.text }

// Match reports whether a full version satisfies the constraint under a rule. It
// compares upstream versions (see [Upstream]), and the epoch or revision only if
// the constraint has one. An unknown version ("") satisfies only a constraint that
// allows any version. Match returns an error for a version that is invalid under
// the rule.
func (c Constraint) Match(rule Rule, version string) (bool, error) {
	if c.Any() {
		return true, nil
	}
	if version == "" {
		return false, nil
	}
	var failed error
	for _, all := range c.any {
		ok, err := allHold(all, rule, version)
		if ok {
			return true, nil
		}
		failed = errors.Join(failed, err)
	}
	return false, failed
}

func allHold(all []clause, rule Rule, version string) (bool, error) {
	for _, cl := range all {
		if ok, err := cl.match(rule, version); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (cl clause) match(rule Rule, version string) (bool, error) {
	want, have := sbom.ParseEVR(sbom.Type(rule), cl.version), sbom.ParseEVR(sbom.Type(rule), version)
	if want.Epoch == "" && want.Release == "" {
		if rule == Deb && rebuilt.MatchString(want.Version) {
			return cl.holds(rule, have.Version, want.Version) // a constraint with such a suffix means it literally
		}
		return cl.holds(rule, released(rule, version), released(rule, cl.version))
	}
	switch {
	case want.Release == "":
		have.Release = ""
		if rule == Deb && !rebuilt.MatchString(want.Version) {
			have.Version = rebuilt.ReplaceAllString(have.Version, "")
		}
	case cl.op == "prefix":
		cl.op = "="
	case cl.op == "through":
		cl.op = "upto"
	}
	ok, err := cl.holds(rule, formatEVR(have), formatEVR(want))
	if ok && err == nil && want.Epoch == "" && strings.Trim(have.Epoch, "0") != "" {
		// 1:2.3-1 is newer than 99-1, but a constraint without an epoch may not
		// take it into account.
		have.Epoch = ""
		return cl.holds(rule, formatEVR(have), formatEVR(want))
	}
	return ok, err
}

// formatEVR joins the parts of a version, without an epoch of zero.
func formatEVR(v sbom.EVR) string {
	s := v.Version
	if epoch := strings.TrimLeft(v.Epoch, "0"); epoch != "" {
		s = epoch + ":" + s
	}
	if v.Release != "" {
		s += "-" + v.Release
	}
	return s
}

func (cl clause) holds(rule Rule, have, want string) (bool, error) {
	switch cl.op {
	case "prefix":
		return hasPrefix(have, want), nil
	case "!prefix": // pre-releases belong to the release
		return !hasPrefix(have, want) && !beforeRelease(have, want) && zeros.ReplaceAllString(have, "") != zeros.ReplaceAllString(want, ""), nil
	case "===":
		return have == want, nil
	}
	c, err := Compare(rule, have, want)
	if err != nil {
		return false, err
	}
	switch cl.op {
	case "=":
		return c == 0, nil
	case "!=":
		return c != 0 && !hasPrefix(have, want), nil // "!= 17" excludes all that "17" includes
	case ">":
		return c > 0 && !beforeRelease(have, want), nil
	case ">=":
		return c == 0 || c > 0 && !beforeRelease(have, want), nil
	case "<":
		return c < 0 && !beforeRelease(have, want), nil
	case "upto":
		return c == 0 || c < 0 && !beforeRelease(have, want), nil
	case "through":
		return c == 0 || hasPrefix(have, want) || c < 0 && !beforeRelease(have, want), nil
	}
	return c <= 0, nil // "<="
}

// follows matches what may follow a version that a constraint names: a further
// part, a repack suffix ("2.9.14+dfsg"), an Alpine patch level ("17.0.11_p9"). A
// tilde, a hyphen or another underscore marks a pre-release.
var follows = regexp.MustCompile(`^(?:$|[.+]|_p[0-9])`)

// preRelease matches pre-release suffixes, also after zeros that add nothing: "21"
// is neither 21.0.0~ea nor 21.0-rc.1.
var preRelease = regexp.MustCompile(`^(?:\.0+)*(?:[~-]|[._]?(?:alpha|beta|rc|pre|dev|[ab][0-9])|\+.*~(?:alpha|beta|rc|pre|dev))`)

// zeros matches trailing zeros, which add nothing.
var zeros = regexp.MustCompile(`(?:\.0+)+$`)

// beforeRelease reports whether version is a pre-release of want. 4.0~rc1 is older
// than 4.0 but not a 3.x; 4.0rc1 sorts after 4.0 but is not 4.0 either.
func beforeRelease(version, want string) bool {
	rest, ok := strings.CutPrefix(version, zeros.ReplaceAllString(want, ""))
	return ok && preRelease.MatchString(rest)
}

// hasPrefix reports whether version equals prefix or continues it.
func hasPrefix(version, prefix string) bool {
	rest, ok := strings.CutPrefix(version, prefix)
	return ok && follows.MatchString(rest) && !preRelease.MatchString(rest)
}
