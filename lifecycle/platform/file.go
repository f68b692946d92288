package platform

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// ReadFile reads a file with one of the package's decoders. The error wraps fs.ErrNotExist if
// the file does not exist. Symbolic links are followed; pipes and devices are rejected.
func ReadFile[T any](path string, decode func(data []byte, name string) (*T, error)) (*T, error) {
	return ReadFileIn("", path, decode)
}

// ReadFileIn is like [ReadFile], but does not follow symbolic links below base if the file is
// in that directory, which buildpacks can write to.
func ReadFileIn[T any](base, path string, decode func(data []byte, name string) (*T, error)) (*T, error) {
	f, err := files.OpenWithin(base, path)
	data, err := ReadOpened(f, err, path)
	if err != nil {
		return nil, err
	}
	return decode(data, path)
}

// ReadBounded reads a TOML file, which must be a regular file of at most [tomlfile.MaxSize]
// bytes. The error wraps fs.ErrNotExist if the file does not exist.
func ReadBounded(path string) ([]byte, error) {
	f, err := files.Open(path)
	return ReadOpened(f, err, path)
}

// ReadOpened reads and closes an opened file, within the limit of [ReadBounded].
func ReadOpened(f *os.File, err error, path string) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, cmp.Or(errors.Unwrap(err), err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, tomlfile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > tomlfile.MaxSize {
		return nil, fmt.Errorf("reading %s: larger than the limit of %d MiB", path, tomlfile.MaxSize>>20)
	}
	return data, nil
}

// WriteFile writes a file atomically, as [files.WriteIn] does. Its directory has to exist.
func WriteFile(path string, data []byte) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer dir.Close()
	return files.WriteIn(dir, filepath.Base(path), data)
}

// EscapeID returns a module's ID for use in file names: slashes become underscores
// (platform.md, "generated").
func EscapeID(id string) string { return strings.ReplaceAll(id, "/", "_") }
