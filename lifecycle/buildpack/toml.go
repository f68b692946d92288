package buildpack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/BurntSushi/toml"
)

// maxTOML bounds what is read of a file that a buildpack wrote: the parser takes quadratic
// time on deep nesting. 10,000 entries of a plan take 1 MiB.
const maxTOML = 8 << 20

// readTOML reads a file that a buildpack brought or wrote. The error names file and line,
// and wraps fs.ErrNotExist if there is no such file.
func readTOML(path string, v any, unknown func(path string, keys []string)) error {
	data, err := readLimited(path)
	if err != nil {
		return err
	}
	meta, err := toml.Decode(string(data), v)
	if err != nil {
		if parse, ok := errors.AsType[toml.ParseError](err); ok {
			return fmt.Errorf("reading %s, line %d: %s", path, parse.Position.Line, parse.Message)
		}
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if keys := meta.Undecoded(); len(keys) > 0 && unknown != nil {
		var names []string
		for _, k := range keys {
			names = append(names, k.String())
		}
		unknown(path, names)
	}
	return nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would be waited for
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Join(err, errors.New("it is not a regular file")))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTOML+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > maxTOML {
		return nil, fmt.Errorf("reading %s: it is larger than %d MiB", path, maxTOML>>20)
	}
	return data, nil
}
