package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// A Volume is a cache in a directory:
//
//	committed/         layers as <diff ID>.tar, and the file [MetadataName]
//	staging-*/         what the next Commit of one process will make of it, locked by that
//	committed-backup/  the layers before, while a Commit replaces them
//	.lock              locked by the process that replaces or cleans up, and gone afterwards
//
// Other files of the directory are not touched. At any moment committed is whole, or
// it is missing and committed-backup is whole. Several processes may use one directory:
// the last to commit wins as a whole. No link below Dir is followed, and no other
// file than a regular one is read: a buildpack may have left it.
type Volume struct {
	Dir string // has to exist

	mu     sync.Mutex // guards what follows
	name   string     // of staging; empty: there is none yet
	alive  *os.File   // keeps staging locked
	adding sync.Map   // diff ID -> func() error of the one who adds it
}

var _ Cache = (*Volume)(nil)

// errStaging is wrapped by errors of a Volume whose staging another process has taken away.
var errStaging = errors.New("what was added is gone")

func (v *Volume) path(elem ...string) string {
	return filepath.Join(append([]string{v.Dir}, elem...)...)
}

// current is the directory with what was committed last.
func (v *Volume) current() string {
	if _, err := os.Lstat(v.path("committed")); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(v.path("committed-backup")); err == nil {
			return "committed-backup" // a Commit was cut off in the middle, or is in the middle
		}
	}
	return "committed"
}

// open opens a file of what was committed last. While another process replaces that, it looks again.
func (v *Volume) open(name string) (f *os.File, err error) {
	for tries := 0; tries < 3 || errors.Is(err, files.ErrReplaced) && tries < 100; tries++ {
		f, err = files.OpenWithin(v.Dir, v.path(v.current(), name))
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, files.ErrReplaced) {
			break
		}
	}
	if errors.Is(err, files.ErrNotRegular) || errors.Is(err, files.ErrNotDirectory) || errors.Is(err, files.ErrReplaced) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return f, err
}

// Metadata is what was committed last; the zero value if nothing was.
func (v *Volume) Metadata(context.Context) (Metadata, error) {
	f, err := v.open(MetadataName)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(v.Dir); err != nil {
			return Metadata{}, fmt.Errorf("reading cache: %w", err)
		}
		return Metadata{}, nil
	}
	if err != nil {
		return Metadata{}, fmt.Errorf("reading cache metadata: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return Metadata{}, fmt.Errorf("reading cache metadata: %w", err)
	}
	return DecodeMetadata(data, f.Name())
}

// Open reads a layer. One that turns out corrupt is removed if possible, so that the
// next Add of it does not take it over.
func (v *Volume) Open(_ context.Context, diffID v1.Hash) (io.ReadCloser, error) {
	name, err := tarOf(diffID)
	if err != nil {
		return nil, fmt.Errorf("reading cached layer: %w", err)
	}
	f, err := v.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading cached layer %s: %w", diffID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading cached layer: %w", err)
	}
	return verified(f, diffID, func() { v.drop(f, name) }), nil
}

// drop removes a file of the layers committed last, unless it was replaced by another since it was opened.
func (v *Volume) drop(f *os.File, name string) {
	dir, err := files.Within(v.Dir, v.current(), false)
	if err != nil {
		return
	}
	defer dir.Close()
	now, err := dir.Lstat(name)
	opened, statErr := f.Stat()
	if err == nil && statErr == nil && os.SameFile(now, opened) {
		_ = dir.Remove(name) // if possible
	}
}

func tarOf(diffID v1.Hash) (string, error) {
	if err := checkDiffID(diffID); err != nil {
		return "", err
	}
	return diffID.String() + ".tar", nil
}

// Add puts a layer into staging: as another name of the file that the cache has, or
// else written from the layer.
func (v *Volume) Add(ctx context.Context, layer v1.Layer) error {
	diffID, err := layer.DiffID()
	if err != nil {
		return fmt.Errorf("adding layer to cache: %w", err)
	}
	if err := v.begin(ctx); err != nil {
		return err
	}
	add, _ := v.adding.LoadOrStore(diffID, sync.OnceValue(func() error { return v.add(ctx, layer, diffID) }))
	if err := add.(func() error)(); err != nil {
		v.adding.Delete(diffID) // another try is allowed
		return fmt.Errorf("adding layer %s to cache %s: %w", diffID, v.Dir, err)
	}
	return nil
}

func (v *Volume) add(ctx context.Context, layer v1.Layer, diffID v1.Hash) error {
	name, err := tarOf(diffID)
	if err != nil {
		return err
	}
	staging, err := v.staging()
	if err != nil {
		return err
	}
	defer staging.Close()
	kept, err := v.link(name)
	if kept || err != nil {
		return err
	}
	// No hard links here, or none to a file of somebody else: copied.
	if err := v.keep(ctx, staging, name, diffID); err == nil {
		return nil
	}
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	return errors.Join(write(ctx, staging, name, r), r.Close())
}

