package provides_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	npm "github.com/Masterminds/semver/v3"
	pep440 "github.com/aquasecurity/go-pep440-version"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/provides"
)

// numbers are dotted numbers of least to most parts, small, so that they meet.
func numbers(least, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.IntRange(0, 3), least, most).Draw(t, "parts")
		text := make([]string, len(parts))
		for i, n := range parts {
			text[i] = strconv.Itoa(n)
		}
		return strings.Join(text, ".")
	})
}

func matches(t *rapid.T, constraint, version string) bool {
	c, err := provides.ParseConstraint(constraint)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := c.Match(semver, version)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestAgreesWithSemver: what npm's ranges mean is what a library says, for versions of three numbers.
func TestAgreesWithSemver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		comparator := func(name string) string {
			partial, full := numbers(1, 3).Draw(t, name), numbers(3, 3).Draw(t, name)
			return rapid.SampledFrom([]string{
				partial, "^" + partial, "~" + partial, ">=" + partial, "<" + partial, ">" + partial, "!=" + partial,
				"=" + full, "<=" + full, partial + " - " + numbers(1, 3).Draw(t, name+" to"),
				"^" + numbers(1, 2).Draw(t, name+" stem") + ".x", numbers(1, 2).Draw(t, name+" stem") + ".*", "~" + numbers(1, 2).Draw(t, name+" stem") + ".x",
			}).Draw(t, name+" comparator")
		}
		text := comparator("first")
		switch rapid.IntRange(0, 2).Draw(t, "joined by") {
		case 1:
			text += " || " + comparator("second")
		case 2:
			text += ", " + comparator("second")
		}
		c, err := npm.NewConstraint(text)
		if err != nil {
			t.Skip(err) // it does not read a hyphen beside a comma
		}
		have := numbers(3, 3).Draw(t, "version")
		if got, want := matches(t, text, have), c.Check(npm.MustParse(have)); got != want {
			t.Fatalf("%q allows %s: %v, want %v", text, have, got, want)
		}
	})
}

// TestAgreesWithPEP440: a specifier of Python means what a library says where the readings do not differ
// on purpose, and never allows more.
func TestAgreesWithPEP440(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := numbers(3, 4).Draw(t, "version")
		one := func(name string) (text string, narrower bool) {
			spec := numbers(1, 3).Draw(t, name)
			switch op := rapid.SampledFrom([]string{"~=", "==", "!=", ">=", "<=", "<", ">", "==*", "!=*", "==="}).Draw(t, name+" operator"); op {
			case "~=":
				return op + numbers(2, 3).Draw(t, name+" of two"), false
			case "==*", "!=*":
				return op[:2] + spec + ".*", false
			case "!=", ">": // 3.10.1 is no 3.10 and not newer
				return op + spec, true
			default:
				return op + spec, false
			}
		}
		text, narrower := one("first")
		if rapid.Bool().Draw(t, "two") {
			more, n := one("second")
			text, narrower = text+","+more, narrower || n
		}
		specifiers, err := pep440.NewSpecifiers(text)
		if err != nil {
			t.Fatal(err)
		}
		got, want := matches(t, text, have), specifiers.Check(pep440.MustParse(have))
		if got && !want || got != want && !narrower {
			t.Fatalf("%q allows %s: %v, want %v", text, have, got, want)
		}
	})
}

// TestComposerAlternatives: one bar is as good as two, and a stability changes nothing.
func TestComposerAlternatives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, have := numbers(1, 3).Draw(t, "a"), numbers(1, 3).Draw(t, "b"), numbers(1, 4).Draw(t, "version")
		op := rapid.SampledFrom([]string{"^", "~", ">=", "", "!="}).Draw(t, "operator")
		want := matches(t, op+a, have) || matches(t, op+b, have)
		for _, form := range []string{"%s || %s", "%s|%s", "%s | %s", "%s@stable|%s@dev"} {
			if text := fmt.Sprintf(form, op+a, op+b); matches(t, text, have) != want {
				t.Fatalf("%q allows %s: %v, want %v", text, have, !want, want)
			}
		}
	})
}

// TestRangeIsBetween: a range with a hyphen allows nothing below its lower end nor above its upper, whatever the ecosystem.
func TestRangeIsBetween(t *testing.T) {
	for _, rule := range []provides.Rule{debRule, rpmRule, apkRule} {
		t.Run(string(rule), rapid.MakeCheck(func(t *rapid.T) {
			from, to, have := versions(rule).Draw(t, "from"), versions(rule).Draw(t, "to"), versions(rule).Draw(t, "have")
			match := func(text string) bool {
				c, err := provides.ParseConstraint(text)
				if err != nil {
					t.Fatal(err)
				}
				ok, err := c.Match(rule, have)
				if err != nil {
					t.Fatal(err)
				}
				return ok
			}
			inside := match(from + " - " + to)
			if inside && (!match(">="+from) || !match("<="+to) && !match(to)) {
				t.Fatalf("%q is in %q - %q, and yet not between them", have, from, to)
			}
			if !inside && match("="+to) && match(">="+from) {
				t.Fatalf("%q is the upper end of %q - %q, and yet not in it", have, from, to)
			}
		}))
	}
}
