package extensions

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// Read reads the Dockerfiles of a group's extensions from the detector's output
// directory dir ("generated"), in both layouts of the Platform API:
// <id>/{build,run}.Dockerfile from 0.13, {build,run}/<id>/Dockerfile before, with
// slashes in the id replaced by underscores. The result is in the order of group,
// an extension's build.Dockerfile first. With a nil group, all directories are
// read, by name, and their names are used as ids. Otherwise directories of
// extensions outside the group are ignored.
func Read(fsys fs.FS, dir string, group []resolver.Module) ([]*Dockerfile, error) {
	if group == nil {
		var err error
		if group, err = folders(fsys, dir); err != nil {
			return nil, err
		}
	}
	var found []*Dockerfile
	for _, extension := range group {
		name := strings.ReplaceAll(extension.ID, "/", "_")
		for _, image := range []ImageKind{Build, Run} {
			d, err := readOne(fsys, path.Join(dir, name), string(image)+".Dockerfile", image)
			if d == nil && err == nil {
				d, err = readOne(fsys, path.Join(dir, string(image), name), "Dockerfile", image)
			}
			if err != nil {
				return nil, err
			}
			if d != nil {
				d.Extension = extension
				found = append(found, d)
			}
		}
	}
	return found, nil
}

// folders returns the extensions for a nil group.
func folders(fsys fs.FS, dir string) ([]resolver.Module, error) {
	var names []string
	for _, pattern := range []string{"*/build.Dockerfile", "*/run.Dockerfile", "build/*/Dockerfile", "run/*/Dockerfile"} {
		sub, err := fs.Sub(fsys, dir)
		if err != nil {
			return nil, err
		}
		files, err := fs.Glob(sub, pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			names = append(names, path.Base(path.Dir(file)))
		}
	}
	slices.Sort(names)
	var group []resolver.Module
	for _, name := range slices.Compact(names) {
		group = append(group, resolver.Module{Kind: resolver.Extension, ID: name})
	}
	return group, nil
}

// readOne reads a Dockerfile with its configuration; nil if there is none.
func readOne(fsys fs.FS, dir, name string, image ImageKind) (*Dockerfile, error) {
	file := path.Join(dir, name)
	content, err := fs.ReadFile(fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	args, err := readArgs(fsys, path.Join(dir, "extend-config.toml"), image)
	if err != nil {
		return nil, err
	}
	d, err := Parse(file, content, image, args...)
	if err != nil {
		return nil, err
	}
	d.Context, err = contextOf(fsys, dir, image)
	return d, err
}

// readArgs reads the build args of one image (image_extension.md, "extend-config.toml").
func readArgs(fsys fs.FS, file string, image ImageKind) ([]Arg, error) {
	content, err := fs.ReadFile(fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var config struct {
		Build, Run struct {
			Args []Arg `toml:"args"`
		}
	}
	if err := tomlfile.Decode(content, file, &config); err != nil {
		return nil, err
	}
	args := config.Run.Args
	if image == Build {
		args = config.Build.Args
	}
	for i, a := range args {
		if a.Name == "" {
			return nil, fmt.Errorf("reading %s: %s.args[%d]: key \"name\" is missing", file, image, i)
		}
	}
	return args, nil
}

// contextOf returns the directory of the build context (image_extension.md,
// "Context Folders").
func contextOf(fsys fs.FS, dir string, image ImageKind) (string, error) {
	shared, err := isDir(fsys, path.Join(dir, "context"))
	if err != nil {
		return "", err
	}
	for _, i := range []ImageKind{Build, Run} {
		own := path.Join(dir, "context."+string(i))
		ok, err := isDir(fsys, own)
		switch {
		case err != nil:
			return "", err
		case ok && shared:
			return "", fmt.Errorf("reading %s: both context and context.%s exist: remove one", dir, i)
		case ok && i == image:
			return own, nil
		}
	}
	if shared {
		return path.Join(dir, "context"), nil
	}
	return "", nil
}

func isDir(fsys fs.FS, name string) (bool, error) {
	info, err := fs.Stat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.IsDir(), err
}
