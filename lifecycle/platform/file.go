package platform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// decode reads one of our own TOML files into v, after a look at its version.
func decode(data []byte, name string, v any) error {
	var head struct {
		Version string `toml:"version"`
	}
	if err := decodeTOML(data, name, &head); err != nil {
		return err
	}
	if err := CheckVersion(head.Version); err != nil {
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

// CheckVersion says whether a file of the given version can be read: any 1.x
// can, a newer major version is refused.
func CheckVersion(version string) error {
	if version == "" {
		return fmt.Errorf("missing: write version = %q", FormatVersion)
	}
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.ParseUint(major, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a version: write version = %q", version, FormatVersion)
	}
	if n != 1 {
		return fmt.Errorf("%q is not understood here, which reads 1.x: use a newer baseplan, or write the file for 1.x", version)
	}
	return nil
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
