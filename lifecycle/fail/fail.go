// Package fail gives errors the exit codes of the Platform Interface.
//
// Phases return an [Error]; only a main function turns it into an exit status,
// by [CodeOf]. The codes are those of the tables "Outputs" in the specification,
// https://github.com/buildpacks/spec/blob/main/platform.md.
package fail

import "errors"

// A Code is the exit status of a phase.
type Code int

// The exit codes of the specification, and 1 for what it does not name.
const (
	Success           Code = 0
	Generic           Code = 1
	InvalidArgs       Code = 3   // a flag, argument or setting is malformed
	PlatformAPI       Code = 11  // Platform API incompatibility
	BuildpackAPI      Code = 12  // Buildpack API incompatibility
	Detect            Code = 20  // no group passed, and none of them errored
	DetectBuildpack   Code = 21  // no group passed, and some buildpack errored
	DetectOther       Code = 22  // detection failed otherwise
	Analyze           Code = 32  // analysis failed
	Restore           Code = 42  // restoration failed
	BuildBuildpack    Code = 51  // a buildpack's bin/build failed
	Build             Code = 52  // the build failed otherwise
	Export            Code = 62  // export failed
	Rebase            Code = 72  // rebase failed
	Launch            Code = 82  // launch failed
	GenerateExtension Code = 91  // an extension's bin/generate failed
	Generate          Code = 92  // generation failed otherwise
	Extend            Code = 102 // extension failed
)

// An Error is what a phase was doing when it failed, and the exit code that stands for it.
type Error struct {
	Op   string // what was being done: "reading order"; may be empty
	Code Code
	Err  error // the cause, never nil
}

func (e *Error) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As says what was being done when err came, and gives it a code unless an error
// inside it already has one: whoever is nearest to the cause knows best. Nil stays nil.
func As(code Code, op string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*Error](err); ok {
		code = inner.Code
	}
	return &Error{Op: op, Code: code, Err: err}
}

// CodeOf is the exit code for err: 0 for nil, 1 where no [Error] is inside.
func CodeOf(err error) Code {
	if err == nil {
		return Success
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Generic
}
