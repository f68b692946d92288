package provides

import (
	"fmt"
	"path"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// MatchPin reports whether a package manager accepts the full installed version for
// a version pin in its own syntax. The pin is the text after the package's name:
//
//	deb    =7.88.1-10+deb12u12   =7.88*            apt-get install curl=…
//	apk    =1.2.3-r0  ~1.2  >1.2  >=1.2  <2  <=2   apk add curl…
//	rpm    7.76.1  7.76.1-26.el9  1:7.76.1-26.el9  7.76.*   dnf install curl-…
//
// An empty pin accepts every version. An invalid pin is an error.
func MatchPin(rule Rule, pin, version string) (bool, error) {
	if pin == "" {
		return true, nil
	}
	switch rule {
	case Deb:
		want, ok := strings.CutPrefix(pin, "=")
		if !ok || want == "" {
			return false, fmt.Errorf("reading pin %q: apt pins a version with =", pin)
		}
		return matchPin(Deb, want, version)
	case APK:
		return matchAPK(pin, version)
	case RPM:
		want, have := sbom.ParseEVR(sbom.RPM, strings.TrimPrefix(pin, "-")), sbom.ParseEVR(sbom.RPM, version)
		if want.Release == "" {
			have.Release = ""
		}
		if want.Epoch == "" {
			have.Epoch = ""
		}
		return matchPin(RPM, formatEVR(want), formatEVR(have))
	}
	return false, fmt.Errorf("reading pin %q: rule %q has no pins", pin, rule)
}

// matchPin compares a version with a pin that may have shell wildcards.
func matchPin(rule Rule, want, version string) (bool, error) {
	if want == version {
		return true, nil
	}
	if strings.ContainsAny(want, `*?[\`) {
		ok, err := path.Match(want, version)
		if err != nil {
			return false, fmt.Errorf("reading pin %q: %w", want, err)
		}
		return ok, nil
	}
	c, err := Compare(rule, version, want)
	return c == 0 && err == nil, err
}

// matchAPK follows apk-world(5): = and the order operators compare full versions, ~
// compares a prefix.
func matchAPK(pin, version string) (bool, error) {
	want := strings.TrimLeft(pin, "<>=~")
	op := pin[:len(pin)-len(want)]
	if op == "~" || op == "=~" || op == "~=" {
		if !spelled.MatchString(want) {
			return false, fmt.Errorf("reading pin %q: %q is not a version", pin, want)
		}
		return version == want || hasPrefix(version, want) || strings.HasPrefix(version, want+"-r"), nil
	}
	c, err := Compare(APK, version, want)
	if err != nil {
		return false, fmt.Errorf("reading pin %q: %w", pin, err)
	}
	switch op {
	case "=":
		return c == 0, nil
	case ">":
		return c > 0, nil
	case ">=":
		return c >= 0, nil
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	}
	return false, fmt.Errorf("reading pin %q: unknown operator %q", pin, op)
}
