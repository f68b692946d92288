package buildpack

import (
	"github.com/baseplan/baseplan/internal/tomlfile"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// readTOML reads a file that a buildpack brought or wrote. The error names file and line,
// and wraps fs.ErrNotExist if there is no such file.
func readTOML(path string, v any, unknown func(path string, keys []string)) error {
	data, err := platform.ReadBounded(path)
	if err != nil {
		return err
	}
	keys, err := tomlfile.DecodeUnknown(data, path, v)
	if len(keys) > 0 && unknown != nil {
		unknown(path, keys)
	}
	return err
}
