//go:build linux

package apply

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// A mount is a directory or file that exists only during a RUN (Dockerfile reference, "RUN
// --mount"). Containers usually have no permission to mount, so what is at the target is moved
// aside and restored afterwards. Writes to a bind mount are dropped.
type mount struct {
	target   string
	cache    string  // name of the cache's content; empty: not a cache
	bind     *source // from the build context; nil: initially empty, or the content of the cache
	uid, gid int
	mode     int64
}

// mounts returns the mounts of a RUN, and their parts of the cache key.
func (s *stage) mounts(c *instructions.RunCommand) (all []mount, keys []string, err error) {
	for _, m := range instructions.GetMounts(c) {
		if err := supportedMount(m); err != nil {
			return nil, nil, err
		}
		one := mount{target: s.absolute(m.Target), mode: 0o755}
		switch {
		case m.Target == "" || one.target == "/":
			return nil, nil, fmt.Errorf("RUN --mount=type=%s requires a target other than /", m.Type)
		case m.Type == instructions.MountTypeTmpfs:
			one.mode = 0o1777
		case m.Type == instructions.MountTypeCache:
			id := m.CacheID
			if id == "" {
				id = one.target
			}
			one.cache = "mount-" + string(chain("").next(id))
			one.uid, one.gid, one.mode = int(number64(m.UID, 0)), int(number64(m.GID, 0)), int64(number64(m.Mode, 0o755)) // of 32 bits
		default:
			if one.bind, err = s.bindSource(m.Source); err != nil {
				return nil, nil, fmt.Errorf("RUN --mount=type=bind: %w", err)
			}
			keys = append(keys, sourceKeys([]source{*one.bind})...)
		}
		keys = append(keys, "mount", string(m.Type), one.target, one.cache, fmt.Sprint(one.uid, one.gid, one.mode))
		all = append(all, one)
	}
	return all, keys, nil
}

func number64(n *uint64, or uint64) uint64 {
	if n == nil {
		return or
	}
	return *n
}

// supportedMount returns an error for a mount that is not supported in an extension's
// Dockerfile.
func supportedMount(m *instructions.Mount) error {
	switch {
	case m.Type == instructions.MountTypeSecret:
		return errors.New("RUN --mount=type=secret is not supported: a platform has no secrets for extensions; use a binding in <platform>, or a build arg")
	case m.Type == instructions.MountTypeSSH:
		return errors.New("RUN --mount=type=ssh is not supported: a platform has no SSH agent for extensions")
	case m.From != "":
		return fmt.Errorf("RUN --mount with from=%s is not supported: only the build context can be mounted", m.From)
	case m.Type == instructions.MountTypeCache && m.Source != "":
		return errors.New("RUN --mount=type=cache with source is not supported")
	}
	return nil
}

