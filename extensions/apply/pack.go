//go:build linux

package apply

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	continuity "github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// packContext writes the files of a build context as a tar. Of special files, of those that this
// user cannot read, and of those that cannot be copied, only the names remain.
func packContext(c *buildContext, w io.Writer) error {
	tw := tar.NewWriter(w)
	first := map[inode]string{}
	left := c.leftOut()
	err := fs.WalkDir(c.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && left(name) {
			return tw.WriteHeader(&tar.Header{Name: name, Format: tar.FormatPAX, Typeflag: tar.TypeFifo})
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return packFile(tw, c, name, info, first)
	})
	return errors.Join(err, tw.Close())
}

func packFile(tw *tar.Writer, c *buildContext, name string, info fs.FileInfo, first map[inode]string) error {
	h := &tar.Header{Name: name, Mode: unixMode(info.Mode()), Format: tar.FormatPAX, Typeflag: tar.TypeFifo}
	var err error
	switch {
	case info.IsDir():
		h.Typeflag = tar.TypeDir
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = c.root.Readlink(name); err != nil {
			return err
		}
	case info.Mode().IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			id := inode{uint64(st.Dev), st.Ino} // its type depends on the architecture
			if to, ok := first[id]; ok {
				h.Typeflag, h.Size, h.Linkname = tar.TypeLink, 0, to
			} else {
				first[id] = name
			}
		}
	}
	if h.Typeflag != tar.TypeReg {
		return tw.WriteHeader(h)
	}
	f, err := c.open(name, unix.O_NOFOLLOW)
	if errors.Is(err, fs.ErrPermission) { // copying it is an error, having it is none
		h.Typeflag, h.Size = tar.TypeFifo, 0
		return tw.WriteHeader(h)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(onlyWriter{tw}, f, h.Size)
	return noEOF(err)
}

// unpackContext unpacks what packContext wrote. The directory must not exist.
func unpackContext(r io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unpackFile(root, h, tr); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, h *tar.Header, content io.Reader) (err error) {
	mode := h.FileInfo().Mode()
	switch h.Typeflag {
	case tar.TypeDir:
		if h.Name != "." {
			err = root.Mkdir(h.Name, 0o700)
		}
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, h.Name)
	case tar.TypeLink:
		return root.Link(h.Linkname, h.Name)
	case tar.TypeFifo:
		return unix.Mkfifo(filepath.Join(root.Name(), h.Name), 0o600)
	default:
		var f *os.File
		if f, err = root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		err = errors.Join(err, f.Close())
	}
	return errors.Join(err, root.Chmod(h.Name, mode&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)), root.Chtimes(h.Name, time.Time{}, abi.Epoch))
}

// leftOut returns the test for files that .dockerignore excludes and no instruction can reach.
func (c *buildContext) leftOut() func(name string) bool {
	none := func(string) bool { return false }
	if c.readIgnore() != nil || c.ignore.Exclusions() || c.linksToExcluded() {
		return none
	}
	return func(name string) bool {
		left, err := c.ignored(name)
		return left && err == nil && name != ignoreFile
	}
}

// linksToExcluded reports whether an excluded file might be copied under another name: COPY
// matches the name that it is given, not the one that links lead to.
func (c *buildContext) linksToExcluded() bool {
	found := errors.New("found")
	err := fs.WalkDir(c.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		left, matching := c.ignored(name)
		switch {
		case errors.Join(err, matching) != nil:
			return found
		case left && d.IsDir():
			return fs.SkipDir
		case left && name != ignoreFile || d.Type()&fs.ModeSymlink == 0:
			return nil
		}
		full, err := continuity.RootPath(c.dir, name)
		if err != nil {
			return nil // nothing can be copied through it
		}
		to, err := filepath.Rel(c.dir, full)
		if err != nil {
			return found
		}
		if info, err := c.root.Lstat(to); err != nil || info.IsDir() {
			return found
		}
		if left, err := c.ignored(to); left || err != nil {
			return found
		}
		return nil
	})
	return err != nil
}
