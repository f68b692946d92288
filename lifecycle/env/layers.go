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
}

// A layerPath is a variable that holds a directory of every layer that has it.
type layerPath struct{ name, dir string }

// buildpack.md, "Layer Paths".
var buildPaths = []layerPath{
	{"PATH", "bin"}, {"LD_LIBRARY_PATH", "lib"}, {"LIBRARY_PATH", "lib"}, {"CPATH", "include"}, {"PKG_CONFIG_PATH", "pkgconfig"},
}

// Build is the environment of later buildpacks' bin/build.
var Build = Phase{own: "env.build", paths: buildPaths}

// Launch is the environment of a process. Type is empty for one that no buildpack defined.
func Launch(processType string) Phase {
	return Phase{own: "env.launch", process: processType, paths: buildPaths[:2]}
}

// AddLayers adds what one buildpack's layers bring: their bin, lib and so on, then the changes that
// their env directories ask for. Layers are absolute paths in ascending order of name; all of
// them must be meant for this phase. Call it for the buildpacks in the order of the group.
func (e *Env) AddLayers(layers []string, phase Phase) error {
	// Backwards, since each goes to the front and the first of them has to end up there.
	for i := len(layers) - 1; i >= 0; i-- {
		for _, p := range phase.paths {
			dir := filepath.Join(layers[i], p.dir)
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				e.prepend(p.name, dir, ":")
			}
		}
	}
	for _, layer := range layers {
		dirs := []string{filepath.Join(layer, "env"), filepath.Join(layer, phase.own)}
		if phase.process != "" {
			dirs = append(dirs, filepath.Join(layer, phase.own, phase.process))
		}
		if err := e.modify(dirs, override); err != nil {
			return err
		}
	}
	return nil
}
