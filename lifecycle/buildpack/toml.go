package buildpack

import (
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// readTOML reads a file of a buildpack. The error names file and line,
// and wraps fs.ErrNotExist if there is no such file.
func readTOML(path string, v any, unknown func(path string, keys []string)) error {
	f, err := files.Open(path)
	return decodeFile(f, err, path, v, unknown)
}

// readTOMLIn reads a file in a directory that a buildpack can write, without following links.
func readTOMLIn(dir *os.Root, name string, v any, unknown func(path string, keys []string)) error {
	f, err := files.OpenIn(dir, name)
	return decodeFile(f, err, filepath.Join(dir.Name(), name), v, unknown)
}

// readTOML reads a file in the layers directory.
func (d LayersDir) readTOML(name string, v any, unknown func(path string, keys []string)) error {
	f, err := d.Open(name)
	return decodeFile(f, err, filepath.Join(d.Path, name), v, unknown)
}

func decodeFile(f *os.File, err error, path string, v any, unknown func(path string, keys []string)) error {
	data, err := platform.ReadOpened(f, err, path)
	if err != nil {
		return err
	}
	keys, err := tomlfile.DecodeUnknown(data, path, v)
	if len(keys) > 0 && unknown != nil {
		unknown(path, keys)
	}
	return err
}
