package env

import (
	"os"
	"path/filepath"
)

// A Phase is where an environment is for; it decides which parts of a layer count.
type Phase struct {
	own     string // the directory of env files beside env/
	process string // the process type, whose own directory lies within
	paths   []layerPath

	interleaved bool // each layer's env files apply before the next layer
}

// A layerPath is a variable that holds a directory of every layer that has it.
type layerPath struct{ name, dir string }

// buildpack.md, "Layer Paths".
var buildPaths = []layerPath{
	{"PATH", "bin"}, {"LD_LIBRARY_PATH", "lib"}, {"LIBRARY_PATH", "lib"}, {"CPATH", "include"}, {"PKG_CONFIG_PATH", "pkgconfig"},
}

// Build is the environment of later buildpacks' bin/build.
var Build = Phase{own: "env.build", paths: buildPaths, interleaved: true}

// Launch is the environment of a process. Type is empty for one that no buildpack defined.
func Launch(processType string) Phase {
	return Phase{own: "env.launch", process: processType, paths: buildPaths[:2]}
}

// AddLayers adds what one buildpack's layers contribute: their bin, lib and other
// directories, and the changes that their env directories ask for. Layers are absolute
// paths in ascending order of name; all of them must be meant for this phase. Call it
// for the buildpacks in the order of the group.
//
// Each layer's directories are prepended, so of two layers with the same file the one
// that is last by name wins. buildpack.md, "Environment", can be read the other way, but
// buildpacks name their layers for this order. For a build, a layer's env files apply
// right after its directories; for a launch, after the directories of all layers.
func (e *Env) AddLayers(layers []string, phase Phase) error {
	for _, layer := range layers {
		e.addPaths(layer, phase)
		if phase.interleaved {
			if err := e.addFiles(layer, phase); err != nil {
				return err
			}
		}
	}
	if phase.interleaved {
		return nil
	}
	for _, layer := range layers {
		if err := e.addFiles(layer, phase); err != nil {
			return err
		}
	}
	return nil
}

// addPaths prepends a layer's directories to the path variables.
func (e *Env) addPaths(layer string, phase Phase) {
	for _, p := range phase.paths {
		dir := filepath.Join(layer, p.dir)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			e.prepend(p.name, dir, ":")
		}
	}
}

// addFiles applies a layer's env files.
func (e *Env) addFiles(layer string, phase Phase) error {
	dirs := []string{filepath.Join(layer, "env"), filepath.Join(layer, phase.own)}
	if phase.process != "" {
		dirs = append(dirs, filepath.Join(layer, phase.own, phase.process))
	}
	return e.modify(dirs, override)
}
