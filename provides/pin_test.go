package provides_test

import (
	"testing"

	"github.com/baseplan/baseplan/provides"
)

func TestMatchPin(t *testing.T) {
	for _, test := range []struct {
		rule         provides.Rule
		pin, version string
		want         bool
	}{
		{debRule, "", "7.88.1-10+deb12u12", true},
		{debRule, "=7.88.1-10+deb12u12", "7.88.1-10+deb12u12", true},
		{debRule, "=7.88.1-10+deb12u5", "7.88.1-10+deb12u12", false},
		{debRule, "=7.88.1", "7.88.1-10+deb12u12", false}, // apt wants it in full
		{debRule, "=7.*", "7.88.1-10+deb12u12", true},
		{debRule, "=7.88.1-10*", "7.88.1-10+deb12u12", true},
		{debRule, "=8.*", "7.88.1-10+deb12u12", false},
		{debRule, "=1:2.39.5-0+deb12u3", "1:2.39.5-0+deb12u3", true},
		{debRule, "=2.39.5-0+deb12u3", "1:2.39.5-0+deb12u3", false},
		{apkRule, "=8.9.1-r2", "8.9.1-r2", true},
		{apkRule, "=8.9.1-r1", "8.9.1-r2", false},
		{apkRule, "=8.9.1", "8.9.1-r2", false},
		{apkRule, "~8.9", "8.9.1-r2", true},
		{apkRule, "=~8.9.1", "8.9.1-r2", true},
		{apkRule, "~8", "8.9.1-r2", true},
		{apkRule, "~8.9.1-r2", "8.9.1-r2", true},
		{apkRule, "~8.9", "8.90.1-r2", false},
		{apkRule, "~8.9", "8.10.1-r2", false},
		{apkRule, ">8.9", "8.9.1-r2", true},
		{apkRule, ">=8.9.1-r2", "8.9.1-r2", true},
		{apkRule, ">8.9.1-r2", "8.9.1-r2", false},
		{apkRule, "<8.9.1-r3", "8.9.1-r2", true},
		{apkRule, "<=8.9.1-r1", "8.9.1-r2", false},
		{rpmRule, "7.76.1", "7.76.1-29.el9_4", true},
		{rpmRule, "-7.76.1-29.el9_4", "7.76.1-29.el9_4", true},
		{rpmRule, "7.76.1-26.el9", "7.76.1-29.el9_4", false},
		{rpmRule, "7.76.*", "7.76.1-29.el9_4", true},
		{rpmRule, "7.77.*", "7.76.1-29.el9_4", false},
		{rpmRule, "3.0.7-27.el9", "1:3.0.7-27.el9", true},
		{rpmRule, "1:3.0.7-27.el9", "1:3.0.7-27.el9", true},
		{rpmRule, "2:3.0.7-27.el9", "1:3.0.7-27.el9", false},
		{rpmRule, "7.77", "7.76.1-29.el9_4", false},
	} {
		got, err := provides.MatchPin(test.rule, test.pin, test.version)
		if err != nil || got != test.want {
			t.Errorf("MatchPin(%s, %q, %q) = %v, %v, want %v", test.rule, test.pin, test.version, got, err, test.want)
		}
	}
}

func TestMatchPinNotUnderstood(t *testing.T) {
	for _, test := range []struct {
		rule provides.Rule
		pin  string
	}{
		{debRule, "7.88.1"}, {debRule, ">=7"}, {debRule, "="}, {debRule, "=[7"}, {debRule, "=$VERSION"},
		{apkRule, "8.9.1-r2"}, {apkRule, "><Q1abc="}, {apkRule, "=latest"}, {apkRule, "~"}, {apkRule, "@edge"},
		{rpmRule, "$VERSION"}, {semver, "=1"},
	} {
		if got, err := provides.MatchPin(test.rule, test.pin, "7.88.1-r1"); err == nil || got {
			t.Errorf("MatchPin(%s, %q) = %v, no error", test.rule, test.pin, got)
		}
	}
}
