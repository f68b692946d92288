package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// A LaunchCache is a directory with layers of an image in a daemon. They are in
// committed/<diff ID>.tar ("sha256:….tar"), as in a build cache. Each file is written in staging/,
// hashed on the way, and renamed; so what is in committed is whole, and more
// of it does no harm. The other files of the directory are not touched.
type LaunchCache struct{ Dir string }

// Open reads a layer. The error wraps [fs.ErrNotExist] if it is not there as a regular file.
func (c LaunchCache) Open(diffID v1.Hash) (*os.File, error) {
	missing := &fs.PathError{Op: "open", Path: c.file(diffID), Err: fs.ErrNotExist}
	if c.Dir == "" || checkHash(diffID) != nil {
		return nil, missing
	}
	f, err := files.OpenWithin(c.Dir, c.file(diffID))
	if errors.Is(err, files.ErrNotRegular) || errors.Is(err, files.ErrNotDirectory) {
		return nil, missing
	}
	return f, err
}

// Verified reads a layer, and gives an error in place of its end if it is not what it is called.
func (c LaunchCache) Verified(diffID v1.Hash) (io.ReadCloser, error) {
	f, err := c.Open(diffID)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		err := copyVerified(context.Background(), w, f, diffID) // Close ends it
		w.CloseWithError(errors.Join(err, f.Close()))
	}()
	return r, nil
}

func (c LaunchCache) file(diffID v1.Hash) string {
	return filepath.Join(c.Dir, "committed", diffID.String()+".tar")
}

func (c LaunchCache) has(diffID v1.Hash) bool {
	f, err := c.Open(diffID)
	return err == nil && f.Close() == nil
}

// checkHash guards paths: the hash may come from a file.
func checkHash(h v1.Hash) error {
	if parsed, err := v1.NewHash(h.String()); err != nil || parsed.Algorithm != "sha256" {
		return fmt.Errorf("%q is not a sha256 digest", h)
	}
	return nil
}

// put keeps a layer, which has to be what it is called.
func (c LaunchCache) put(ctx context.Context, diffID v1.Hash, open func() (io.ReadCloser, error)) error {
	if err := checkHash(diffID); err != nil {
		return err
	}
	committed, err := files.Within(c.Dir, "committed", true)
	if err != nil {
		return err
	}
	defer committed.Close()
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	return c.staged(func(f *os.File, name string) error {
		if err := copyVerified(ctx, f, r, diffID); err != nil {
			return err
		}
		root, err := os.OpenRoot(c.Dir)
		if err != nil {
			return err
		}
		defer root.Close()
		return errors.Join(f.Chmod(0o644), root.Rename(filepath.Join("staging", name), filepath.Join("committed", filepath.Base(c.file(diffID)))))
	})
}

// staged makes a file in staging, which is locked as long as it is worked with and goes after that unless it
// was renamed.
func (c LaunchCache) staged(work func(f *os.File, name string) error) error {
	for {
		staging, err := files.Within(c.Dir, "staging", true)
		if err != nil {
			return err
		}
		f, name, err := files.Create(staging, ".new-", 0o600)
		if err != nil {
			return errors.Join(err, staging.Close())
		}
		err = files.TryLock(f)
		if _, gone := staging.Lstat(name); errors.Is(gone, fs.ErrNotExist) {
			_ = errors.Join(f.Close(), staging.Close()) // another process took it for one that was left behind
			continue
		}
		if err == nil || errors.Is(err, errors.ErrUnsupported) {
			err = work(f, name)
		}
		if err != nil {
			err = errors.Join(err, staging.Remove(name))
		}
		return errors.Join(err, f.Close(), staging.Close())
	}
}

// copyVerified copies what has to have that digest.
func copyVerified(ctx context.Context, w io.Writer, r io.Reader, want v1.Hash) error {
	sum, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(io.MultiWriter(w, sum), struct{ io.Reader }{until{ctx, r}}, make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := hashOf(sum); got != want {
		return fmt.Errorf("%w: its content has digest %s, want %s", errCorrupt, got, want)
	}
	return nil
}

// errCorrupt is wrapped by errors of content that is not what it is called.
var errCorrupt = errors.New("corrupt")

// heal removes layers that are not what they are called, and says whether there were any.
func (c LaunchCache) heal(ctx context.Context, parts []part) (healed bool) {
	for _, p := range parts {
		id := p.diffID
		f, err := c.Open(id)
		if err != nil {
			continue
		}
		err = copyVerified(ctx, io.Discard, f, id)
		_ = f.Close() // only read
		if errors.Is(err, errCorrupt) && files.RemoveWithin(c.Dir, filepath.Join("committed", filepath.Base(c.file(id)))) == nil {
			healed = true
		}
	}
	return healed
}

// prune removes the layers that are not to be kept, and what a process that was killed has left.
func (c LaunchCache) prune(keep map[v1.Hash]bool) error {
	if err := c.removeIn("staging", func(dir *os.Root, name string) bool {
		f, err := files.OpenIn(dir, name)
		if err != nil {
			return true // no file of ours
		}
		defer f.Close()
		return files.TryLock(f) == nil // else somebody writes it
	}); err != nil {
		return err
	}
	return c.removeIn("committed", func(_ *os.Root, name string) bool {
		hash, isTar := strings.CutSuffix(name, ".tar")
		id, err := v1.NewHash(hash)
		return isTar && err == nil && !keep[id]
	})
}

// removeIn removes what is of no use any more of a folder, if that is there.
func (c LaunchCache) removeIn(folder string, useless func(dir *os.Root, name string) bool) error {
	dir, err := files.Within(c.Dir, folder, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if useless(dir, e.Name()) {
			errs = append(errs, dir.RemoveAll(e.Name()))
		}
	}
	return errors.Join(errs...)
}
