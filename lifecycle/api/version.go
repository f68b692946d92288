// Package api defines the versions of the Platform API and the Buildpack API: how they
// compare, which are supported, and what changed in them.
//
// Start with [Version]. Phases do not compare version numbers; they ask whether a version
// has a [Feature]. See https://github.com/buildpacks/spec#api-versions.
//
// The API is stable from version 1.0 on; see docs/library.md.
package api

import (
	"fmt"
	"strconv"
	"strings"
)

// A Version is a version of an API, such as 0.12. The zero value is not a valid version.
type Version struct {
	Major, Minor uint
}

// Parse parses a version such as "0.12", or "1" for "1.0".
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

// number parses decimal digits without sign, space or leading zeros.
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

// Compare returns -1 if v is older than w, 0 if they are equal, and 1 if v is newer.
func (v Version) Compare(w Version) int {
	switch {
	case v == w:
		return 0
	case v.Major < w.Major, v.Major == w.Major && v.Minor < w.Minor:
		return -1
	}
	return 1
}

// IsZero reports whether v is the zero value.
func (v Version) IsZero() bool { return v == Version{} }

func (v Version) String() string {
	return strconv.FormatUint(uint64(v.Major), 10) + "." + strconv.FormatUint(uint64(v.Minor), 10)
}

// MarshalText implements [encoding.TextMarshaler]; the text is that of [Version.String].
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [Parse].
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
