package provides

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	apk "github.com/knqyf263/go-apk-version"
	deb "github.com/knqyf263/go-deb-version"
	rpm "github.com/knqyf263/go-rpm-version"

	"github.com/baseplan/baseplan/sbom"
)

// RuleOf returns the rule for versions of packages of the type.
func RuleOf(t sbom.Type) Rule {
	if t.OS() {
		return Rule(t)
	}
	return Semver
}

// Upstream returns the upstream version: without epoch and revision, and for Debian
// without repack suffixes. "1:2.9.14+dfsg-1.3" gives "2.9.14"; "1.2+really1.1-3", a
// downgrade, gives "1.1".
func Upstream(rule Rule, version string) string {
	v := sbom.ParseEVR(sbom.Type(rule), version).Version
	if rule != Deb {
		return v
	}
	if i := strings.LastIndex(v, "really"); i >= 0 && i+len("really") < len(v) {
		v = strings.TrimLeft(v[i+len("really"):], ".")
	}
	return repacked.ReplaceAllString(v, "")
}

// released returns the upstream version without Debian's rebuild suffix, which does
// not mark a pre-release.
func released(rule Rule, version string) string {
	if rule != Deb {
		return Upstream(rule, version)
	}
	return Upstream(rule, rebuilt.ReplaceAllString(sbom.ParseEVR(sbom.Deb, version).Version, ""))
}

// rebuilt matches Debian's suffixes for a package of a released version, where the
// tilde does not mark a pre-release: 2:1.19~1 of golang-defaults, 20230311~deb12u1,
// 1.21~bpo12+1. A date (~20240101) is a snapshot before the release.
var rebuilt = regexp.MustCompile(`~(?:[0-9]{1,2}|(?:bpo|deb|ubuntu)[0-9][0-9A-Za-z.+]*(?:~[0-9.]+)?)$`)

// repacked matches Debian's suffixes for sources without non-free parts. The result
// is neither newer ("+dfsg") nor older ("~ds1") than upstream's.
var repacked = regexp.MustCompile(`[+~.](?:dfsg|ds|repack)[.0-9]*$`)

// Compare compares two versions under a rule. The result is negative if a is older,
// 0 if they are equal, positive if a is newer. Compare returns an error if a
// version is invalid under the rule, or if the rule is unknown.
func Compare(rule Rule, a, b string) (int, error) {
	for _, v := range []string{a, b} {
		if !spelled.MatchString(v) || len(v) > 256 || tooLong.MatchString(v) {
			return 0, fmt.Errorf("reading version %q: not one that can be compared", v)
		}
	}
	switch rule {
	case Deb:
		va, err := deb.NewVersion(a)
		if err != nil {
			return 0, fmt.Errorf("reading version %q: %w", a, err)
		}
		vb, err := deb.NewVersion(b)
		if err != nil {
			return 0, fmt.Errorf("reading version %q: %w", b, err)
		}
		return va.Compare(vb), nil
	case RPM:
		for _, v := range []string{a, b} {
			if strings.Contains(sbom.ParseEVR(sbom.RPM, v).Version, ":") { // the library reads a bad epoch as 0
				return 0, fmt.Errorf("reading version %q: the epoch is not a number", v)
			}
		}
		return rpm.NewVersion(a).Compare(rpm.NewVersion(b)), nil
	case APK:
		if !apkForm.MatchString(a) || !apkForm.MatchString(b) { // the library reads 1.2.x as 1.2.0
			return 0, fmt.Errorf("comparing %q with %q: not versions of Alpine packages", a, b)
		}
		va, err := apk.NewVersion(a)
		if err != nil {
			return 0, fmt.Errorf("reading version %q: %w", a, err)
		}
		vb, err := apk.NewVersion(b)
		if err != nil {
			return 0, fmt.Errorf("reading version %q: %w", b, err)
		}
		return va.Compare(vb), nil
	case Semver:
		return compareDotted(a, b)
	}
	return 0, fmt.Errorf("comparing %q with %q: unknown rule %q", a, b, rule)
}

// apkForm is the version syntax of apk-package(5).
var apkForm = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*(?:-r[0-9]+)?$`)

// tooLong matches numbers that overflow in the libraries, which then report
// different versions as equal.
var tooLong = regexp.MustCompile(`[0-9]{19}`)

// spelled is the syntax of any version: it starts with a digit or letter and has no
// spaces or operators.
var spelled = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~:^_-]*$`)

// dotted is the version syntax of semver.org with any number of parts: runtimes
// have versions of one, two or four parts ("17", "3.12", "17.0.12.1"), which semver
// libraries reject or pad.
var dotted = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$`)

func compareDotted(a, b string) (int, error) {
	ma, mb := dotted.FindStringSubmatch(a), dotted.FindStringSubmatch(b)
	if ma == nil || mb == nil {
		return 0, fmt.Errorf("comparing %q with %q: not dotted numbers", a, b)
	}
	if c := compareParts(ma[1], mb[1]); c != 0 {
		return c, nil
	}
	switch {
	case ma[2] == "" || mb[2] == "": // a pre-release precedes its release
		return cmp.Compare(min(1, len(mb[2])), min(1, len(ma[2]))), nil
	default:
		return comparePrerelease(ma[2], mb[2]), nil
	}
}

// compareParts compares dotted numbers; missing parts count as 0.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var pa, pb string
		pa, a, _ = strings.Cut(a, ".")
		pb, b, _ = strings.Cut(b, ".")
		if c := compareNumbers(pa, pb); c != 0 {
			return c
		}
	}
	return 0
}

// compareNumbers compares decimal numbers of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// comparePrerelease follows semver.org, point 11.4.
func comparePrerelease(a, b string) int {
	pa, pb := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(pa), len(pb)) {
		na, nb := numeric(pa[i]), numeric(pb[i])
		var c int
		switch {
		case na && nb:
			c = compareNumbers(pa[i], pb[i])
		case na:
			c = -1
		case nb:
			c = 1
		default:
			c = strings.Compare(pa[i], pb[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(pa), len(pb))
}

func numeric(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
