package platform

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/baseplan/baseplan/internal/tomlfile"
)

// ReadFile reads a file with one of the package's decoders. The error wraps
// fs.ErrNotExist if there is no such file.
func ReadFile[T any](path string, decode func(data []byte, name string) (*T, error)) (*T, error) {
	data, err := ReadBounded(path)
	if err != nil {
		return nil, err
	}
	return decode(data, path)
}

// ReadBounded reads a TOML file that may be of somebody else: only a regular file, and none
// that is larger than [tomlfile.MaxSize]. The error wraps fs.ErrNotExist if there is no such file.
func ReadBounded(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would be waited for
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Join(err, errors.New("it is not a regular file")))
	}
	data, err := io.ReadAll(io.LimitReader(f, tomlfile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > tomlfile.MaxSize {
		return nil, fmt.Errorf("reading %s: it is larger than %d MiB, which is the limit", path, tomlfile.MaxSize>>20)
	}
	return data, nil
}

// WriteFile writes a file whole or not at all: to a temporary file beside it,
// then renamed. Its mode is 0644, so that the CNB user can read it.
func WriteFile(path string, data []byte) (err error) {
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
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
