package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/env"
)

// bash is the shell that the specification requires (README.md, "Operating System Conventions").
const bash = "/bin/bash"

// execShell replaces the launcher by bash, which sources the profile scripts in the app directory
// and then replaces itself by the command, in its working directory.
func (l *Launcher) execShell(p Process, layers [][]string, e *env.Env) error {
	profiles, err := l.profiles(layers, p.Type)
	if err != nil {
		return err
	}
	shell := bash
	if _, err := os.Stat(shell); err != nil {
		if shell, err = lookUp("bash", e.Get("PATH")); err != nil {
			return fmt.Errorf("starting %s in a shell: the image has no bash: use a direct process, or put -- before the command", p.Command[0])
		}
	}
	if len(profiles) == 0 && len(p.Args) == 0 { // the first bash would have nothing to do
		return execIn(l.workingDir(p), shell, []string{"bash", "-c", p.Command[0]}, e)
	}
	argv := []string{"bash", "-c", script(shell, profiles, l.workingDir(p), len(p.Args) > 0), "bash", p.Command[0]}
	return execIn(l.App, shell, append(argv, p.Args...), e)
}

// profiles returns the scripts to source before the command.
func (l *Launcher) profiles(layers [][]string, processType string) ([]string, error) {
	paths, err := filesOf(layers, "profile.d", processType)
	if err != nil {
		return nil, err
	}
	appProfile := filepath.Join(l.App, ".profile")
	info, err := os.Stat(appProfile)
	switch {
	case err == nil && info.Mode().IsRegular():
		paths = append(paths, appProfile)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("looking for profile scripts: %w", err)
	}
	return paths, nil
}

// script returns the script that bash runs with the command and its arguments as positional parameters.
// Without arguments the command is a script. With arguments, the command and the arguments are tokens: each is
// expanded as if within double quotes, after the profile scripts, so it may use their variables. In both
// cases a second bash replaces the first, so that builtins such as ulimit work; bash execs its only command.
// $0 of the command is bash, with or without profile scripts.
func script(shell string, profiles []string, dir string, tokens bool) string {
	var s strings.Builder
	s.WriteString("__launch=(\"$@\")\n") // a profile script may change $@
	for _, path := range profiles {
		fmt.Fprintf(&s, "source %s\n", quote(path))
	}
	fmt.Fprintf(&s, "cd -- %s || exit 82\n", quote(dir))
	if !tokens {
		fmt.Fprintf(&s, "exec -a bash %s -c \"${__launch[0]}\"\n", quote(shell))
		return s.String()
	}
	s.WriteString(`for __i in "${!__launch[@]}"; do
  eval "__token=(\"${__launch[__i]}\")" || exit 82
  __launch[__i]="${__token[*]}"
done
`)
	fmt.Fprintf(&s, "exec %s -c '\"$@\"' bash \"${__launch[@]}\"\n", quote(shell))
	return s.String()
}

// quote quotes s as a single word for bash.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
