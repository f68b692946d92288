package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

// images returns an opener for this phase's images. It reads the credentials of their
// registries now, while this process may still do so.
func (c *command) images(more ...reference.Reference) *image.Opener {
	var keychain authn.Keychain = credentials.New(c.RegistryAuth, func(warning string) { c.log.Warn(warning) })
	if os.Geteuid() == 0 && c.UID > 0 { // otherwise credentials are read on demand
		refs := append([]reference.Reference{c.CacheImage, c.BuildImage}, more...)
		if !c.Daemon {
			refs = append(append(refs, c.PreviousImage, c.RunImage), c.Images...)
		}
		keychain = credentials.Known(keychain, refs...)
	}
	opener := &image.Opener{Registry: registry.Client{Keychain: keychain, Insecure: c.Insecure}}
	if c.transfers != nil {
		opener.Registry.Wrap = c.transfers.Wrap
	}
	return opener
}

// defaultSocket is the docker daemon's socket if DOCKER_HOST is unset.
const defaultSocket = "/var/run/docker.sock"

// drop gives directories to the build image's user and, if this is root, switches to that
// user. The docker daemon stays accessible. Without a user it does nothing.
func (c *command) drop(opener *image.Opener, dirs ...string) error {
	if os.Geteuid() != 0 || c.UID < 0 || c.GID < 0 {
		return nil
	}
	for _, dir := range dirs {
		if err := c.chown(dir); err != nil {
			return err
		}
	}
	if err := c.chownUnreadable(); err != nil {
		return err
	}
	if c.UID == 0 {
		return nil
	}
	if err := c.keepDaemon(opener); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		err  error
	}{
		{"setting the supplementary groups", syscall.Setgroups([]int{c.GID})},
		{"setting the group", syscall.Setgid(c.GID)},
		{"setting the user", syscall.Setuid(c.UID)},
	} {
		if step.err != nil {
			return fmt.Errorf("dropping privileges: %s: %w", step.what, step.err)
		}
	}
	return nil
}

// keepDaemon keeps access to the docker daemon after the switch of users.
func (c *command) keepDaemon(opener *image.Opener) error {
	host := os.Getenv("DOCKER_HOST")
	socket, isSocket := strings.CutPrefix(host, "unix://")
	if host == "" {
		socket, isSocket = defaultSocket, true
	}
	if !c.Daemon || opener == nil || !isSocket {
		return nil
	}
	d, err := startDialer(socket)
	if err != nil {
		return err
	}
	opener.DialDocker = d.Dial
	return nil
}

// chownUnreadable gives the user the unreadable files of OCI layouts that are only read.
func (c *command) chownUnreadable() error {
	if !c.Layout {
		return nil
	}
	return chownUnreadable(c.LayoutDir, c.UID, c.GID)
}

// chown gives a directory to the build image's user. A read-only cache is not an error.
func (c *command) chown(dir string) error {
	err := chownTree(dir, c.UID, c.GID, c.keptOwners()...)
	if err != nil && (dir == c.CacheDir || dir == c.LaunchCache) && errors.Is(err, syscall.EROFS) {
		c.log.Warn(fmt.Sprintf("cannot write the cache: %v", err))
		return nil
	}
	return err
}

// keptOwners returns the paths that keep their owner: files of this process or the extender in the
// user's directories. Before Platform API 0.12 the cache may also be the kaniko directory.
func (c *command) keptOwners() []string {
	return []string{filepath.Join(c.CacheDir, inventoryCache), filepath.Join(c.CacheDir, "cache"), filepath.Join(c.Extended, "run")}
}

// chownTree gives a directory and its content to a user, except the given paths. It creates a
// missing directory and ignores an empty name. It follows no links below dir and skips files
// of other users with several hard links, one of which may be outside.
func chownTree(dir string, uid, gid int, except ...string) error {
	if dir == "" {
		return nil
	}
	if err := ensureDir(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	o := newOwner{uid: uid, gid: gid, except: except}
	return errors.Join(o.chown(root, "."), o.chownContents(root), root.Close())
}

// chownUnreadable gives a user the files below a directory that others may not read, such as
// blobs that tools write for their own user only. It ignores read-only file systems.
func chownUnreadable(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	o := newOwner{uid: uid, gid: gid, unreadable: true}
	return errors.Join(o.chownContents(root), root.Close())
}

// A newOwner changes the owner of files, with exceptions.
type newOwner struct {
	uid, gid   int
	except     []string
	unreadable bool // only files that others may not read
}

// chownContents changes the owner of a directory's content.
func (o newOwner) chownContents(dir *os.Root) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(o.except, filepath.Join(dir.Name(), e.Name())) {
			continue
		}
		err := o.chown(dir, e.Name())
		if err == nil && e.IsDir() {
			err = o.chownDir(dir, e.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (o newOwner) chownDir(dir *os.Root, name string) error {
	below, err := files.Child(dir, name, false)
	if err != nil {
		return err
	}
	return errors.Join(o.chownContents(below), below.Close())
}

func (o newOwner) chown(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return err
	}
	s := info.Sys().(*syscall.Stat_t)
	if int(s.Uid) == o.uid && int(s.Gid) == o.gid || !info.IsDir() && s.Nlink > 1 {
		return nil
	}
	if o.unreadable && (info.Mode()&fs.ModeSymlink != 0 || info.Mode()&0o004 != 0 && (!info.IsDir() || info.Mode()&0o001 != 0)) {
		return nil
	}
	err = dir.Lchown(name, o.uid, o.gid)
	if o.unreadable && errors.Is(err, syscall.EROFS) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("changing the owner of %s to user %d: %w", filepath.Join(dir.Name(), name), o.uid, err)
	}
	return nil
}

// user returns the owner of files in the app image: the given user, else the current one.
func (c *command) user() (uid, gid int) {
	uid, gid = c.UID, c.GID
	if uid < 0 {
		uid = os.Getuid()
	}
	if gid < 0 {
		gid = os.Getgid()
	}
	return uid, gid
}

// ensureTemp ensures that there is a directory for temporary files, since a lifecycle image
// may have none. If it cannot be created, <layers> is used.
func (c *command) ensureTemp() error {
	dir := os.TempDir()
	if exists(dir) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err == nil {
		return os.Chmod(dir, 0o777|os.ModeSticky)
	}
	if err := ensureDir(c.Layers); err != nil {
		return err
	}
	return os.Setenv("TMPDIR", c.Layers)
}
