package provides_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/provides"
)

func TestConstraint(t *testing.T) {
	type version struct {
		rule provides.Rule
		text string
	}
	d := func(s string) version { return version{debRule, s} }
	r := func(s string) version { return version{rpmRule, s} }
	a := func(s string) version { return version{apkRule, s} }
	v := func(s string) version { return version{semver, s} }
	for _, test := range []struct {
		constraint string
		met, not   []version
	}{
		{"", []version{d("1.0-1"), v(""), a("1.2.x")}, nil},
		{"*", []version{d("1.0-1"), v("")}, nil},
		{"x", []version{d("1.0-1")}, nil},
		{"17", []version{d("17-1"), d("17.0.12+7-2~deb12u1"), r("1:17.0.18.0.8-2.el9"), a("17.0.18_p8-r0"), v("17"), v("17.0.12.1"), v("17.0.12+7")},
			[]version{d("170.1-1"), d("1.17-1"), d("17~ea-1"), d("17.0.0~rc1-1"), a("17_rc1-r0"), a("17.0_beta2-r0"), v("17.0.0-rc.1"), v(""), d("16.9-1"), d("18-1")}},
		{"= 2:1.19~1", []version{d("2:1.19~1"), d("2:1.19~1-4")}, []version{d("2:1.19"), d("2:1.19~2")}},
		{"17.*", []version{d("17.0.12-1"), d("17-1")}, []version{d("18.0-1"), d("170-1")}},
		{"= 17.*", []version{d("17.0.12-1"), d("17-1"), r("17.0.18-2.el9")}, []version{d("18.0-1"), d("170-1"), d("17~ea-1")}},
		{"17.0.x", []version{d("17.0.12-1")}, []version{d("17.1-1")}},
		{"v18", []version{d("18.20.4+dfsg-1")}, []version{d("19-1")}},
		{"18.20.4", []version{d("18.20.4+dfsg-1~deb12u3")}, []version{d("18.20.40-1")}},
		{"= 18.20.4", []version{d("18.20.4+dfsg-1~deb12u3"), r("1:18.20.4-1.el9"), a("18.20.4-r0")}, []version{d("18.20.4.1-1"), d("18.20.5-1")}},
		{"== 3.11.*", []version{r("3.11.7-1.el9")}, []version{r("3.12.0-1.el9")}},
		{"==2.9.14+dfsg", []version{d("2.9.14+dfsg-1.3")}, nil},
		{"> 18.20.4", []version{d("18.20.5-1")}, []version{d("18.20.4+dfsg-1"), r("18.20.4-99.el9"), a("18.20.4-r9")}},
		{"<= 18.20.4", []version{d("18.20.4+dfsg-1"), r("18.20.4-99.el9"), a("18.20.4-r9")}, []version{d("18.20.5-1")}},
		{">= 9.2.0", []version{d("9.2.0~ds1-1"), d("1:9.2.0-1")}, []version{d("9.2.0~rc1-1"), d("2:9.1-1"), d("9.3+really9.1-1")}},
		{">= 3.10", []version{d("3.11.2-1+b1"), d("3.10-1"), r("4:5.32.1-481.el9")}, []version{d("3.9-1"), d("3.9.99-1"), v("")}},
		{">=3.10,<4", []version{d("3.11.2-1")}, []version{d("4.0-1"), d("3.9-1")}},
		{">= 3.10 < 4", []version{d("3.11.2-1")}, []version{d("4.0-1")}},
		{"< 8", []version{d("7.88.1-1")}, []version{d("8-1"), d("1:8.0-1")}},
		{"< 4.0", []version{d("3.9~rc1-1"), d("3.9-1")}, []version{d("4.0~rc1-1"), d("4.0.0~rc1-1"), d("4~rc1-1"), r("4.0~rc1-1.el9"), a("4_rc1-r0"), v("4.0.0-rc.1")}},
		{">= 4.0", []version{d("4.0+dfsg-1"), d("4.0.1~rc1-1"), d("4.1rc1-1"), v("4.1.0-rc.1")}, []version{d("4.0rc1-1"), d("4.0.0+dfsg~rc1-1"), r("4.0rc1-1.el9"), v("4.0.0-rc.1")}},
		{"> 17", []version{d("18-1"), r("21.0.4-1.el9")}, []version{d("17.0.12+7-1"), r("17.9-1.el9"), a("17.0.11_p9-r0"), v("17.9.1")}},
		{"!= 17", []version{d("16.1-1"), d("18-1")}, []version{d("17-1"), d("17.0.12-1")}},
		{"~> 3.11", []version{d("3.11.2-1"), d("3.11-1")}, []version{d("3.12-1"), d("3.10-1"), d("3.12~rc1-1"), d("4-1")}},
		{"~> 3.11.2", []version{d("3.11.9-1")}, []version{d("3.11.1-1"), d("3.12-1")}},
		{"~1.2", []version{a("1.2.9-r0")}, []version{a("1.3.0-r0"), a("1.3_rc1-r0")}},
		{"~1", []version{a("1.9-r0")}, []version{a("2.0-r0")}},
		{"^18", []version{d("18.20.4+dfsg-1")}, []version{d("19-1"), d("19.0~rc1-1"), v("19.0.0-rc.1")}},
		{"^1.2.3", []version{v("1.9.0"), v("1.2.3")}, []version{v("2.0.0"), v("1.2.2"), v("2.0.0-rc.1")}},
		{"^0.2.3", []version{v("0.2.9")}, []version{v("0.3.0"), v("0.2.2")}},
		{"^0.0.3", []version{v("0.0.3")}, []version{v("0.0.4")}},
		{"^0", []version{v("0.9")}, []version{v("1.0")}},
		{"17 || 21", []version{d("21.0.4+7-1"), d("17.0-1")}, []version{d("19-1")}},
		{"< 3 || >= 4, < 5", []version{d("2-1"), d("4.1-1")}, []version{d("3.5-1"), d("5-1")}},

		// Ranges of npm.
		{"18 - 20", []version{d("18.0-1"), d("18-1"), d("19.9.9-1"), d("20.11.1+dfsg-1"), v("20.0.0"), v("18"), r("20.9-1.el9"), a("20.15.1-r0")},
			[]version{d("17.9-1"), d("21-1"), d("18~rc1-1"), d("20~rc1-1"), v("21.0.0-rc.1"), v("20.0.0-rc.1"), v("18.0.0-rc.1"), v("")}},
		{"18.1 - 20.2", []version{v("18.1"), v("20.2.9"), v("19"), v("20.2.9.1")}, []version{v("18.0.9"), v("20.3")}},
		{"18 - 20.1.2", []version{v("20.1.2"), v("18.3.0.1")}, []version{v("20.1.3"), v("20.1.2.1"), v("20.1.2-rc.1")}},
		{"18.x - 20.x", []version{v("18.0"), v("20.9")}, []version{v("21"), v("17.9")}},
		{"18 - 20, != 19.*", []version{v("18.1"), v("20.1")}, []version{v("19.1"), v("19"), v("21")}},
		{"16 || 18 - 20", []version{v("16.1"), v("19.1")}, []version{v("17"), v("21")}},
		{"1:18 - 1:20", []version{d("1:20.9-1"), d("1:18-1")}, []version{d("20-1"), d("1:21-1")}},
		{"v18 - v20", []version{v("19")}, []version{v("21")}},
		{"^20.x", []version{d("20.11-1"), v("20")}, []version{v("21.0"), v("19.9"), v("20.0.0-rc.1"), v("21.0.0-rc.1")}},
		{"^20.1.x", []version{v("20.1"), v("20.9")}, []version{v("20.0.9"), v("21")}},
		{"^0.x", []version{v("0.9")}, []version{v("1.0")}},
		{"~1.2.x", []version{v("1.2.9")}, []version{v("1.3")}},
		{">=18 <21", []version{v("18"), v("20.9")}, []version{v("21"), v("17.9")}},
		{">=18.0.0 <19.0.0 || >=20.0.0", []version{v("18.9"), v("22")}, []version{v("19.1")}},

		// PEP 440.
		{"~=3.11", []version{d("3.11.2-1+b1"), v("3.12.0"), v("3.11")}, []version{v("4.0"), v("3.10.9"), v("3.11.0-rc.1")}},
		{"~= 3.11.2", []version{v("3.11.9"), v("3.11.2")}, []version{v("3.12"), v("3.11.1")}},
		{"~=2.2.1.4", []version{v("2.2.1.9")}, []version{v("2.2.2")}},
		{"!=3.10.*", []version{v("3.11"), v("3.100"), v("3.9.1")}, []version{v("3.10"), v("3.10.4"), v("3.10.0-rc.1"), d("3.10~rc1-1")}},
		{"!= 3.10.0.*", []version{v("3.10.1")}, []version{v("3.10"), v("3.10.0.1")}},
		{">=3.9,!=3.10.*,<4", []version{v("3.9"), v("3.12.1")}, []version{v("3.10.1"), v("4.0")}},
		{"===3.11", []version{d("3.11-1"), v("3.11")}, []version{v("3.11.0"), d("3.11.2-1")}},
		{"=== 3.11.2", []version{d("3.11.2-1+b1"), r("0:3.11.2-1.el9")}, []version{v("3.11.2.0")}},

		// Composer.
		{"^8.1 || ^8.2", []version{v("8.1"), v("8.3.6")}, []version{v("9.0"), v("8.0.30")}},
		{"^8.1|^9", []version{v("8.1"), v("9.3.6")}, []version{v("10.0"), v("8.0.30")}},
		{"8.1.*|8.2.*", []version{v("8.1.2"), d("8.2.20-1")}, []version{v("8.3")}},
		{"8.1.* | 8.2.*", []version{v("8.1.2"), v("8.2.20")}, []version{v("8.3")}},
		{"^8.1@stable", []version{v("8.2")}, []version{v("9"), v("8.1.0-rc.1")}},
		{">=8.1@stable, <8.3@dev", []version{v("8.2")}, []version{v("8.3"), v("8.3.0-rc.1")}},
		{"8.2.*@beta", []version{v("8.2.1")}, []version{v("8.2.0-beta.1")}},
		{"*@stable", []version{v("8.2")}, nil},

		// A tilde and a small number count how often Debian built the version.
		{"1.19", []version{d("2:1.19~1"), d("1.19~12"), d("1.19~bpo11+1"), d("1.19~deb12u1"), d("1.19~ubuntu22.04.1"), d("1.19.1~1")},
			[]version{d("1.19~rc1-1"), d("1.19~20240101-1"), d("1.19~git20240101-1"), d("1.19~beta-1"), d("1.19~1rc1")}},
		{"= 1.19", []version{d("2:1.19~1")}, []version{d("2:1.19~rc1"), d("1.19~123")}},
		{">= 1.19", []version{d("2:1.19~1"), d("1.20~1")}, []version{d("1.18~1"), d("1.19~rc1-1")}},
		{"< 1.19", []version{d("1.18~1")}, []version{d("2:1.19~1")}},
		{">= 2:1.19", []version{d("2:1.19~1")}, []version{d("1.20~1"), d("2:1.19~rc1")}},
		{"= 1.19~1", []version{d("2:1.19~1"), d("1.19~1")}, []version{d("1.19"), d("1.19~2")}},
		{"20230311", []version{d("20230311~deb12u1"), d("20230311+deb12u1")}, []version{d("20230311~rc1")}},

		// An epoch or a revision in the constraint makes it count.
		{"7.88.1-10+deb12u12", []version{d("7.88.1-10+deb12u12")}, []version{d("7.88.1-10+deb12u5"), d("1:7.88.1-10+deb12u12"), r("7.88.1-10.el9")}},
		{">= 7.88.1-10", []version{d("7.88.1-10+deb12u1"), d("7.89-1")}, []version{d("7.88.1-9")}},
		{">= 7.76.1-26.el9", []version{r("7.76.1-29.el9_4")}, []version{r("7.76.1-14.el9")}},
		{">= 1:2.3", []version{d("1:2.3-1"), d("2:1-1")}, []version{d("3-1"), d("1:2.2-9")}},
		{"1:2.3", []version{d("1:2.3.9-1")}, []version{d("2.3-1"), d("1:2.30-1")}},
		{"<= 1:2.3", []version{d("1:2.3-9"), d("9-1")}, []version{d("1:2.4-1")}},
		{">= 99-1", []version{d("99-1"), d("1:99-1")}, []version{d("1:2.3-1")}},
		{"= 3.0.7-27.el9", []version{r("3.0.7-27.el9"), r("0:3.0.7-27.el9")}, []version{r("1:3.0.7-27.el9")}},
		{"= 1:3.0.7-27.el9", []version{r("1:3.0.7-27.el9")}, []version{r("3.0.7-27.el9")}},
		{"8.9.1-r2", []version{a("8.9.1-r2")}, []version{a("8.9.1-r1"), a("8.9.1-r20")}},
		{">= 8.9.1-r2", []version{a("8.9.1-r2"), a("8.9.1-r10"), a("8.10-r0")}, []version{a("8.9.1-r1")}},
		{"^1:2.3", []version{d("1:2.9-1")}, []version{d("2.9-1"), d("1:3.0-1"), d("2:2.9-1")}},
		{">= 1.2.3-rc.1", []version{v("1.2.3-rc.2"), v("1.2.3")}, []version{v("1.2.3-beta.9")}},
	} {
		c, err := provides.ParseConstraint(test.constraint)
		if err != nil {
			t.Errorf("ParseConstraint(%q): %v", test.constraint, err)
			continue
		}
		for want, all := range map[bool][]version{true: test.met, false: test.not} {
			for _, ver := range all {
				t.Run(fmt.Sprintf("%s/%s/%s", test.constraint, ver.rule, ver.text), func(t *testing.T) {
					if got, err := c.Match(ver.rule, ver.text); got != want {
						t.Errorf("%q by %s under %q: %v (%v), want %v", ver.text, ver.rule, test.constraint, got, err, want)
					}
				})
			}
		}
	}
}

