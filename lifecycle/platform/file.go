package platform

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"github.com/baseplan/baseplan/sbom"
)

// decode reads one of our own TOML files into v, after a look at its version.
func decode(data []byte, name string, v any) error {
	var head struct {
		Version string `toml:"version"`
	}
	if err := decodeTOML(data, name, &head); err != nil {
		return err
	}
	if err := sbom.CheckFileVersion(head.Version); err != nil {
		return fmt.Errorf("reading %s: key \"version\": %w", name, err)
	}
	return decodeTOML(data, name, v)
}

func decodeTOML(data []byte, name string, v any) error {
	if err := toml.Unmarshal(data, v); err != nil {
		if parse, ok := errors.AsType[toml.ParseError](err); ok {
			return fmt.Errorf("reading %s, line %d: %s", name, parse.Position.Line, parse.Message)
		}
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// encodeTOML gives the bytes of a file: the same value, the same bytes.
func encodeTOML(v any, name string) ([]byte, error) {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// ReadFile reads a file with one of the package's decoders. The error wraps
// fs.ErrNotExist if there is no such file.
func ReadFile[T any](path string, decode func(data []byte, name string) (*T, error)) (*T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Unwrap(err))
	}
	return decode(data, path)
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
