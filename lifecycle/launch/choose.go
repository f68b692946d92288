package launch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/api"
)

// choose finds what to start, by platform.md, "launcher": the process that the launcher is
// called as, else the command in args. Its Args are final, Direct is the strategy.
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

// find looks for a process by type. Where several have the type, the last one of those counts that
// may run here. It is an error if there are some, but none may.
func (l *Launcher) find(processes []Process, name string) (p Process, found bool, err error) {
	var elsewhere []string
	for _, candidate := range processes {
		switch {
		case candidate.Type != name:
		case l.eligible(candidate):
			p, found = candidate, true
		default:
			elsewhere = append(elsewhere, candidate.ExecEnv...)
		}
	}
	if !found && elsewhere != nil {
		return Process{}, false, fmt.Errorf("choosing process %q: it is for the execution environments %s, and CNB_EXEC_ENV is %q",
			name, strings.Join(elsewhere, ", "), l.execEnv())
	}
	return p, found, nil
}

func (l *Launcher) eligible(p Process) bool {
	return !api.ProcessExecEnv.In(l.API) || len(p.ExecEnv) == 0 ||
		slices.Contains(p.ExecEnv, "*") || slices.Contains(p.ExecEnv, l.execEnv())
}

func (l *Launcher) execEnv() string {
	if l.ExecEnv == "" {
		return "production"
	}
	return l.ExecEnv
}

// withArgs settles a process's arguments and strategy. Buildpacks that have default arguments know no shell,
// and from Platform API 0.10 the user's arguments take the place of these defaults. In all other cases
// the user's arguments come behind the process's own.
func (l *Launcher) withArgs(p Process, buildpacks []Buildpack, user []string) Process {
	fixed := p.Command[1:]
	args := slices.Concat(p.Args, user)
	if p.definedSince(api.DefaultArgs, buildpacks) {
		p.Direct = true
		if len(user) > 0 && api.UserArgsReplace.In(l.API) {
			args = user
		}
	}
	p.Args = slices.Concat(fixed, args)
	p.Command = p.Command[:1]
	return p
}

// definedSince tells whether the API of the buildpack that defined p has a feature. An unknown buildpack
// has none: the process is then started just as the metadata say.
func (p Process) definedSince(f api.Feature, buildpacks []Buildpack) bool {
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
	return fmt.Errorf("choosing a process: no command given, and %q is no process type: give a command, or one of /cnb/process/{%s} as entrypoint",
		name, strings.Join(types, ","))
}
