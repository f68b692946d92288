package launch

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/baseplan/baseplan/extensions/apply/program"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// runExecD runs the exec.d executables of all layers in order. The variables that one writes are in
// the environment of the next.
func (l *Launcher) runExecD(layers [][]string, processType string, e *env.Env) error {
	files, err := filesOf(layers, "exec.d", processType)
	if err != nil {
		return err
	}
	for _, path := range files {
		output, err := l.output(path, e.List())
		if err != nil {
			return fmt.Errorf("running %s: %w", path, err)
		}
		vars, err := decodeVars(output)
		if err != nil {
			return fmt.Errorf("running %s: output on file descriptor 3: %w", path, err)
		}
		for name, value := range vars {
			e.Set(name, value)
		}
	}
	return nil
}

// output runs an executable in the app directory and returns what it writes to file descriptor 3. Its stdout
// and stderr are the launcher's; its stdin is empty.
func (l *Launcher) output(path string, environ []string) ([]byte, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	p, err := os.StartProcess(path, []string{path}, &os.ProcAttr{
		Dir: l.App, Env: environ, Files: []*os.File{null, os.Stdout, os.Stderr, w},
	})
	_ = w.Close() // or the pipe would never end
	if err != nil {
		return nil, program.Explain(err, path, l.App)
	}
	data, readErr := io.ReadAll(io.LimitReader(r, tomlfile.MaxSize+1))
	_ = r.Close() // so that an executable that writes more does not block
	state, err := p.Wait()
	if err != nil {
		return nil, err
	}
	if len(data) > tomlfile.MaxSize {
		return nil, fmt.Errorf("it wrote more than %d MiB to file descriptor 3", tomlfile.MaxSize>>20)
	}
	if !state.Success() {
		if reason := program.NotStarted(state.ExitCode(), path, environ); reason != "" {
			return nil, fmt.Errorf("%s: %s", state, reason)
		}
		return nil, errors.New(state.String())
	}
	return data, readErr
}

// decodeVars parses the output of an exec.d executable (buildpack.md, "Exec.d Output").
func decodeVars(data []byte) (map[string]string, error) {
	var vars map[string]string
	if err := tomlfile.Decode(data, "variables", &vars); err != nil {
		return nil, err
	}
	for name, value := range vars {
		if !isBareKey(name) {
			return nil, fmt.Errorf("invalid variable name %q: use letters, digits, _ and -", name)
		}
		for _, c := range []byte(value) {
			if c == 0 {
				return nil, fmt.Errorf("the value of %s contains a NUL byte", name)
			}
		}
	}
	return vars, nil
}

func isBareKey(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}
