//go:build linux && (amd64 || arm64)

package main

import (
	"gvisor.dev/gvisor/pkg/abi/linux"
	"gvisor.dev/gvisor/pkg/errors/linuxerr"
	"gvisor.dev/gvisor/pkg/fspath"
	"gvisor.dev/gvisor/pkg/sentry/kernel"
	"gvisor.dev/gvisor/pkg/sentry/vfs"
	"gvisor.dev/gvisor/pkg/usermem"
)

// A walker accesses files below a root on behalf of a task.
type walker struct {
	t    *kernel.Task
	fs   *vfs.VirtualFilesystem
	root vfs.VirtualDentry
}

// at names a file below a directory. Links do not lead out of the root.
func (w *walker) at(dir vfs.VirtualDentry, name string) *vfs.PathOperation {
	return &vfs.PathOperation{Root: w.root, Start: dir, Path: fspath.Parse(name)}
}

func (w *walker) stat(pop *vfs.PathOperation) (linux.Statx, error) {
	return w.fs.StatAt(w.t, w.t.Credentials(), pop, &vfs.StatOptions{Mask: linux.STATX_BASIC_STATS})
}

// names returns the names in a directory.
func (w *walker) names(pop *vfs.PathOperation) ([]string, error) {
	f, err := w.fs.OpenAt(w.t, w.t.Credentials(), pop, &vfs.OpenOptions{Flags: linux.O_RDONLY | linux.O_DIRECTORY})
	if err != nil {
		return nil, err
	}
	defer f.DecRef(w.t)
	var names []string
	err = f.IterDirents(w.t, vfs.IterDirentsCallbackFunc(func(d vfs.Dirent) error {
		if d.Name != "." && d.Name != ".." {
			names = append(names, d.Name)
		}
		return nil
	}))
	return names, err
}

// removeAll removes a file, or a directory and everything in it, if it exists.
func (w *walker) removeAll(pop *vfs.PathOperation) error {
	st, err := w.stat(pop)
	if linuxerr.Equals(linuxerr.ENOENT, err) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode&linux.S_IFMT != linux.S_IFDIR {
		return w.fs.UnlinkAt(w.t, w.t.Credentials(), pop)
	}
	dir, err := w.fs.GetDentryAt(w.t, w.t.Credentials(), pop, &vfs.GetDentryOptions{})
	if err != nil {
		return err
	}
	defer dir.DecRef(w.t)
	names, err := w.names(w.at(dir, ""))
	if err != nil {
		return err
	}
	for _, base := range names {
		if err := w.removeAll(w.at(dir, base)); err != nil {
			return err
		}
	}
	return w.fs.RmdirAt(w.t, w.t.Credentials(), pop)
}

type fileWriter struct {
	t  *kernel.Task
	to *vfs.FileDescription
}

func (w fileWriter) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n, err := w.to.Write(w.t, usermem.BytesIOSequence(p[written:]), vfs.WriteOptions{})
		if written += int(n); err != nil {
			return written, err
		}
	}
	return written, nil
}
