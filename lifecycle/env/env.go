// Package env builds the environment in which buildpacks and processes run.
//
// Start with an [Env] from [ForBuild] or [ForLaunch] and add each buildpack's layers, in the
// order of the group, with [Env.AddLayers]. The rules are in
// https://github.com/buildpacks/spec/blob/main/buildpack.md#environment; they are the
// same in every Buildpack API from 0.7 to 0.12. The package reads directories of
// environment files, but not the environment of the calling process.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package env

import (
	"slices"
	"strings"
)

// An Env is a set of environment variables. The zero value is empty and ready to use.
type Env struct {
	vars map[string]string
}

// of returns an Env with entries of the form NAME=VALUE, as in os.Environ. Of several
// entries with the same name the last counts; entries without a name are ignored.
func of(entries []string) *Env {
	e := &Env{vars: make(map[string]string, len(entries)+8)}
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			e.vars[name] = value
		}
	}
	return e
}

// inherited lists the variables of a base image that buildpacks see: those of platform.md,
// "Buildpack Environment", and those that platforms and buildpacks rely on.
var inherited = []string{
	"PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH",
	"HOME", "HOSTNAME", "CNB_STACK_ID",
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
}

// ForBuild returns the variables of environ, in the form of os.Environ, that buildpacks see:
// a fixed short list, so that credentials do not reach them.
func ForBuild(environ []string) *Env {
	e := of(environ)
	for name := range e.vars {
		if !slices.Contains(inherited, name) {
			delete(e.vars, name)
		}
	}
	return e
}

// ForLaunch returns the variables of environ, in the form of os.Environ, that a launched process
// sees: all but the launcher's inputs, and PATH without the hidden directories
// (/cnb/process, /cnb/lifecycle).
func ForLaunch(environ []string, hidden ...string) *Env {
	e := of(environ)
	for _, name := range []string{"CNB_APP_DIR", "CNB_LAYERS_DIR", "CNB_PROCESS_TYPE", "CNB_PLATFORM_API", "CNB_DEPRECATION_MODE"} {
		delete(e.vars, name)
	}
	if path, ok := e.vars["PATH"]; ok {
		kept := slices.DeleteFunc(strings.Split(path, ":"), func(dir string) bool { return slices.Contains(hidden, dir) })
		e.vars["PATH"] = strings.Join(kept, ":")
	}
	return e
}

// Get returns the value of a variable, or "" if it is not set.
func (e *Env) Get(name string) string { return e.vars[name] }

// Set sets a variable.
func (e *Env) Set(name, value string) {
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	e.vars[name] = value
}

// List returns the variables as entries of the form NAME=VALUE, sorted.
func (e *Env) List() []string {
	list := make([]string, 0, len(e.vars))
	for name, value := range e.vars {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// Clone returns an independent copy of e.
func (e *Env) Clone() *Env { return of(e.List()) }

// prepend puts value before the value of name, with delimiter between the two if name has a value.
func (e *Env) prepend(name, value, delimiter string) {
	if old := e.Get(name); old != "" {
		value += delimiter + old
	}
	e.Set(name, value)
}

// append puts value after the value of name, with delimiter between the two if name has a value.
func (e *Env) append(name, value, delimiter string) {
	if old := e.Get(name); old != "" {
		value = old + delimiter + value
	}
	e.Set(name, value)
}
