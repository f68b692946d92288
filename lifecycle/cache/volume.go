package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A Volume is a cache in a directory:
//
//	committed/         layers as <diff ID>.tar, and the file [MetadataName]
//	staging/           what the next Commit will make of it
//	committed-backup/  the layers before, while a Commit replaces them
//
// Other files of the directory are not touched. At any moment committed is whole, or
// it is missing and committed-backup is whole. One process at a time may write.
type Volume struct {
	Dir string // has to exist

	mu     sync.Mutex // guards begun
	begun  bool       // staging is ours
	adding sync.Map   // diff ID -> func() error of the one who adds it
}

var _ Cache = (*Volume)(nil)

func (v *Volume) path(elem ...string) string {
	return filepath.Join(append([]string{v.Dir}, elem...)...)
}

// current is the directory with what was committed last.
func (v *Volume) current() string {
	if _, err := os.Lstat(v.path("committed")); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(v.path("committed-backup")); err == nil {
			return "committed-backup" // a Commit was cut off in the middle
		}
	}
	return "committed"
}

// Metadata is what was committed last; the zero value if nothing was.
func (v *Volume) Metadata(context.Context) (Metadata, error) {
	file := v.path(v.current(), MetadataName)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(v.Dir); err != nil {
			return Metadata{}, fmt.Errorf("reading cache: %w", err)
		}
		return Metadata{}, nil
	}
	if err != nil {
		return Metadata{}, fmt.Errorf("reading cache metadata: %w", err)
	}
	return DecodeMetadata(data, file)
}

// Open reads a layer. One that turns out corrupt is removed if possible, so that the
// next Add of it does not take it over.
func (v *Volume) Open(_ context.Context, diffID v1.Hash) (io.ReadCloser, error) {
	file, err := v.tar(v.current(), diffID)
	if err != nil {
		return nil, fmt.Errorf("reading cached layer: %w", err)
	}
	f, err := openRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading cached layer %s: %w", diffID, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading cached layer: %w", err)
	}
	return verified(f, diffID, func() { _ = os.Remove(file) }), nil
}

func openRegular(file string) (*os.File, error) {
	info, err := os.Lstat(file) // a pipe would never be opened
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a regular file", file, ErrCorrupt)
	}
	return os.Open(file)
}

func (v *Volume) tar(folder string, diffID v1.Hash) (string, error) {
	if err := checkDiffID(diffID); err != nil {
		return "", err
	}
	return v.path(folder, diffID.String()+".tar"), nil
}

// Add puts a layer into staging: as another name of the file that the cache has, or
// else written from the layer.
func (v *Volume) Add(ctx context.Context, layer v1.Layer) error {
	diffID, err := layer.DiffID()
	if err != nil {
		return fmt.Errorf("adding layer to cache: %w", err)
	}
	if err := v.begin(); err != nil {
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
	to, err := v.tar("staging", diffID)
	if err != nil {
		return err
	}
	from, err := v.tar(v.current(), diffID)
	if err != nil {
		return err
	}
	switch err := os.Link(from, to); {
	case err == nil || errors.Is(err, fs.ErrExist):
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		// No hard links here, or none to a file of somebody else: copied.
		if err := v.keep(ctx, from, to, diffID); err == nil {
			return nil
		}
	}
	r, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	return errors.Join(write(ctx, to, r), r.Close())
}

// keep copies a layer of the cache, and verifies it since it is read anyway.
func (v *Volume) keep(ctx context.Context, from, to string, diffID v1.Hash) error {
	f, err := openRegular(from)
	if err != nil {
		return err
	}
	r := verified(f, diffID, nil)
	return errors.Join(write(ctx, to, r), r.Close())
}

// begin makes an empty staging, whatever a process that was killed has left there.
func (v *Volume) begin() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.begun {
		return nil
	}
	if err := os.RemoveAll(v.path("staging")); err != nil {
		return fmt.Errorf("writing cache: %w", err)
	}
	if err := os.Mkdir(v.path("staging"), 0o755); err != nil {
		return fmt.Errorf("writing cache: %w", err)
	}
	v.begun = true
	return nil
}

// write makes a file, which is removed again if it cannot be made whole.
func write(ctx context.Context, file string, r io.Reader) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(file))
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
	if err := v.begin(); err != nil {
		return err
	}
	if err := v.commit(ctx, m); err != nil {
		return fmt.Errorf("committing cache %s: %w", v.Dir, err)
	}
	return nil
}

func (v *Volume) commit(ctx context.Context, m Metadata) error {
	if err := v.complete(m); err != nil {
		return err
	}
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	file := v.path("staging", MetadataName)
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // of a Commit that failed before
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return v.swap()
}

// complete says whether staging has all layers that the metadata names.
func (v *Volume) complete(m Metadata) error {
	ids, err := m.DiffIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := os.Lstat(v.path("staging", id.String()+".tar")); err != nil {
			return fmt.Errorf("layer %s of the metadata was not added: %w", id, err)
		}
	}
	return nil
}

// swap replaces committed by staging. Each step leaves one of committed and
// committed-backup whole, and it can be begun again after any of them.
func (v *Volume) swap() error {
	committed, backup := v.path("committed"), v.path("committed-backup")
	if v.current() == "committed" {
		if err := os.RemoveAll(backup); err != nil {
			return err
		}
		if err := os.Rename(committed, backup); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(v.path("staging"), committed); err != nil {
		return err
	}
	v.forget()
	_ = os.RemoveAll(backup) // the next Commit has to, and says if it cannot
	return nil
}

func (v *Volume) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begun = false
	v.adding.Clear()
}

// Close removes staging if it is this volume's.
func (v *Volume) Close() error {
	v.mu.Lock()
	begun := v.begun
	v.mu.Unlock()
	if !begun {
		return nil
	}
	v.forget()
	if err := os.RemoveAll(v.path("staging")); err != nil {
		return fmt.Errorf("cleaning up cache: %w", err)
	}
	return nil
}
