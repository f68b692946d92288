package launch

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/api"
)

// choose selects what to start (platform.md, "launcher"): the process named by self, else the command
// in args. In the returned process, Args are the complete arguments, and Direct is false for a shell.
func (l *Launcher) choose(m Metadata, self string, args []string) (Process, error) {
	name := filepath.Base(self)
	p, found, err := l.find(m.Processes, name)
	if err != nil {
		return Process{}, err
	}
	if found {
		return l.withArgs(p, m.Buildpacks, args), nil
	}
	direct := len(args) > 0 && args[0] == "--"
	if direct {
		args = args[1:]
	}
	if len(args) == 0 {
		return Process{}, noCommand(m.Processes, name)
	}
	return Process{Command: Command{args[0]}, Args: args[1:], Direct: direct}, nil
}

// find returns the last eligible process of a type. It is an error if the type has processes, but none of
// them is eligible.
func (l *Launcher) find(processes []Process, name string) (p Process, found bool, err error) {
	var otherEnvs []string
	for _, candidate := range processes {
		switch {
		case candidate.Type != name:
		case l.eligible(candidate):
			p, found = candidate, true
		default:
			otherEnvs = append(otherEnvs, candidate.ExecEnv...)
		}
	}
	if !found && otherEnvs != nil {
		return Process{}, false, fmt.Errorf("choosing process %q: it is for the execution environments %s, and CNB_EXEC_ENV is %q",
			name, strings.Join(otherEnvs, ", "), l.execEnv())
	}
	return p, found, nil
}

// eligible reports whether p may run in the execution environment.
func (l *Launcher) eligible(p Process) bool {
	return !api.ProcessExecEnv.In(l.API) || len(p.ExecEnv) == 0 ||
		slices.Contains(p.ExecEnv, "*") || slices.Contains(p.ExecEnv, l.execEnv())
}

func (l *Launcher) execEnv() string {
	return cmp.Or(l.ExecEnv, "production")
}

// withArgs adds the user's arguments to p and decides whether p runs in a shell. Processes of buildpacks
// with default arguments do not, and since Platform API 0.10 the user's arguments replace their defaults.
// Otherwise the user's arguments follow those of the process.
func (l *Launcher) withArgs(p Process, buildpacks []Buildpack, user []string) Process {
	fixed := p.Command[1:]
	args := slices.Concat(p.Args, user)
	if p.definedWith(api.DefaultArgs, buildpacks) {
		p.Direct = true
		if len(user) > 0 && api.UserArgsReplace.In(l.API) {
			args = user
		}
	}
	p.Args = slices.Concat(fixed, args)
	p.Command = p.Command[:1]
	return p
}

// definedWith reports whether the Buildpack API of the buildpack that defined p has feature f. An unknown
// buildpack has no features, so the process is started as metadata.toml says.
func (p Process) definedWith(f api.Feature, buildpacks []Buildpack) bool {
	for _, b := range buildpacks {
		if b.ID == p.BuildpackID {
			v, err := api.Parse(b.API)
			return err == nil && f.In(v)
		}
	}
	return false
}

func noCommand(processes []Process, name string) error {
	var types []string
	for _, p := range processes {
		if !slices.Contains(types, p.Type) {
			types = append(types, p.Type)
		}
	}
	if len(types) == 0 {
		return errors.New("choosing a process: no command given, and the image defines no process types")
	}
	return fmt.Errorf("choosing a process: no command given, and the image has no process type %q: give a command, or use one of /cnb/process/{%s} as the entrypoint",
		name, strings.Join(types, ","))
}
