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
)

// A LaunchCache is a directory with layers of an image in a daemon. They are in
// committed/<diff ID>.tar ("sha256:….tar"), as in a build cache. Each file is written in staging/,
// hashed on the way, and renamed; so what is in committed is whole, and more
// of it does no harm. The other files of the directory are not touched.
type LaunchCache struct{ Dir string }

// Open reads a layer. The error wraps [fs.ErrNotExist] if it is not there.
func (c LaunchCache) Open(diffID v1.Hash) (*os.File, error) {
	if !c.has(diffID) {
		return nil, &fs.PathError{Op: "open", Path: c.file(diffID), Err: fs.ErrNotExist}
	}
	return os.Open(c.file(diffID))
}

func (c LaunchCache) file(diffID v1.Hash) string {
	return filepath.Join(c.Dir, "committed", diffID.String()+".tar")
}

func (c LaunchCache) has(diffID v1.Hash) bool {
	if c.Dir == "" || checkHash(diffID) != nil {
		return false
	}
	info, err := os.Lstat(c.file(diffID))
	return err == nil && info.Mode().IsRegular()
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
	for _, dir := range []string{"committed", "staging"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	staged := filepath.Join(c.Dir, "staging", diffID.String()+".tar")
	err = writeFile(staged, func(f io.Writer) error { return copyVerified(ctx, f, r, diffID) })
	if err != nil {
		return err
	}
	return os.Rename(staged, c.file(diffID))
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
		if errors.Is(err, errCorrupt) && os.Remove(c.file(id)) == nil {
			healed = true
		}
	}
	return healed
}

// prune removes the layers that are not to be kept, and what a process that was killed has left.
func (c LaunchCache) prune(keep map[v1.Hash]bool) error {
	if err := os.RemoveAll(filepath.Join(c.Dir, "staging")); err != nil {
		return err
	}
	files, err := os.ReadDir(filepath.Join(c.Dir, "committed"))
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		name, isTar := strings.CutSuffix(f.Name(), ".tar")
		id, err := v1.NewHash(name)
		if isTar && err == nil && !keep[id] {
			errs = append(errs, os.Remove(filepath.Join(c.Dir, "committed", f.Name())))
		}
	}
	return errors.Join(errs...)
}
