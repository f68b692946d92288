package env

import (
	"os"
	"path/filepath"
)

// A Phase is the phase that an environment is for, [Build] or [Launch]. It selects the files and
// directories of a layer that apply.
type Phase struct {
	envDir  string // the directory of env files besides env/
	process string // the process type, which names a subdirectory of envDir
	paths   []layerPath

	interleaved bool // each layer's env files apply before the next layer
}

// A layerPath is a path variable and the layer directory that it lists.
type layerPath struct{ name, dir string }

// buildpack.md, "Layer Paths".
var buildPaths = []layerPath{
	{"PATH", "bin"}, {"LD_LIBRARY_PATH", "lib"}, {"LIBRARY_PATH", "lib"}, {"CPATH", "include"}, {"PKG_CONFIG_PATH", "pkgconfig"},
}

// Build is the phase in which bin/build of later buildpacks runs.
var Build = Phase{envDir: "env.build", paths: buildPaths, interleaved: true}

// Launch returns the phase that runs a process. processType is empty for a user's command.
func Launch(processType string) Phase {
	return Phase{envDir: "env.launch", process: processType, paths: buildPaths[:2]}
}

// AddLayers adds the layers of one buildpack: their bin, lib and other directories, and the
// files in their env directories. The layers are absolute paths in ascending order of name;
// all of them must be available in phase. Call it for each buildpack in the order of the group.
//
// Each layer's directories are prepended, so that of two layers with the same file the last
// one by name wins. buildpack.md, "Environment", can be read the other way, but
// buildpacks name their layers for this order. In [Build], a layer's env files apply
// right after its directories; in [Launch], after the directories of all layers.
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
	dirs := []string{filepath.Join(layer, "env"), filepath.Join(layer, phase.envDir)}
	if phase.process != "" {
		dirs = append(dirs, filepath.Join(layer, phase.envDir, phase.process))
	}
	return e.modify(dirs, override)
}
