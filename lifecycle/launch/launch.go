// Package launch implements the launcher, which starts a process of an app image.
//
// Start with [Launcher]. It chooses a process from metadata.toml or takes the user's command,
// builds the environment from the layers, runs exec.d executables, and replaces itself by the
// process, in a shell that sources profile scripts unless the process is direct. See
// https://github.com/buildpacks/spec/blob/main/platform.md#launcher.
//
// The launcher is part of every app image, so this package uses only the standard library
// and a TOML parser.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/baseplan/baseplan/extensions/apply/program"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/fail"
)

// The directories of process symlinks and of the launcher in an app image.
const (
	ProcessDir   = "/cnb/process"
	lifecycleDir = "/cnb/lifecycle"
)

// A Launcher starts a process of an app image.
type Launcher struct {
	API     api.Version // Platform API
	App     string      // absolute path of the app directory
	Layers  string      // absolute path of the layers directory
	ExecEnv string      // execution environment; empty means production
	Environ []string    // the launcher's environment, as from os.Environ

	Deprecation api.DeprecationMode // for buildpacks with a deprecated API
	Warn        func(string)        // called with a warning about a deprecated API; may be nil
}

// Run executes the process selected by self (argv[0]) and args, replacing the current process. It returns only if it
// fails, with exit code 12 if the API of a buildpack is not supported, and 82 otherwise. The working directory may
// have changed by then.
func (l *Launcher) Run(self string, args []string) error {
	return fail.As(fail.Launch, "", l.run(self, args))
}

func (l *Launcher) run(self string, args []string) error {
	m, err := readMetadata(l.Layers)
	if err != nil {
		return err
	}
	if err := l.checkBuildpacks(m.Buildpacks); err != nil {
		return err
	}
	p, err := l.choose(m, self, args)
	if err != nil {
		return err
	}
	layers, err := l.layersOf(m.Buildpacks)
	if err != nil {
		return err
	}
	e := env.ForLaunch(l.Environ, ProcessDir, lifecycleDir)
	for _, dirs := range layers {
		if err := e.AddLayers(dirs, env.Launch(p.Type)); err != nil {
			return err
		}
	}
	if err := l.runExecD(layers, p.Type, e); err != nil {
		return err
	}
	if p.Direct {
		return execIn(l.workingDir(p), p.Command[0], append([]string{p.Command[0]}, p.Args...), e)
	}
	return l.execShell(p, layers, e)
}

func (l *Launcher) checkBuildpacks(buildpacks []Buildpack) error {
	for _, b := range buildpacks {
		_, warning, err := api.Buildpack.Check(b.API, "buildpack "+b.ID, l.Deprecation)
		if err != nil {
			return err
		}
		if warning != "" && l.Warn != nil {
			l.Warn(warning)
		}
	}
	return nil
}

// layersOf returns the layers of each buildpack, sorted by name. In an app image all of them are launch layers.
func (l *Launcher) layersOf(buildpacks []Buildpack) ([][]string, error) {
	all := make([][]string, 0, len(buildpacks))
	for _, b := range buildpacks {
		dir, err := b.dir(l.Layers)
		if err != nil {
			return nil, err
		}
		dirs, err := list(dir, fs.FileMode.IsDir)
		if err != nil {
			return nil, err
		}
		all = append(all, dirs)
	}
	return all, nil
}

// list returns the paths in dir for whose mode, following symbolic links, want returns true. A dir that does
// not exist is empty.
func list(dir string, want func(fs.FileMode) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing layers: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		mode := entry.Type()
		if mode&fs.ModeSymlink != 0 {
			info, err := os.Stat(path)
			if err != nil {
				return nil, fmt.Errorf("listing layers: %w", err)
			}
			mode = info.Mode()
		}
		if want(mode) {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// filesOf returns the files in directory dir of every layer: first those directly in it, then
// those in its subdirectory for the process type.
func filesOf(layers [][]string, dir, processType string) ([]string, error) {
	dirs := []string{dir}
	if processType != "" {
		dirs = append(dirs, filepath.Join(dir, processType))
	}
	var all []string
	for _, d := range dirs {
		for _, dirs := range layers {
			for _, layer := range dirs {
				files, err := list(filepath.Join(layer, d), fs.FileMode.IsRegular)
				if err != nil {
					return nil, err
				}
				all = append(all, files...)
			}
		}
	}
	return all, nil
}

// workingDir returns the directory in which p starts. A relative one is relative to the app directory.
func (l *Launcher) workingDir(p Process) string {
	if filepath.IsAbs(p.WorkingDir) {
		return p.WorkingDir
	}
	return filepath.Join(l.App, p.WorkingDir)
}

// execIn replaces the launcher by a program, found in the PATH of e, and returns only if that fails.
func execIn(dir, name string, argv []string, e *env.Env) error {
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("entering the working directory: %w", err)
	}
	path, err := lookUp(name, e.Get("PATH"))
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	return fmt.Errorf("starting %s: %w", path, program.Explain(syscall.Exec(path, argv, e.List()), path, ""))
}

// lookUp finds an executable in path as execvp does. Unlike os/exec.LookPath it takes the value of
// PATH as an argument, and allows relative directories in it, as a shell does.
func lookUp(program, path string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	for dir := range strings.SplitSeq(path, ":") {
		candidate := "./" + program
		if dir != "" {
			candidate = filepath.Join(dir, program)
		}
		info, err := os.Stat(candidate)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("no such executable in PATH %q", path)
}
