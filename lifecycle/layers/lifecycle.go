package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	launcherPath = "/cnb/lifecycle/launcher"
	processDir   = "/cnb/process"
)

// Launcher returns the layer with the launcher, whose content is a file on this machine.
// Its owner is root (platform.md, "exporter").
func Launcher(file string) (*Layer, error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		file, err = filepath.EvalSymlinks(file) // a Layer does not follow links
	}
	if err != nil {
		return nil, fmt.Errorf("archiving launcher %s: %w", file, err)
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: launcherPath, Mode: 0o755, Size: info.Size(), ModTime: Epoch}
	return &Layer{content: list{
		rootDir("/cnb"), rootDir(path.Dir(launcherPath)), {header: header, file: file, info: info},
	}}, nil
}

// Processes returns the layer with a symbolic link to the launcher for each process type
// (platform.md, "exporter").
func Processes(types []string) (*Layer, error) {
	entries := list{rootDir("/cnb"), rootDir(processDir)}
	for _, t := range slices.Compact(slices.Sorted(slices.Values(types))) {
		if t == "" || t == "." || t == ".." || strings.ContainsAny(t, "/\x00") {
			return nil, fmt.Errorf("archiving process types: %q is not a valid file name: rename the process", t)
		}
		entries = append(entries, entry{header: tar.Header{
			Typeflag: tar.TypeSymlink, Name: path.Join(processDir, t), Linkname: launcherPath, Mode: 0o755, ModTime: Epoch,
		}})
	}
	return &Layer{content: entries}, nil
}

func rootDir(name string) entry {
	return entry{header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: Epoch}}
}
