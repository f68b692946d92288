//go:build linux

package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
)

// storeName is the subdirectory of the cache directory. Its number changes when the meaning of
// the keys does.
const storeName = "baseplan-2"

// A chain is a cache key: the digest of an image and of the instructions applied to it.
type chain string

func newChain(digest string, exclude []string) chain {
	return chain("").next(append([]string{digest}, slices.Sorted(slices.Values(exclude))...)...)
}

// next returns the chain extended by one link.
func (c chain) next(parts ...string) chain {
	sum := sha256.New()
	for _, p := range append([]string{string(c)}, parts...) {
		fmt.Fprintf(sum, "%d:%s\n", len(p), p)
	}
	return chain(hex.EncodeToString(sum.Sum(nil)))
}

// An entry is the cached result for a chain.
type entry struct {
	DiffID  v1.Hash   `json:"diff-id,omitzero"` // zero: the instruction changed nothing
	IDs     *[2]int   `json:"ids,omitempty"`    // of a user lookup rather than an instruction
	Created time.Time `json:"created"`

	file string
}

// A store keeps entries, each in a directory named after its chain and replaced as a whole. As
// a cache, it logs errors instead of returning them.
type store struct {
	dir string
	ttl time.Duration
	log *slog.Logger

	guest *guest // in a sandbox: where the entries really are
}

// open creates the store and checks that only this user can write to it and to its parent
// directory. The extender runs as root and adds cached layers to the image, so a store that
// others may have filled is removed, and one that others could replace is not used.
func (s *store) open() error {
	if err := checkPrivate(filepath.Dir(s.dir)); err != nil {
		return err
	}
	err := os.Mkdir(s.dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if err = checkPrivate(s.dir); err != nil {
			s.log.Warn("removing a layer cache that others may have written", "dir", s.dir, "error", err)
			err = errors.Join(os.RemoveAll(s.dir), os.Mkdir(s.dir, 0o700))
		}
	}
	return err
}

// checkPrivate returns an error unless dir is a directory, not a link, that only this user (or
// root) can write to.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return &pathError{"opening", dir, errors.New("not a directory")}
	case !ok || int(st.Uid) != os.Geteuid() && st.Uid != 0:
		return &pathError{"opening", dir, fmt.Errorf("owned by user %d", st.Uid)}
	case info.Mode()&0o022 != 0:
		return &pathError{"opening", dir, fmt.Errorf("writable by other users (%s)", info.Mode())}
	}
	return nil
}

const entryFile, layerFile = "entry.json", "layer.tar"

// spool returns the directory to write a layer to, so that it can be moved into an entry.
func (s *store) spool(fallback string) string {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		s.log.Warn("writing the layer cache", "dir", s.dir, "error", err)
		return fallback
	}
	return s.dir
}

// load returns a usable entry. It removes one that is expired or damaged.
func (s *store) load(key chain) (entry, bool) {
	s.bring(string(key))
	dir := filepath.Join(s.dir, string(key))
	e, err := s.read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Lstat(dir); errors.Is(statErr, fs.ErrNotExist) {
			return entry{}, false
		}
	}
	if err != nil {
		s.log.Warn("removing an invalid entry of the layer cache", "entry", dir, "error", err)
		s.drop(dir)
		return entry{}, false
	}
	if time.Since(e.Created) > s.ttl {
		s.drop(dir)
		return entry{}, false
	}
	return e, true
}

// bring gets an entry from outside of the sandbox.
func (s *store) bring(name string) {
	if s.guest == nil {
		return
	}
	if err := s.guest.load(s, name); err != nil {
		s.log.Warn("reading the layer cache", "error", err)
		s.drop(filepath.Join(s.dir, name))
	}
}

// replaced hands a new entry over to the outside of the sandbox.
func (s *store) replaced(name string, ids *[2]int) error {
	if s.guest == nil {
		return nil
	}
	return s.guest.save(s, name, ids)
}

func (s *store) read(dir string) (e entry, err error) {
	if err := checkPrivate(dir); err != nil {
		return e, err
	}
	in, err := openRegular(filepath.Join(dir, entryFile))
	if err != nil {
		return e, err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(content, &e); err != nil {
		return e, err
	}
	if e.DiffID == (v1.Hash{}) {
		return e, nil
	}
	e.file = filepath.Join(dir, layerFile)
	f, err := openRegular(e.file)
	if err != nil {
		return e, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return e, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.DiffID.Hex {
		return e, fmt.Errorf("the layer's digest is sha256:%s, not %s", got, e.DiffID)
	}
	return e, nil
}

func (s *store) drop(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		s.log.Warn("cleaning the layer cache", "entry", dir, "error", err)
	}
}

// save stores a layer and moves its file into the store. A layer without a file means that the
// instruction changed nothing.
func (s *store) save(key chain, l *Layer) (ok bool) {
	e := entry{DiffID: l.diffID, Created: time.Now().UTC()}
	err := s.write(key, e, l)
	if err != nil {
		s.log.Warn("writing the layer cache", "dir", s.dir, "error", err)
	}
	return err == nil
}

// saveIDs stores the result of a user lookup.
func (s *store) saveIDs(key chain, uid, gid int) {
	if err := s.write(key, entry{IDs: &[2]int{uid, gid}, Created: time.Now().UTC()}, nil); err != nil {
		s.log.Warn("writing the layer cache", "dir", s.dir, "error", err)
	}
}

func (s *store) write(key chain, e entry, l *Layer) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(s.dir, "new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	content, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, entryFile), content, 0o600); err != nil {
		return err
	}
	final := filepath.Join(s.dir, string(key))
	if l == nil || l.file == "" {
		if err := s.replace(tmp, final); err != nil {
			return err
		}
		return s.replaced(string(key), e.IDs)
	}
	if err := os.Link(l.file, filepath.Join(tmp, layerFile)); err != nil {
		return err
	}
	if err := s.replace(tmp, final); err != nil {
		return err
	}
	err, l.file = os.Remove(l.file), filepath.Join(final, layerFile)
	return errors.Join(err, s.replaced(string(key), nil))
}

// saveMount stores the content of a cache mount, and moves its file into the store.
func (s *store) saveMount(name, file string) error {
	tmp, err := os.MkdirTemp(s.dir, "new-")
	if err == nil {
		err = os.Rename(file, filepath.Join(tmp, layerFile))
	}
	if err == nil {
		err = s.replace(tmp, filepath.Join(s.dir, name))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return s.replaced(name, nil)
}

// replace renames tmp to final. It replaces an entry that a concurrent build has written, since
// ours is newer.
func (s *store) replace(tmp, final string) error {
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	return os.Rename(tmp, final)
}

// grace is how long expired entries and unfinished files are kept: another build may be about
// to use them.
const grace = time.Hour

// prune removes expired entries.
func (s *store) prune() {
	found, err := os.ReadDir(s.dir)
	if err != nil {
		return // nothing is cached yet
	}
	for _, f := range found {
		info, err := f.Info()
		if err != nil {
			continue
		}
		limit := s.ttl + grace
		if strings.HasPrefix(f.Name(), "new-") || !f.IsDir() {
			limit = grace
		}
		if time.Since(info.ModTime()) > max(limit, grace) {
			s.drop(filepath.Join(s.dir, f.Name()))
		}
	}
}
