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
//	staging-*/         the layers of the next Commit of one process, locked by it
//	committed-backup/  the previous layers, while a Commit replaces them
//	.lock              locked while a process commits or cleans up, then removed
//
// Other files in the directory are not touched. At any moment committed is complete, or it is
// missing and committed-backup is complete. Several processes may use a directory: the last
// commit wins as a whole. Buildpacks may have written to the directory, so no link below Dir is
// followed, and only regular files are read.
type Volume struct {
	Dir string // has to exist

	mu     sync.Mutex // guards the fields below
	name   string     // of the staging directory; empty: none yet
	alive  *os.File   // keeps staging locked
	adding sync.Map   // diff ID -> func() error that adds it
}

var _ Cache = (*Volume)(nil)

// errStaging is wrapped by errors of a Volume whose staging directory was removed by another process.
var errStaging = errors.New("the added layers were removed by another process")

func (v *Volume) path(elem ...string) string {
	return filepath.Join(append([]string{v.Dir}, elem...)...)
}

// current returns the directory with the last commit.
func (v *Volume) current() string {
	if _, err := os.Lstat(v.path("committed")); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(v.path("committed-backup")); err == nil {
			return "committed-backup" // a Commit is in progress or was interrupted
		}
	}
	return "committed"
}

// open opens a file of the last commit. It retries while another process replaces the directory.
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

// Metadata returns the last committed metadata; the zero value if there is none.
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
	return decodeMetadata(data, f.Name())
}

// Open reads a layer. A layer that turns out to be corrupt is removed if possible, so that the
// next Add does not reuse it.
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

// drop removes a file of the last commit, unless it was replaced since it was opened.
func (v *Volume) drop(f *os.File, name string) {
	dir, err := files.Within(v.Dir, v.current(), false)
	if err != nil {
		return
	}
	defer dir.Close()
	now, err := dir.Lstat(name)
	opened, statErr := f.Stat()
	if err == nil && statErr == nil && os.SameFile(now, opened) {
		_ = dir.Remove(name) // best effort
	}
}

func tarOf(diffID v1.Hash) (string, error) {
	if err := checkDiffID(diffID); err != nil {
		return "", err
	}
	return diffID.String() + ".tar", nil
}

// Add adds a layer to the staging directory: as a hard link to the cache's file, or else as a
// copy of the layer.
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
		v.adding.Delete(diffID) // allows a retry
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
	// Hard links are not supported, or not permitted: copy.
	if err := v.keep(ctx, staging, name, diffID); err == nil {
		return nil
	}
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	return errors.Join(write(ctx, staging, name, r), r.Close())
}

// link links a file of the last commit into the staging directory, and reports whether it succeeded.
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

// keep copies a layer of the cache, and verifies it while reading.
func (v *Volume) keep(ctx context.Context, staging *os.Root, name string, diffID v1.Hash) error {
	f, err := v.open(name)
	if err != nil {
		return err
	}
	r := verified(f, diffID, nil)
	return errors.Join(write(ctx, staging, name, r), r.Close())
}

// staging opens the staging directory.
func (v *Volume) staging() (*os.Root, error) {
	dir, err := files.Within(v.Dir, v.name, false)
	if err != nil {
		err = fmt.Errorf("%w: %w", errStaging, err)
	}
	return dir, err
}

// begin creates an empty staging directory, and removes those of killed processes.
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

// clean removes staging directories that no process has locked.
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

// write writes a file, and removes it again if that fails.
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
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, files.Until(ctx, r), make([]byte, 256<<10))
	return err
}

// Commit writes the metadata and replaces committed with the staging directory.
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

// complete returns an error if the staging directory lacks a layer of the metadata.
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

// swap replaces committed with the staging directory. After each step, committed or
// committed-backup is complete, and swap can be repeated.
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
	_ = root.RemoveAll("committed-backup") // otherwise the next Commit does it, or fails
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

// Close removes the staging directory of this volume.
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