// bindSource returns a file or directory of the build context.
func (s *stage) bindSource(name string) (*source, error) {
	c, err := s.context()
	if err != nil {
		return nil, err
	}
	name = path.Clean("/" + name)[1:]
	if name == "" {
		name = "."
	}
	src, err := c.source(name, transfer{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file in the build context", name)
	}
	return &src, err
}

// excludeMounts excludes the targets of mounts from snapshots until include is called.
func (b *build) excludeMounts(mounts []mount) (include func(), err error) {
	old := b.skip
	skip := map[string]bool{}
	maps.Copy(skip, old)
	for _, m := range mounts {
		real, err := b.tree.resolve(m.target)
		if err != nil {
			return nil, err
		}
		for p := range old {
			if within(p, real) || within(real, p) {
				return nil, fmt.Errorf("RUN --mount: invalid target %s: %s belongs to the platform or the container", m.target, p)
			}
		}
		skip[real] = true
	}
	b.skip, b.last = skip, nil
	return func() { b.skip, b.last = old, nil }, nil
}

// withMounts calls do with the mounts in place.
func (b *build) withMounts(ctx context.Context, mounts []mount, do func(context.Context) error) error {
	if len(mounts) == 0 {
		return do(ctx)
	}
	back, err := b.mount(ctx, mounts[0])
	if err != nil {
		return fmt.Errorf("RUN --mount: target %s: %w", mounts[0].target, err)
	}
	err = b.withMounts(ctx, mounts[1:], do)
	return errors.Join(err, back(err == nil))
}

// mount puts one mount in place. back removes it and, if ok, saves the content of a cache.
func (b *build) mount(ctx context.Context, m mount) (back func(ok bool) error, err error) {
	real, err := b.tree.resolve(m.target)
	if err != nil {
		return nil, err
	}
	made, err := b.firstMissing(real)
	if err != nil {
		return nil, err
	}
	if info, err := b.tree.root.Lstat(below(real)); err == nil && m.bind == nil && m.cache == "" {
		m.mode = unixMode(info.Mode()) // a tmpfs has the mode of the directory that it covers
	}
	restore, err := b.saveTree(ctx, real, m.bind == nil || m.bind.dir)
	if err != nil {
		return nil, err
	}
	back = func(ok bool) error {
		b.tree.closeDir()
		var kept error
		if ok && m.cache != "" {
			b.keepMount(m.cache, real)
		}
		kept = b.tree.remove(real)
		return errors.Join(kept, restore(), b.removeEmpty(path.Dir(real), made), b.tree.setDirTimes())
	}
	if err := b.fillMount(ctx, m, real); err != nil {
		return nil, errors.Join(err, back(false))
	}
	return back, b.tree.setDirTimes()
}

// fillMount creates the content of a mount.
func (b *build) fillMount(ctx context.Context, m mount, real string) error {
	if m.bind != nil && !m.bind.dir {
		w := copier{tree: b.tree}
		return errors.Join(b.tree.mkdirAll(path.Dir(real), 0, 0), w.put(real, m.bind.entries[0], false))
	}
	mode := m.mode
	if m.bind != nil && len(m.bind.entries) > 0 {
		mode = unixMode(m.bind.entries[0].mode)
	}
	if err := b.tree.mkdirAll(path.Dir(real), 0, 0); err != nil {
		return err
	}
	if m.cache != "" {
		b.loadMount(ctx, m.cache, real)
	}
	if m.bind != nil {
		w := copier{tree: b.tree, dest: real}
		if err := w.copy(ctx, *m.bind); err != nil {
			return err
		}
	}
	return b.tree.put(&tar.Header{Typeflag: tar.TypeDir, Name: real, Mode: mode, Uid: m.uid, Gid: m.gid, ModTime: abi.Epoch}, nil)
}

// firstMissing returns the topmost component of a path that does not exist; empty: all exist.
func (b *build) firstMissing(real string) (string, error) {
	for i := 1; i <= len(real); i++ {
		if i < len(real) && real[i] != '/' {
			continue
		}
		if _, err := b.tree.root.Lstat(below(real[:i])); errors.Is(err, fs.ErrNotExist) {
			return real[:i], nil
		} else if err != nil {
			return "", err
		}
	}
	return "", nil
}

// removeEmpty removes the empty directories that were created for a mount, from dir up to top.
func (b *build) removeEmpty(dir, top string) error {
	for ; top != "" && within(dir, top); dir = path.Dir(dir) {
		entries, err := fs.ReadDir(b.tree.root.FS(), below(dir))
		if err != nil || len(entries) > 0 {
			return nil // the command removed it, or uses it
		}
		if err := b.tree.remove(dir); err != nil {
			return err
		}
	}
	return nil
}

// saveTree archives what is at a path and removes it. restore brings it back.
func (b *build) saveTree(ctx context.Context, real string, wantDir bool) (restore func() error, err error) {
	info, err := b.tree.root.Lstat(below(real))
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() != wantDir {
		return nil, errors.New("a directory can only be mounted on a directory, and a file on a file")
	}
	dir, err := b.tree.open(path.Dir(real))
	if err != nil {
		return nil, err
	}
	found, err := subtree(dir, real)
	if err != nil {
		return nil, err
	}
	name, _, _, err := spool(b.Spool, "aside-*.tar", func(w io.Writer) error { return b.tree.writeLayer(w, found, func(*file) bool { return false }) })
	if err != nil {
		return nil, err
	}
	if err := b.tree.remove(real); err != nil {
		return nil, err
	}
	return func() error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(b.tree.unpack(context.WithoutCancel(ctx), f), f.Close(), os.Remove(name))
	}, nil
}

// subtree lists a file, or a directory and everything in it.
func subtree(parent openDir, real string) ([]change, error) {
	s := scanner{skip: map[string]bool{}}
	if err := s.one(parent.fd, path.Dir(real), path.Base(real)); err != nil {
		return nil, err
	}
	var all []change
	for i := range s.files {
		all = append(all, change{file: &s.files[i]})
	}
	return all, nil
}

// mountStore returns the store for the content of cache mounts: the layer cache or, without
// one, the spool directory, which lasts for this build.
func (b *build) mountStore() *store {
	if b.store != nil {
		return b.store
	}
	return &store{dir: b.Spool, log: b.Log}
}

// keepMount saves the content of a cache mount for later builds. A failure is only logged.
func (b *build) keepMount(name, real string) {
	err := func() error {
		t, err := openTree(filepath.Join(b.tree.dir, real))
		if err != nil {
			return err
		}
		defer t.close()
		all, err := t.scan(nil)
		if err != nil {
			return err
		}
		file, _, _, err := spool(b.mountStore().dir, "content-*", func(w io.Writer) error {
			return t.writeLayer(w, all.since(nil, nil), func(*file) bool { return false })
		})
		if err != nil {
			return err
		}
		return b.mountStore().saveMount(name, file)
	}()
	if err != nil {
		b.Log.Warn("saving the content of a cache mount", "error", err)
	}
}

// loadMount restores the content of a cache mount, or leaves it empty if it cannot be read.
func (b *build) loadMount(ctx context.Context, name, real string) {
	b.mountStore().bring(name)
	dir := filepath.Join(b.mountStore().dir, name)
	f, err := openRegular(filepath.Join(dir, layerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		defer f.Close()
		err = checkPrivate(dir)
	}
	if err == nil {
		err = b.tree.mkdirAll(real, 0, 0)
	}
	if err == nil {
		var t *tree
		if t, err = openTree(filepath.Join(b.tree.dir, real)); err == nil {
			t.noDevices = b.tree.noDevices
			err = errors.Join(t.unpack(ctx, f), t.close())
		}
	}
	if err != nil {
		b.Log.Warn("discarding the content of a cache mount", "error", err)
		b.mountStore().drop(dir)
		_ = b.tree.remove(real)
	}
}
