// Package env makes the environment in which buildpacks and processes run.
//
// Start with an [Env], from [ForBuild] or [ForLaunch], and change it layer by layer,
// in the order of the group, by [Env.AddLayers]. The rules are those of "Environment" in
// https://github.com/buildpacks/spec/blob/main/buildpack.md#environment; they are the
// same in every Buildpack API from 0.7 to 0.12. The package reads directories of
// environment files, but neither the process's own environment nor any setting.
package env

import (
	"slices"
	"strings"
)

// An Env is a set of environment variables. The zero value is empty and ready to use.
type Env struct {
	vars map[string]string
}

// Of takes entries of the form NAME=VALUE, as os.Environ gives them. Of several
// entries with one name the last counts; what has no name is left out.
func Of(entries []string) *Env {
	e := &Env{vars: make(map[string]string, len(entries)+8)}
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			e.vars[name] = value
		}
	}
	return e
}

// inherited are the variables of a base image that reach buildpacks: those of platform.md,
// "Buildpack Environment", and those that platforms and buildpacks have come to rely on.
var inherited = []string{
	"PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH",
	"HOME", "HOSTNAME", "CNB_STACK_ID",
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
}

// ForBuild is what buildpacks see of the lifecycle's own environment, given as os.Environ
// gives it: a short list of variables and nothing else, so that no credential gets through.
func ForBuild(environ []string) *Env {
	e := Of(environ)
	for name := range e.vars {
		if !slices.Contains(inherited, name) {
			delete(e.vars, name)
		}
	}
	return e
}

// ForLaunch is what a process sees of the launcher's own environment, given as os.Environ
// gives it: everything but the launcher's inputs, and PATH without hidden directories
// (/cnb/process, /cnb/lifecycle).
func ForLaunch(environ []string, hidden ...string) *Env {
	e := Of(environ)
	for _, name := range []string{"CNB_APP_DIR", "CNB_LAYERS_DIR", "CNB_PROCESS_TYPE", "CNB_PLATFORM_API", "CNB_DEPRECATION_MODE"} {
		delete(e.vars, name)
	}
	if path, ok := e.vars["PATH"]; ok {
		kept := slices.DeleteFunc(strings.Split(path, ":"), func(dir string) bool { return slices.Contains(hidden, dir) })
		e.vars["PATH"] = strings.Join(kept, ":")
	}
	return e
}

// Get is the value of a variable, empty where it is not set.
func (e *Env) Get(name string) string { return e.vars[name] }

// Set gives a variable a value.
func (e *Env) Set(name, value string) {
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	e.vars[name] = value
}

// List is the environment as entries of the form NAME=VALUE, sorted by name.
func (e *Env) List() []string {
	list := make([]string, 0, len(e.vars))
	for name, value := range e.vars {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// Clone is a copy that can be changed without e.
func (e *Env) Clone() *Env { return Of(e.List()) }

// prepend puts value before what name holds, with delimiter between the two if both are there.
func (e *Env) prepend(name, value, delimiter string) {
	if old := e.Get(name); old != "" {
		value += delimiter + old
	}
	e.Set(name, value)
}

// append puts value behind what name holds, with delimiter between the two if both are there.
func (e *Env) append(name, value, delimiter string) {
	if old := e.Get(name); old != "" {
		value = old + delimiter + value
	}
	e.Set(name, value)
}
