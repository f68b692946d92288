package provides_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/provides"
)

const (
	debRule = provides.Deb
	rpmRule = provides.RPM
	apkRule = provides.APK
	semver  = provides.Semver
)

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		rule provides.Rule
		a    string
		want int
		b    string
	}{
		{debRule, "7.88.1-10+deb12u12", 1, "7.88.1-10+deb12u5"},
		{debRule, "1:1.0", 1, "2.0"},
		{debRule, "0:1.0", 0, "1.0"},
		{debRule, "1.0", 0, "1.0-0"},
		{debRule, "1.0~rc1", -1, "1.0"},
		{debRule, "1.0~rc1", -1, "1.0~rc2"},
		{debRule, "1.0~~", -1, "1.0~"},
		{debRule, "1.0~", -1, "1.0"},
		{debRule, "2.9.14+dfsg-1.3", 1, "2.9.14-1.3"},
		{debRule, "9.2.0~ds1-1", -1, "9.2.0-1"},
		{debRule, "1.0-1~bpo12+1", -1, "1.0-1"},
		{debRule, "1.10", 1, "1.9"},
		{debRule, "1.0a", 1, "1.0"},
		{debRule, "1.0a", -1, "1.0+"},
		{debRule, "1.0.1", 1, "1.0-9"},
		{debRule, "3.11.2-1+b1", 1, "3.11.2-1"},
		{debRule, "20230311+deb12u1", 1, "20230311"},
		{rpmRule, "7.76.1-29.el9_4", 1, "7.76.1-26.el9"},
		{rpmRule, "1:3.0.7-27.el9", 1, "3.2.2-1.el9"},
		{rpmRule, "0:1.0-1", 0, "1.0-1"},
		{rpmRule, "1.0~rc1-1", -1, "1.0-1"},
		{rpmRule, "1.0^20240101-1", 1, "1.0-1"},
		{rpmRule, "1.0^20240101-1", -1, "1.0.1-1"},
		{rpmRule, "1.0.1", 1, "1.0a"},
		{rpmRule, "8.10.0-1.el9", 1, "8.9.9-1.el9"},
		{rpmRule, "1.0_1", 0, "1.0.1"},
		{rpmRule, "2.5-1.module+el8.9.0+21901", 1, "2.5-1.module+el8.8.0+1"},
		{rpmRule, "1.05-1", 0, "1.5-1"},
		{apkRule, "8.9.1-r2", 1, "8.9.1-r1"},
		{apkRule, "8.9.1-r10", 1, "8.9.1-r9"},
		{apkRule, "1.2.3_rc1-r0", -1, "1.2.3-r0"},
		{apkRule, "1.2.3_alpha1", -1, "1.2.3_beta1"},
		{apkRule, "17.0.18_p8-r0", 1, "17.0.18_p7-r0"},
		{apkRule, "17.0.18_p8-r0", 1, "17.0.18-r0"},
		{apkRule, "1.1.1w-r1", 1, "1.1.1v-r9"},
		{apkRule, "1.10-r0", 1, "1.9-r0"},
		{apkRule, "1.2-r0", 1, "1.2"},
		{semver, "1.2.3-rc.1", -1, "1.2.3"},
		{semver, "1.2.3-rc.2", -1, "1.2.3-rc.10"},
		{semver, "1.2", 0, "1.2.0"},
		{semver, "17.0.12.1", 1, "17.0.12"},
		{semver, "1.2.3+7", 0, "1.2.3+8"},
		{semver, "10", 1, "9.9.9"},
	} {
		t.Run(fmt.Sprintf("%s/%s_%s", test.rule, test.a, test.b), func(t *testing.T) {
			for _, order := range []struct {
				a, b string
				want int
			}{{test.a, test.b, test.want}, {test.b, test.a, -test.want}} {
				got, err := provides.Compare(test.rule, order.a, order.b)
				if err != nil || sign(got) != order.want {
					t.Errorf("Compare(%s, %q, %q) = %d, %v, want %d", test.rule, order.a, order.b, got, err, order.want)
				}
			}
		})
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestCompareErrors(t *testing.T) {
	for _, test := range []struct {
		rule provides.Rule
		a    string
	}{
		{debRule, ""}, {debRule, "x"}, {debRule, "1:"}, {debRule, "a:1"}, {debRule, "1.0 1"}, {debRule, "１.0"},
		{debRule, "0~git9999999999999999999"}, // overflows in the library
		{rpmRule, ""}, {rpmRule, "a:1.0"}, {rpmRule, "1 0"},
		{apkRule, "1.2.x"}, {apkRule, "1:2"}, {apkRule, "1.2-3"}, {apkRule, "1.2_foo"},
		{semver, "latest"}, {semver, "1..2"}, {"gem", "1.0"},
		{rpmRule, strings.Repeat("1.", 200)},
	} {
		if _, err := provides.Compare(test.rule, test.a, "1.0"); err == nil {
			t.Errorf("Compare(%q, %q, 1.0): no error", test.rule, test.a)
		}
	}
}

func TestUpstream(t *testing.T) {
	for _, test := range []struct {
		rule     provides.Rule
		in, want string
	}{
		{debRule, "7.88.1-10+deb12u12", "7.88.1"},
		{debRule, "1:2.39.5-0+deb12u3", "2.39.5"},
		{debRule, "2.9.14+dfsg-1.3~deb12u6", "2.9.14"},
		{debRule, "18.20.4+dfsg1-1", "18.20.4"},
		{debRule, "9.2.0~ds1-1", "9.2.0"},
		{debRule, "1.0+repack.2-1", "1.0"},
		{debRule, "1.2+really1.1-3", "1.1"},
		{debRule, "1.2+really-3", "1.2+really"},
		{debRule, "2:1.2+really.1.1+dfsg-3", "1.1"},
		{debRule, "2.0~rc1+dfsg-1", "2.0~rc1"},
		{debRule, "1.2-3-4", "1.2-3"},
		{rpmRule, "1:3.0.7-27.el9", "3.0.7"},
		{rpmRule, "7.76.1-29.el9_4", "7.76.1"},
		{apkRule, "17.0.18_p8-r0", "17.0.18_p8"},
		{apkRule, "1.2.3", "1.2.3"},
		{semver, "1.2.3-rc.1", "1.2.3-rc.1"},
	} {
		if got := provides.Upstream(test.rule, test.in); got != test.want {
			t.Errorf("Upstream(%s, %q) = %q, want %q", test.rule, test.in, got, test.want)
		}
	}
}

// versions draws versions of a rule that the ecosystem could have.
func versions(rule provides.Rule) *rapid.Generator[string] {
	upstream := `[0-9]{1,2}(\.[0-9]{1,2}){0,2}`
	pattern := map[provides.Rule]string{
		debRule: `([1-2]:)?` + upstream + `([+~](dfsg|rc|b)[0-9]?)?(-[0-9](~bpo1|\+deb12u[0-9])?)?`,
		rpmRule: `([1-2]:)?` + upstream + `([~^](rc|git)[0-9])?[a-c]?(-[0-9](\.el[89](_[0-9])?)?)?`,
		apkRule: upstream + `[a-c]?(_(alpha|beta|pre|rc|p|git)[0-9]{1,2})?(-r[0-9]{1,2})?`,
		semver:  upstream + `(-(rc|beta)\.[0-9]{1,2})?(\+[0-9])?`,
	}
	return rapid.StringMatching(pattern[rule])
}

func TestCompareOrders(t *testing.T) {
	for _, rule := range []provides.Rule{debRule, rpmRule, apkRule, semver} {
		t.Run(string(rule), rapid.MakeCheck(func(t *rapid.T) {
			a, b, c := versions(rule).Draw(t, "a"), versions(rule).Draw(t, "b"), versions(rule).Draw(t, "c")
			compare := func(x, y string) int {
				n, err := provides.Compare(rule, x, y)
				if err != nil {
					t.Fatalf("Compare(%q, %q): %v", x, y, err)
				}
				return sign(n)
			}
			if compare(a, a) != 0 {
				t.Fatalf("%q is not equal to itself", a)
			}
			if compare(a, b) != -compare(b, a) {
				t.Fatalf("%q, %q: %d one way, %d the other", a, b, compare(a, b), compare(b, a))
			}
			if compare(a, b) <= 0 && compare(b, c) <= 0 && compare(a, c) > 0 {
				t.Fatalf("%q <= %q <= %q, but the first is newer than the last", a, b, c)
			}
		}))
	}
}
