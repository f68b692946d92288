// Package fail attaches the exit codes of the Platform Interface to errors.
//
// Start with [Error]. Phases return one; only a main function turns it into an exit status,
// with [CodeOf]. The codes are those in the "Outputs" tables of
// https://github.com/buildpacks/spec/blob/main/platform.md.
//
// The API is stable from version 1.0 on; see docs/library.md.
package fail

import "errors"

// A Code is the exit status of a phase.
type Code int

// The exit codes of the specification, and Generic for all other errors.
const (
	Success           Code = 0
	Generic           Code = 1
	InvalidArgs       Code = 3   // a flag, argument or setting is malformed
	PlatformAPI       Code = 11  // Platform API incompatibility
	BuildpackAPI      Code = 12  // Buildpack API incompatibility
	Detect            Code = 20  // no group passed, and none of them errored
	DetectBuildpack   Code = 21  // no group passed, and a buildpack errored
	DetectOther       Code = 22  // detection failed otherwise
	Analyze           Code = 32  // analysis failed
	Restore           Code = 42  // restoration failed
	BuildBuildpack    Code = 51  // bin/build of a buildpack failed
	Build             Code = 52  // the build failed otherwise
	Export            Code = 62  // export failed
	Rebase            Code = 72  // rebase failed
	Launch            Code = 82  // launch failed
	GenerateExtension Code = 91  // bin/generate of an extension failed
	Generate          Code = 92  // generation failed otherwise
	Extend            Code = 102 // extension failed
)

// An Error is an error with the operation that failed and an exit code.
type Error struct {
	Op   string // such as "reading order"; may be empty
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

// As wraps err in an [Error]. If err already wraps an Error, its code is kept, since it is closer
// to the cause. As returns nil if err is nil.
func As(code Code, op string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*Error](err); ok {
		code = inner.Code
	}
	return &Error{Op: op, Code: code, Err: err}
}

// CodeOf returns the exit code for err: [Success] for nil, [Generic] if err does not wrap an [Error].
func CodeOf(err error) Code {
	if err == nil {
		return Success
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Generic
}
