// Package program explains why a program could not be started. Start with [Explain]: the kernel
// returns the same "no such file or directory" for a missing script, interpreter, loader or
// working directory.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package program

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Explain adds to an error of starting a program what is missing or wrong. path is the program;
// dir is its working directory, "" for that of this process.
func Explain(err error, path, dir string) error {
	if err == nil {
		return nil
	}
	if dir != "" {
		if reason := directory(dir); reason != "" {
			return &explained{reason, err}
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
	}
	if reason := startable(err, path); reason != "" {
		return &explained{reason, err}
	}
	return err
}

// An explained error puts a reason in front of its cause.
type explained struct {
	reason string
	err    error
}

func (e *explained) Error() string {
	cause := e.err
	if errno := syscall.Errno(0); errors.As(cause, &errno) {
		cause = errno
	}
	return e.reason + ": " + cause.Error()
}

func (e *explained) Unwrap() error { return e.err }

// directory returns what is wrong with a working directory.
func directory(dir string) string {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("the working directory %s does not exist", dir)
	case err == nil && !info.IsDir():
		return fmt.Sprintf("the working directory %s is not a directory", dir)
	}
	return ""
}

func startable(err error, path string) string {
	info, statErr := os.Stat(path)
	if statErr != nil || info.IsDir() {
		return ""
	}
	if errors.Is(err, os.ErrPermission) && info.Mode()&0o111 == 0 {
		return fmt.Sprintf("%s is not executable (%s)", path, info.Mode())
	}
	line, isELF := firstLine(path)
	switch {
	case strings.HasPrefix(line, "#!"):
		return interpreter(err, path, line)
	case isELF && errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("%s needs a dynamic loader that does not exist; it was built for another C library", path)
	case isELF && errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("%s was built for another architecture", path)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("%s has no #! line and is not a program for this machine", path)
	}
	return ""
}

// interpreter returns what is wrong with a script's first line.
func interpreter(err error, path, line string) string {
	if reason := carriageReturn(path, line); reason != "" {
		return reason
	}
	name, _, _ := strings.Cut(strings.TrimLeft(line[2:], " \t"), " ")
	name, _, _ = strings.Cut(name, "\t")
	info, statErr := os.Stat(name)
	switch {
	case name == "":
		return fmt.Sprintf("%s has no interpreter after #!", path)
	case errors.Is(statErr, os.ErrNotExist) && errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("the interpreter of %s, %s, does not exist", path, name)
	case statErr == nil && errors.Is(err, os.ErrPermission) && info.Mode()&0o111 == 0:
		return fmt.Sprintf("the interpreter of %s, %s, is not executable", path, name)
	}
	return ""
}

// carriageReturn reports a first line that ends in \r, which becomes part of the interpreter's
// name or its last argument.
func carriageReturn(path, line string) string {
	if strings.HasSuffix(line, "\r") {
		return fmt.Sprintf(`the first line of %s ends in \r; save it with Unix line endings`, path)
	}
	return ""
}

// NotStarted returns why a program ended with a status that env and shells use for a program
// that they could not start: the interpreter in its first line does not exist. It returns "" if
// the status means something else. path is the program, environ its environment.
func NotStarted(exit int, path string, environ []string) string {
	if exit != 126 && exit != 127 {
		return ""
	}
	line, _ := firstLine(path)
	if !strings.HasPrefix(line, "#!") {
		return ""
	}
	if reason := carriageReturn(path, line); reason != "" {
		return reason
	}
	name := throughEnv(line)
	if name == "" {
		return ""
	}
	if strings.Contains(name, "/") {
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			return fmt.Sprintf("the interpreter of %s, %s, does not exist", path, name)
		}
		return ""
	}
	for _, e := range environ {
		if list, ok := strings.CutPrefix(e, "PATH="); ok && !inPath(list, name) {
			return fmt.Sprintf("the interpreter of %s, %s, is not in PATH (%s)", path, name, list)
		}
	}
	return ""
}

// throughEnv returns the interpreter that a #! line starts through env, or "" if that is
// unclear.
func throughEnv(line string) string {
	env, rest, _ := strings.Cut(strings.TrimLeft(line[2:], " \t"), " ")
	if filepath.Base(env) != "env" {
		return ""
	}
	rest = strings.Trim(rest, " \t") // one argument to env, spaces included
	split, ok := strings.CutPrefix(rest, "-S")
	if ok {
		rest = ""
		for _, word := range strings.Fields(split) {
			if !strings.Contains(word, "=") {
				rest = word
				break
			}
		}
	}
	if strings.HasPrefix(rest, "-") || strings.ContainsAny(rest, "=\\\"'$") {
		return ""
	}
	return rest
}

func inPath(list, name string) bool {
	for _, dir := range filepath.SplitList(list) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// firstLine returns the first line of a file, as far as the kernel reads it.
func firstLine(path string) (line string, isELF bool) {
	info, err := os.Stat(path) // opening a device or a pipe can have side effects
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if bytes.HasPrefix(head, []byte("\x7fELF")) {
		return "", true
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	return string(first), false
}
