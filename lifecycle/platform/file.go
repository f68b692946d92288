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

// WriteFile writes a file atomically, with a temporary file in the same directory that is
// renamed. An existing file keeps its owner, group and mode; a new one has mode 0644, so that
// the CNB user can read it.
func WriteFile(path string, data []byte) (err error) {
	old, _ := os.Lstat(path)
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	_, err = tmp.Write(data)
	err = errors.Join(err, files.KeepAttributes(tmp, old), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// EscapeID returns a module's ID for use in file names: slashes become underscores
// (platform.md, "generated").
func EscapeID(id string) string { return strings.ReplaceAll(id, "/", "_") }
