// Package launch starts the process of an app image, as the launcher does.
//
// Start with [Launcher]. What it does: choose a process from metadata.toml or take the
// user's command, build its environment from the layers, run exec.d executables, and become
// the process, in a shell that sources profile scripts where the process wants one. See
// https://github.com/buildpacks/spec/blob/main/platform.md#launcher.
//
// It is part of every app image: nothing but the standard library and TOML.
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

// Where the launcher and its names stand in an app image.
const (
	ProcessDir   = "/cnb/process"
	LifecycleDir = "/cnb/lifecycle"
)

// A Launcher becomes a process of the app.
type Launcher struct {
	API     api.Version // of the platform
	App     string      // directory of the app, absolute
	Layers  string      // directory of the layers, absolute
	ExecEnv string      // execution environment; empty: production
	Environ []string    // the launcher's own environment, as from os.Environ
	// Deprecation says what to do about buildpacks with a deprecated API; Warn takes the warning, nil drops it.
	Deprecation api.DeprecationMode
	Warn        func(string)
}

// Run chooses what to start by the name that the launcher is called by and by the arguments that follow it,
// and becomes that process. It returns only if that cannot be done, with code 12 for a
// buildpack whose API is not supported and 82 for all else. On the way it changes the working directory.
func (l *Launcher) Run(self string, args []string) error {
	return fail.As(fail.Launch, "", l.run(self, args))
}

func (l *Launcher) run(self string, args []string) error {
	m, err := ReadMetadata(l.Layers)
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
	e := env.ForLaunch(l.Environ, ProcessDir, LifecycleDir)
	for _, own := range layers {
		if err := e.AddLayers(own, env.Launch(p.Type)); err != nil {
			return err
		}
	}
	if err := l.runExecD(layers, p.Type, e); err != nil {
		return err
	}
	if p.Direct {
		return become(p.Command[0], append([]string{p.Command[0]}, p.Args...), l.workingDir(p), e)
	}
	return l.becomeShell(p, layers, e)
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

// layersOf lists each buildpack's layers, ascending by name; in an app image they are all launch layers.
func (l *Launcher) layersOf(buildpacks []Buildpack) ([][]string, error) {
	all := make([][]string, 0, len(buildpacks))
	for _, b := range buildpacks {
		dir, err := b.dir(l.Layers)
		if err != nil {
			return nil, err
		}
		own, err := list(dir, fs.FileMode.IsDir)
		if err != nil {
			return nil, err
		}
		all = append(all, own)
	}
	return all, nil
}

// list gives the paths in dir whose mode, links followed, is wanted; none where dir does not exist.
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

// filesOf lists the files in a directory of every layer: first those directly in it, then
// those in its subdirectory for the process type.
func filesOf(layers [][]string, dir, processType string) ([]string, error) {
	dirs := []string{dir}
	if processType != "" {
		dirs = append(dirs, filepath.Join(dir, processType))
	}
	var all []string
	for _, d := range dirs {
		for _, own := range layers {
			for _, layer := range own {
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

// workingDir is where p starts; a relative one is meant from the app directory.
func (l *Launcher) workingDir(p Process) string {
	if filepath.IsAbs(p.WorkingDir) {
		return p.WorkingDir
	}
	return filepath.Join(l.App, p.WorkingDir)
}

// become replaces the launcher by a program, which is looked for in the PATH of the new environment.
func become(name string, argv []string, dir string, e *env.Env) error {
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("entering the working directory: %w", err)
	}
	path, err := lookUp(name, e.Get("PATH"))
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	return fmt.Errorf("starting %s: %w", path, program.Explain(syscall.Exec(path, argv, e.List()), path, "")) // it returns only if it fails
}

// lookUp finds an executable as execvp does. In contrast to os/exec.LookPath it takes the
// PATH of the process to be, and lets PATH have relative directories, as a shell does.
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
