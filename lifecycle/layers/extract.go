package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// Extract unpacks an uncompressed layer of the directory dir, whose content it replaces. An entry outside
// dir, or one that would be written through a symbolic link out of dir, is an error. So is an entry with
// privileges of its own: a device, or a file with capabilities. No symbolic link is followed between s.Base
// and dir. Extract reads r to its end, so that a reader that verifies a digest can report a mismatch. After
// an error dir does not exist.
//
// If the process is root, the files belong to s.UID and s.GID, whatever the layer says.
func (s Source) Extract(r io.Reader, dir string) (err error) {
	if err := checkPath(dir); err != nil {
		return fmt.Errorf("extracting %q: %w", dir, err)
	}
	base := s.onDisk(s.Base)
	rel, ok := files.Below(base, s.onDisk(dir))
	if !ok {
		return fmt.Errorf("extracting %s: it is not in %s", dir, base)
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return fmt.Errorf("extracting %s: %w", dir, err)
	}
	parent, err := files.Within(base, filepath.Dir(rel), true)
	if err != nil {
		return fmt.Errorf("extracting %s: %w", dir, err)
	}
	defer parent.Close()
	name := filepath.Base(rel)
	defer func() {
		if err != nil {
			err = fmt.Errorf("extracting %s: %w", dir, errors.Join(err, parent.RemoveAll(name)))
		}
	}()
	if err := parent.RemoveAll(name); err != nil {
		return err
	}
	root, err := files.Child(parent, name, true)
	if err != nil {
		return err
	}
	defer root.Close()
	x := extraction{Source: s, root: root, dir: dir, chown: os.Geteuid() == 0}
	if err := x.entries(tar.NewReader(r)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

type extraction struct {
	Source
	root  *os.Root
	dir   string
	chown bool
	dirs  []*tar.Header // their modes are set last, since they may be read-only
}

func (x *extraction) entries(r *tar.Reader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := x.entry(h, r, *buf); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
	for i := len(x.dirs) - 1; i >= 0; i-- {
		if err := x.attributes(x.dirs[i]); err != nil {
			return fmt.Errorf("entry %q: %w", x.dirs[i].Name, err)
		}
	}
	return nil
}

func (x *extraction) entry(h *tar.Header, r io.Reader, buf []byte) error {
	full := path.Join("/", h.Name)
	if strings.Contains("/"+h.Name+"/", "/../") || !within(full, x.dir) && !(within(x.dir, full) && h.Typeflag == tar.TypeDir) {
		return errors.New("it is not in the directory")
	}
	if !within(full, x.dir) {
		return nil // a parent of dir
	}
	if hasCapabilities(h) {
		return errors.New("a file with capabilities is not restored")
	}
	name := x.name(h)
	switch h.Typeflag {
	case tar.TypeDir:
		x.dirs = append(x.dirs, h)
		return x.root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return x.file(name, h, r, buf)
	case tar.TypeSymlink:
		if err := x.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
		return x.setOwner(h)
	case tar.TypeFifo:
		return errors.New("a named pipe is not restored")
	case tar.TypeChar, tar.TypeBlock:
		return errors.New("a device is not restored")
	default:
		return fmt.Errorf("type %q does not belong in a cached layer", h.Typeflag)
	}
}

func (x *extraction) name(h *tar.Header) string {
	return "." + strings.TrimPrefix(path.Join("/", h.Name), x.dir)
}

func (x *extraction) file(name string, h *tar.Header, r io.Reader, buf []byte) error {
	f, err := x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, buf)
	if err == nil && x.chown {
		err = f.Chown(x.UID, x.GID)
	}
	if err == nil { // after the owner, since a change of owner clears the setuid bit
		err = f.Chmod(fileMode(h))
	}
	return errors.Join(err, f.Close())
}

func (x *extraction) attributes(h *tar.Header) error {
	if err := x.setOwner(h); err != nil {
		return err
	}
	return x.root.Chmod(x.name(h), fileMode(h))
}

func (x *extraction) setOwner(h *tar.Header) error {
	if !x.chown {
		return nil
	}
	return x.root.Lchown(x.name(h), x.UID, x.GID)
}

func fileMode(h *tar.Header) fs.FileMode {
	return h.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}

// hasCapabilities reports whether an entry has the extended attribute of file capabilities, under any of the
// names that archivers use for it.
func hasCapabilities(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasSuffix(key, ".security.capability") {
			return true
		}
	}
	return false
}
