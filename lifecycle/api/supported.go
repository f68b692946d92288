package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/fail"
)

// An API is the Platform API or the Buildpack API.
type API struct {
	Name       string    // "Platform" or "Buildpack"
	Code       fail.Code // the exit code for an unsupported version
	Supported  []Version // ascending
	Deprecated []Version // ascending, a subset of Supported
}

// The APIs with their supported versions. None is deprecated yet.
var (
	Platform  = API{Name: "Platform", Code: fail.PlatformAPI, Supported: minors(7, 15)}
	Buildpack = API{Name: "Buildpack", Code: fail.BuildpackAPI, Supported: minors(7, 12)}
)

func minors(from, to uint) []Version {
	var all []Version
	for m := from; m <= to; m++ {
		all = append(all, Version{Minor: m})
	}
	return all
}

// A DeprecationMode is a value of CNB_DEPRECATION_MODE: what to do about a deprecated version.
type DeprecationMode string

// The deprecation modes. Any other value means Warn.
const (
	Warn  DeprecationMode = "warn"
	Quiet DeprecationMode = "quiet"
	Error DeprecationMode = "error"
)

// Check parses the version that requester ("the platform", a buildpack's ID) asks for.
// It returns a warning if the version is deprecated, and an error with the API's code if the
// version is missing, malformed or unsupported, or deprecated while mode is [Error].
func (a API) Check(version, requester string, mode DeprecationMode) (v Version, warning string, err error) {
	op := fmt.Sprintf("checking the %s API of %s", a.Name, requester)
	if version == "" {
		return Version{}, "", fail.As(a.Code, op, fmt.Errorf("no version given: set one of %s", a.list()))
	}
	v, err = Parse(version)
	if err != nil {
		return Version{}, "", fail.As(a.Code, op, err)
	}
	if !slices.Contains(a.Supported, v) {
		return Version{}, "", fail.As(a.Code, op, fmt.Errorf("version %s is not supported: use one of %s", v, a.list()))
	}
	if !slices.Contains(a.Deprecated, v) || mode == Quiet {
		return v, "", nil
	}
	text := fmt.Sprintf("%s requests deprecated %s API %s", requester, a.Name, v)
	if mode == Error {
		return Version{}, "", fail.As(a.Code, op, errors.New(text+", and CNB_DEPRECATION_MODE is error"))
	}
	return v, text, nil
}

func (a API) list() string {
	var s []string
	for _, v := range a.Supported {
		s = append(s, v.String())
	}
	return strings.Join(s, ", ")
}
