package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// stdin is the name of standard input as a file.
const stdin = "-"

// calledStdin is the name of standard input for people.
const calledStdin = "standard input"

// called returns the name of a file to read, for people.
func called(path string) string {
	if path == stdin {
		return calledStdin
	}
	return path
}

// readFile reads a file, or standard input if it is named "-".
func (c *Console) readFile(path string) ([]byte, error) {
	if path != stdin {
		return os.ReadFile(path)
	}
	in := c.In
	if in == nil {
		return nil, errors.New("standard input is closed, or was read already")
	}
	c.In = nil
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", calledStdin, err)
	}
	return data, nil
}

// spooled returns the path of a file, which for standard input is a temporary copy.
func (c *Console) spooled(path string) (string, error) {
	if path != stdin {
		return path, nil
	}
	data, err := c.readFile(stdin)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "baseplan-")
	if err != nil {
		return "", err
	}
	c.closers = append(c.closers, func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "stdin")
	return file, os.WriteFile(file, data, 0o600)
}

// checkOutput returns an error if a file surely cannot be written. Commands call it before they
// download anything.
func checkOutput(flag, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("--%s: %s is a directory; use a file", flag, path)
	}
	info, err := os.Stat(filepath.Dir(path))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(path))
	}
	if err != nil {
		return &hinted{fmt.Errorf("--%s: %w", flag, err), "use a file in a directory that exists"}
	}
	return nil
}
