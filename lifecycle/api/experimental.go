package api

import "fmt"

// An ExperimentalMode is a value of CNB_EXPERIMENTAL_MODE (platform.md, "Experimental Features").
// Any value but "warn" and "silent" means error.
type ExperimentalMode string

// Allow reports whether an experimental feature may be used: it returns an error if not, and
// the warning to log, if any.
func (m ExperimentalMode) Allow(feature string) (warning string, err error) {
	switch m {
	case "warn":
		return feature + " is experimental", nil
	case "silent":
		return "", nil
	}
	return "", fmt.Errorf("%s is experimental: set CNB_EXPERIMENTAL_MODE to warn or silent to use it", feature)
}
