// Package api knows the versions of the Platform API and of the Buildpack API:
// how they compare, which are spoken here, and what came or went with them.
//
// Start with [Version]. A difference between versions is asked for by the name of
// a [Feature], never by comparing numbers in a phase. The specification:
// https://github.com/buildpacks/spec#api-versions.
package api

import (
	"fmt"
	"strconv"
	"strings"
)

// A Version is that of an API, such as 0.12. The zero value is no version of any API.
type Version struct {
	Major, Minor uint
}

// Parse reads a version such as "0.12", or "1" for "1.0".
func Parse(s string) (Version, error) {
	major, minor, dotted := strings.Cut(s, ".")
	v := Version{}
	var ok bool
	if v.Major, ok = number(major); !ok {
		return Version{}, fmt.Errorf("parsing API version %q: want MAJOR.MINOR, such as 0.12", s)
	}
	if !dotted {
		return v, nil
	}
	if v.Minor, ok = number(minor); !ok {
		return Version{}, fmt.Errorf("parsing API version %q: want MAJOR.MINOR, such as 0.12", s)
	}
	return v, nil
}

// number reads digits without sign, space or superfluous zeros in front.
func number(s string) (uint, bool) {
	if len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return uint(n), err == nil
}

// Compare is -1, 0 or 1 as v is older than w, the same, or newer.
func (v Version) Compare(w Version) int {
	switch {
	case v == w:
		return 0
	case v.Major < w.Major, v.Major == w.Major && v.Minor < w.Minor:
		return -1
	}
	return 1
}

// IsZero tells whether v is no version at all.
func (v Version) IsZero() bool { return v == Version{} }

func (v Version) String() string {
	return strconv.FormatUint(uint64(v.Major), 10) + "." + strconv.FormatUint(uint64(v.Minor), 10)
}

// MarshalText writes a version as [Version.String] does.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a version as [Parse] does.
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
