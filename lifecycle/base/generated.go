package base

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/resolver"
)

// ReadGenerated reads the Dockerfiles that extensions left in <generated>; none if the directory does not exist.
// With ignored, it includes those that were skipped (*.ignore). Extensions and buildpacks can write there and a
// phase may be root, so no link that leads out of the directory is followed.
func ReadGenerated(generated string, modules []resolver.Module, ignored bool) ([]*extensions.Dockerfile, error) {
	root, err := os.OpenRoot(filepath.Dir(generated))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var system fs.FS = files.FS{Root: root}
	if ignored {
		system = unignored{system}
	}
	all, err := extensions.Read(system, filepath.Base(generated), modules)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// unignored presents skipped Dockerfiles (*.ignore) under their original names.
type unignored struct{ fs.FS }

func (u unignored) Open(name string) (fs.File, error) {
	file, err := u.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(name, "Dockerfile") {
		return u.FS.Open(name + ".ignore")
	}
	return file, err
}
