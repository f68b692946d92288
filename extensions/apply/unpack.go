//go:build linux

package apply

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Names with a special meaning in a layer (OCI image specification, "Whiteouts").
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// unpack applies a layer, an uncompressed tar, to the tree.
func (t *tree) unpack(ctx context.Context, layer io.Reader) error {
	mine := map[string]bool{} // files from this layer, and their parent directories
	for tr := tar.NewReader(layer); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader || t.noDevices && isDevice(h) {
			continue // the nodes remain in the image's own layer
		}
		name := path.Clean("/" + h.Name)
		if hidden, ok := strings.CutPrefix(path.Base(name), whiteout); ok {
			err = t.applyWhiteout(path.Dir(name), hidden, mine)
		} else if err = t.put(h, tr); err == nil {
			for real := path.Join(t.dirs.top().real, path.Base(name)); !mine[real]; real = path.Dir(real) {
				mine[real] = true
			}
		}
		if err != nil {
			return err
		}
	}
	// Read to the end of the stream, past the end of the tar, where a reader that verifies a
	// digest reports a mismatch.
	if _, err := io.Copy(io.Discard, layer); err != nil {
		return err
	}
	return t.setDirTimes()
}

// applyWhiteout removes what a whiteout names.
func (t *tree) applyWhiteout(dir, hidden string, mine map[string]bool) error {
	switch {
	case whiteout+hidden == opaque:
		return t.clearLower(dir, mine)
	case strings.HasPrefix(hidden, whiteout):
		return nil // metadata of an AUFS file system
	case hidden == "" || hidden == "." || hidden == "..":
		return fmt.Errorf("%s: a whiteout without a name", dir)
	}
	return t.remove(path.Join(dir, hidden))
}

// clearLower removes the content that lower layers left in a directory.
func (t *tree) clearLower(name string, mine map[string]bool) error {
	dir, err := t.open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	real := dir.real
	if err := t.saveDirTime(dir); err != nil {
		return err
	}
	entries, err := fs.ReadDir(t.root.FS(), below(real))
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := path.Join(real, e.Name())
		switch {
		case !mine[child]:
			err = t.root.RemoveAll(below(child))
		case e.IsDir():
			err = t.clearLower(child, mine)
		}
		if err != nil {
			return err
		}
	}
	t.closeDir()
	return nil
}