// link gives a file of what was committed last another name, in staging, and reports whether it has that.
func (v *Volume) link(name string) (bool, error) {
	root, err := os.OpenRoot(v.Dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	to := filepath.Join(v.name, name)
	err = root.Link(filepath.Join(v.current(), name), to)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	info, err := root.Lstat(to)
	if err == nil && !info.Mode().IsRegular() {
		return false, root.Remove(to)
	}
	return err == nil, err
}

// keep copies a layer of the cache, and verifies it since it is read anyway.
func (v *Volume) keep(ctx context.Context, staging *os.Root, name string, diffID v1.Hash) error {
	f, err := v.open(name)
	if err != nil {
		return err
	}
	r := verified(f, diffID, nil)
	return errors.Join(write(ctx, staging, name, r), r.Close())
}

// staging opens the directory of that name.
func (v *Volume) staging() (*os.Root, error) {
	dir, err := files.Within(v.Dir, v.name, false)
	if err != nil {
		err = fmt.Errorf("%w: %w", errStaging, err)
	}
	return dir, err
}

// begin makes an empty staging, and removes what processes that were killed have left.
func (v *Volume) begin(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.name != "" {
		return nil
	}
	err := v.locked(ctx, func() error {
		if err := v.clean(); err != nil {
			return err
		}
		dir, err := os.MkdirTemp(v.Dir, "staging-*")
		if err != nil {
			return err
		}
		v.name = filepath.Base(dir)
		staging, err := v.staging()
		if err != nil {
			return err
		}
		defer staging.Close()
		if v.alive, err = staging.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_, err = tryLock(v.alive)
		}
		return errors.Join(err, staging.Chmod(".", 0o755))
	})
	if err != nil {
		return fmt.Errorf("writing cache: %w", err)
	}
	return nil
}

// clean removes stagings that no process has locked.
func (v *Volume) clean() error {
	root, err := os.OpenRoot(v.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "staging" && !strings.HasPrefix(e.Name(), "staging-") || v.inUse(root, e) {
			continue
		}
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// inUse reports whether a process has locked a directory.
func (v *Volume) inUse(root *os.Root, e fs.DirEntry) bool {
	if !e.IsDir() {
		return false
	}
	dir, err := files.Child(root, e.Name(), false)
	if err != nil {
		return false
	}
	defer dir.Close()
	f, err := files.EditIn(dir, lockName)
	if err != nil {
		return false
	}
	defer f.Close()
	free, err := tryLock(f)
	return err == nil && !free
}

// write makes a file, which is removed again if it cannot be made whole.
func write(ctx context.Context, dir *os.Root, name string, r io.Reader) (err error) {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, dir.Remove(name))
		}
	}()
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, until{ctx, r}, make([]byte, 256<<10))
	return err
}

// until reads until the context is done.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// Commit writes the metadata and puts staging in the place of committed.
func (v *Volume) Commit(ctx context.Context, m Metadata) error {
	if err := v.begin(ctx); err != nil {
		return err
	}
	if err := v.commit(ctx, m); err != nil {
		return fmt.Errorf("committing cache %s: %w", v.Dir, err)
	}
	return nil
}

func (v *Volume) commit(ctx context.Context, m Metadata) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	return v.locked(ctx, func() error {
		staging, err := v.staging()
		if err != nil {
			return err
		}
		defer staging.Close()
		if err := complete(staging, m); err != nil {
			return err
		}
		if err := files.WriteIn(staging, MetadataName, append(data, '\n')); err != nil {
			return err
		}
		if err := staging.Remove(lockName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return v.swap()
	})
}

// complete says whether staging has all layers that the metadata names.
func complete(staging *os.Root, m Metadata) error {
	ids, err := m.DiffIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := staging.Lstat(id.String() + ".tar"); err != nil {
			return fmt.Errorf("layer %s of the metadata was not added: %w", id, err)
		}
	}
	return nil
}

// swap replaces committed by staging. Each step leaves one of committed and
// committed-backup whole, and it can be begun again after any of them.
func (v *Volume) swap() error {
	root, err := os.OpenRoot(v.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if v.current() == "committed" {
		if err := root.RemoveAll("committed-backup"); err != nil {
			return err
		}
		if err := root.Rename("committed", "committed-backup"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := root.Rename(v.name, "committed"); err != nil {
		return err
	}
	v.forget()
	_ = root.RemoveAll("committed-backup") // the next Commit has to, and says if it cannot
	return nil
}

func (v *Volume) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.alive != nil {
		_ = v.alive.Close() // only read
	}
	v.name, v.alive = "", nil
	v.adding.Clear()
}

// Close removes staging if there is one of this volume.
func (v *Volume) Close() error {
	v.mu.Lock()
	name := v.name
	v.mu.Unlock()
	if name == "" {
		return nil
	}
	err := files.RemoveWithin(v.Dir, name)
	v.forget()
	if err != nil {
		return fmt.Errorf("cleaning up cache: %w", err)
	}
	return nil
}
