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
)

// images is how this phase reaches images. Credentials of the registries that it is going
// to need are read here, while this process may still read them.
func (c *command) images(more ...string) (*image.Opener, error) {
	var keychain authn.Keychain = image.Keychain(c.RegistryAuth, func(warning string) { c.log.Warn(warning) })
	if os.Geteuid() == 0 && c.UID > 0 { // else they can be read whenever they are needed
		names := append([]string{c.CacheImage, c.BuildImage}, more...)
		if !c.Daemon {
			names = append(append(names, c.PreviousImage, c.RunImage), c.Images...)
		}
		var refs []reference.Reference
		for _, name := range names {
			refs = append(refs, reference.Parse(name))
		}
		keychain = image.Known(keychain, refs...)
	}
	opener := &image.Opener{Keychain: keychain, Insecure: c.Insecure}
	if c.transfers != nil {
		opener.Wrap = c.transfers.Wrap
	}
	return opener, nil
}

// defaultSocket is the socket of the docker daemon if DOCKER_HOST is unset.
const defaultSocket = "/var/run/docker.sock"

// drop gives directories to the build image's user and, if this is root, becomes that user. The docker
// daemon stays within reach. Where no user is given, nothing changes.
func (c *command) drop(opener *image.Opener, dirs ...string) error {
	if os.Geteuid() != 0 || c.UID < 0 || c.GID < 0 {
		return nil
	}
	for _, dir := range dirs {
		if err := c.give(dir); err != nil {
			return err
		}
	}
	if err := c.giveUnreadable(); err != nil {
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
		{"leaving all groups", syscall.Setgroups([]int{c.GID})},
		{"becoming the group", syscall.Setgid(c.GID)},
		{"becoming the user", syscall.Setuid(c.UID)},
	} {
		if step.err != nil {
			return fmt.Errorf("dropping privileges: %s: %w", step.what, step.err)
		}
	}
	return nil
}

// keepDaemon keeps access to the docker daemon for the user that this process becomes.
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

// giveUnreadable gives the user what it could not read of OCI layouts that are not written.
func (c *command) giveUnreadable() error {
	if !c.Layout {
		return nil
	}
	return ownUnreadable(c.LayoutDir, c.UID, c.GID)
}

// give gives a directory to the build image's user. An unwritable cache is no error.
func (c *command) give(dir string) error {
	err := own(dir, c.UID, c.GID, c.kept()...)
	if err != nil && (dir == c.CacheDir || dir == c.LaunchCache) && errors.Is(err, syscall.EROFS) {
		c.log.Warn(fmt.Sprintf("cannot write the cache: %v", err))
		return nil
	}
	return err
}

// kept are paths in directories of the build image's user that stay as they are: what this process or the extender keeps
// there for itself. Below Platform API 0.12 the cache can be the kaniko directory, too.
func (c *command) kept() []string {
	return []string{filepath.Join(c.CacheDir, keptInventories), filepath.Join(c.CacheDir, "cache"), filepath.Join(c.Extended, "run")}
}

// own gives a directory and all in it to a user. One that is not there is made, so that the
// user can write there; an empty name is passed over, and so are exceptions. No link is followed below it. A file of
// somebody else's that has other names is not given away: one of them may be elsewhere.
func own(dir string, uid, gid int, except ...string) error {
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
	return errors.Join(o.give(root, "."), o.giveAll(root), root.Close())
}

// ownUnreadable gives a user only what others may not read below a directory, and none of it where it cannot
// be given: tools write blobs of OCI layouts for their own user alone.
func ownUnreadable(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	o := newOwner{uid: uid, gid: gid, unreadable: true}
	return errors.Join(o.giveAll(root), root.Close())
}

// A newOwner is who is given files, with exceptions.
type newOwner struct {
	uid, gid   int
	except     []string
	unreadable bool // only what others may not read
}

// giveAll changes the owner of what is in a directory.
func (o newOwner) giveAll(dir *os.Root) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(o.except, filepath.Join(dir.Name(), e.Name())) {
			continue
		}
		err := o.give(dir, e.Name())
		if err == nil && e.IsDir() {
			err = o.giveBelow(dir, e.Name())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (o newOwner) giveBelow(dir *os.Root, name string) error {
	below, err := files.Child(dir, name, false)
	if err != nil {
		return err
	}
	return errors.Join(o.giveAll(below), below.Close())
}

func (o newOwner) give(dir *os.Root, name string) error {
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
		return fmt.Errorf("giving %s to user %d: %w", filepath.Join(dir.Name(), name), o.uid, err)
	}
	return nil
}

// user says whose the files of the app image are: the one that is given, else who runs this.
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

// ensureTemp makes sure that there is a directory for temporary files: a lifecycle image may
// have none. Where it cannot be made, <layers> serves.
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
