package api

import "fmt"

// An ExperimentalMode is what CNB_EXPERIMENTAL_MODE asks for when an experimental feature
// is used (platform.md, "Experimental Features").
type ExperimentalMode string

// Allow decides about a feature: an error says that it must not be used, a warning what to
// tell of it.
func (m ExperimentalMode) Allow(feature string) (warning string, err error) {
	switch m {
	case "warn":
		return feature + " is experimental", nil
	case "silent":
		return "", nil
	}
	return "", fmt.Errorf("%s is experimental: set CNB_EXPERIMENTAL_MODE to warn or silent to use it", feature)
}
