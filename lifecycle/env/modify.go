package env

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// The suffixes of env files.
const (
	appendTo   = "append"
	prependTo  = "prepend"
	override   = "override"
	setDefault = "default"
	delim      = "delim"
)

// A change is one env file.
type change struct {
	name, action, value string
}

// modify applies the env files of one layer's directories, in the given order. bare is the action of
// files without a suffix. Directories that do not exist are skipped.
func (e *Env) modify(dirs []string, bare string) error {
	delimiters := map[string]string{} // valid in their directory and the later ones
	for _, dir := range dirs {
		changes, err := readChanges(dir, bare)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.action == delim {
				delimiters[c.name] = c.value
			}
		}
		for _, c := range changes {
			e.apply(c, delimiters[c.name])
		}
	}
	return nil
}

func (e *Env) apply(c change, delimiter string) {
	switch c.action {
	case override:
		e.Set(c.name, c.value)
	case setDefault:
		if e.Get(c.name) == "" {
			e.Set(c.name, c.value)
		}
	case appendTo:
		e.append(c.name, c.value, delimiter)
	case prependTo:
		e.prepend(c.name, c.value, delimiter)
	}
}

// readChanges reads the env files of a directory, sorted by name. The variable's name ends
// at the first period; files with an unknown suffix change nothing.
func readChanges(dir, bare string) ([]change, error) {
	files, err := readFiles(dir)
	if err != nil {
		return nil, err
	}
	changes := make([]change, 0, len(files))
	for _, f := range files {
		name, action, suffixed := strings.Cut(f.name, ".")
		if name == "" {
			continue
		}
		if !suffixed {
			action = bare
		}
		changes = append(changes, change{name, action, f.value})
	}
	return changes, nil
}

// A file is the name and the exact content of a file.
type file struct{ name, value string }

// readFiles reads the files in dir but not its subdirectories, sorted by name. A dir that does not
// exist has no files.
func readFiles(dir string) ([]file, error) { return anywhere.files(dir) }

// A reader reads a file system.
type reader struct {
	readDir func(name string) ([]fs.DirEntry, error)
	stat    func(name string) (fs.FileInfo, error)
	read    func(name string) ([]byte, error)
}

var anywhere = reader{os.ReadDir, os.Stat, files.Read}

// in returns a reader of a directory that refuses symbolic links out of it.
func in(root *os.Root) reader {
	return reader{
		readDir: func(name string) ([]fs.DirEntry, error) { return fs.ReadDir(root.FS(), name) },
		stat:    root.Stat,
		read: func(name string) ([]byte, error) {
			f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return io.ReadAll(f)
		},
	}
}

func (r reader) files(dir string) ([]file, error) {
	entries, err := r.readDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading environment files: %w", err)
	}
	var files []file
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		mode, err := r.modeOf(entry, path)
		if err == nil && mode.IsDir() {
			continue
		}
		if err == nil && !mode.IsRegular() {
			err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
		}
		var data []byte
		if err == nil {
			data, err = r.read(path)
		}
		if err != nil {
			return nil, fmt.Errorf("reading environment files: %w", err)
		}
		if bytes.ContainsRune(data, 0) || strings.ContainsRune(entry.Name(), '=') {
			return nil, fmt.Errorf("reading environment files: %s: a name with \"=\" or a value with a NUL byte cannot be in an environment", path)
		}
		files = append(files, file{entry.Name(), string(data)})
	}
	return files, nil
}

// modeOf returns the type of an entry, following symbolic links: mounted secrets and config maps are
// links, some of them to directories.
func (r reader) modeOf(entry fs.DirEntry, path string) (fs.FileMode, error) {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type(), nil
	}
	info, err := r.stat(path)
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

// AddPlatform adds the user-provided variables in dir, <platform>/env; a file's whole name is the name of the
// variable. Path variables are prepended, others replace the value. Do not call it for a buildpack with
// clear-env = true.
func (e *Env) AddPlatform(dir string) error {
	all, err := readFiles(dir)
	if err == nil {
		e.addPlatform(all)
	}
	return err
}

// AddPlatformOf is like [Env.AddPlatform] for <platform>, but a symbolic link out of <platform> is an error. Use it
// for an executable that may read less than this process.
func (e *Env) AddPlatformOf(platform string) error {
	root, err := os.OpenRoot(platform)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading environment files: %w", err)
	}
	defer root.Close()
	all, err := in(root).files("env")
	if err != nil {
		return fmt.Errorf("%s: %w", platform, err)
	}
	e.addPlatform(all)
	return nil
}

func (e *Env) addPlatform(all []file) {
	for _, f := range all {
		if slices.ContainsFunc(buildPaths, func(p layerPath) bool { return p.name == f.name }) {
			e.prepend(f.name, f.value, ":")
		} else {
			e.Set(f.name, f.value)
		}
	}
}

// AddBuildConfig adds the operator-provided variables in dir, <build-config>/env. Suffixes work as in
// a layer, but a file without one sets a default.
func (e *Env) AddBuildConfig(dir string) error {
	return e.modify([]string{dir}, setDefault)
}