func TestConstraintNotUnderstood(t *testing.T) {
	for _, text := range []string{
		"lts/*", "latest", "node", "lts", ">= ", "=", "17 -21", "17 - ", "- 21", "17 - 21 - 23", "17 - lts", "a - 21", ">=17 - 21", "||", "17 ||", ",17", "17,", "=> 17", ">= 17.*", "< 17.x", "~> *",
		"1.*.3", "*.1", "~=3", "~= 3.*", "!=*", "^*", "~*", "===", "17 |", "|17", "17 ||| 18", "17@", "17@stable@dev", "17@lts", "@stable", "17 @stable", "<> 1", "!17", "17; 18", "[17,18)", "(17)", "17!", ">=17<", "1.2.3 garbage!", "\x00", "１７", "17\n||",
	} {
		if c, err := provides.ParseConstraint(text); err == nil {
			t.Errorf("ParseConstraint(%q) = %v, want an error", text, c)
		}
	}
}

func TestConstraintCannotCompare(t *testing.T) {
	c, err := provides.ParseConstraint(">= 1.0")
	if err != nil {
		t.Fatal(err)
	}
	for rule, version := range map[provides.Rule]string{apkRule: "1.2.x-r0", debRule: "unknown", semver: "latest", "": "1.0"} {
		if ok, err := c.Match(rule, version); ok || err == nil {
			t.Errorf("Match(%q, %q) = %v, %v, want an error", rule, version, ok, err)
		}
	}
}

// The operators of one version agree with the order, whatever the version.
func TestConstraintAgreesWithCompare(t *testing.T) {
	for _, rule := range []provides.Rule{debRule, rpmRule, apkRule} {
		t.Run(string(rule), rapid.MakeCheck(func(t *rapid.T) {
			have, want := versions(rule).Draw(t, "have"), versions(rule).Draw(t, "want")
			match := func(op string) bool {
				c, err := provides.ParseConstraint(op + want)
				if err != nil {
					t.Fatal(err)
				}
				ok, err := c.Match(rule, have)
				if err != nil {
					t.Fatal(err)
				}
				return ok
			}
			if match("=") && (!match(">=") || !match("<=") || match("!=") || match("<") || match(">")) {
				t.Fatalf("%q = %q, yet another operator denies it", have, want)
			}
			if match(">") && match("<") || match(">") && !match(">=") || match("<") && !match("<=") {
				t.Fatalf("%q and %q: <, <=, >=, > contradict one another", have, want)
			}
			if match("^") && !match(">=") || match("~") && !match(">=") {
				t.Fatalf("%q and %q: a range below its lower end", have, want)
			}
		}))
	}
}
