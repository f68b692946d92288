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

// A LaunchCache is a directory with layers of an image in a daemon. Like a build cache, it has
// them in committed/<diff ID>.tar ("sha256:….tar"). A file is written in staging/, hashed while
// it is written, and renamed. So files in committed are complete, and extra ones do no harm.
// Other files of the directory are not touched.
type LaunchCache struct{ Dir string }

// Open opens a layer. The error wraps [fs.ErrNotExist] if it does not exist as a regular file.
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

// Verified opens a layer. Reading it to the end returns an error if its content does not match
// the diff ID.
func (c LaunchCache) Verified(diffID v1.Hash) (io.ReadCloser, error) {
	f, err := c.Open(diffID)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		err := copyVerified(context.Background(), w, f, diffID) // ended by Close of the reader
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

// checkHash protects paths, since the hash may come from a file.
func checkHash(h v1.Hash) error {
	if parsed, err := v1.NewHash(h.String()); err != nil || parsed.Algorithm != "sha256" {
		return fmt.Errorf("%q is not a sha256 digest", h)
	}
	return nil
}

// put adds a layer, whose content must match the diff ID.
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

// staged creates a file in staging and calls work. The file is locked meanwhile, and removed
// after an error.
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
			_ = errors.Join(f.Close(), staging.Close()) // another process removed it as a leftover
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

// copyVerified copies r to w and returns an error if the content does not have the digest.
func copyVerified(ctx context.Context, w io.Writer, r io.Reader, want v1.Hash) error {
	sum, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(io.MultiWriter(w, sum), files.Until(ctx, r), make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := hashOf(sum); got != want {
		return fmt.Errorf("%w: its content has digest %s, want %s", errCorrupt, got, want)
	}
	return nil
}

// errCorrupt is wrapped by errors of content that does not match its digest.
var errCorrupt = errors.New("corrupt")

// removeCorrupt removes corrupt layers and reports whether there were any.
func (c LaunchCache) removeCorrupt(ctx context.Context, parts []part) (removed bool) {
	for _, p := range parts {
		id := p.diffID
		f, err := c.Open(id)
		if err != nil {
			continue
		}
		err = copyVerified(ctx, io.Discard, f, id)
		_ = f.Close() // read only
		if errors.Is(err, errCorrupt) && files.RemoveWithin(c.Dir, filepath.Join("committed", filepath.Base(c.file(id)))) == nil {
			removed = true
		}
	}
	return removed
}

// prune removes layers that are not to be kept, and leftovers of killed processes.
func (c LaunchCache) prune(keep map[v1.Hash]bool) error {
	if err := c.removeIn("staging", func(dir *os.Root, name string) bool {
		f, err := files.OpenIn(dir, name)
		if err != nil {
			return true // not one of our files
		}
		defer f.Close()
		return files.TryLock(f) == nil // else another process is writing it
	}); err != nil {
		return err
	}
	return c.removeIn("committed", func(_ *os.Root, name string) bool {
		hash, isTar := strings.CutSuffix(name, ".tar")
		id, err := v1.NewHash(hash)
		return isTar && err == nil && !keep[id]
	})
}

// removeIn removes useless entries of a subdirectory, if that exists.
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
