package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/image"
)

// The extended run image is in <layers>, where buildpacks could replace it and so write to the
// app image as root. So the extender, which is root, records the image's digest in the kaniko
// directory, where buildpacks cannot write, for the exporter.

// extendedDir creates the directory of extended run images. It follows no links in <layers>,
// where buildpacks can write.
func (c *command) extendedDir() (string, error) {
	dir := filepath.Join(c.Extended, "run")
	rel, ok := files.Below(c.Layers, dir)
	if !ok {
		return dir, ensureDir(dir)
	}
	if err := ensureDir(c.Layers); err != nil {
		return "", err
	}
	root, err := files.Within(c.Layers, rel, true)
	if err != nil {
		return "", fmt.Errorf("creating %s: %w; remove the existing file", dir, err)
	}
	return dir, root.Close()
}

// extendedRecord returns the file with the digest of the image extended from a run image.
func (c *command) extendedRecord(base string) string {
	return filepath.Join(c.KanikoDir, "cache", "baseplan-extended", strings.ReplaceAll(base, ":", "-"))
}

// recordExtended records the digest, if the platform has a kaniko directory.
func (c *command) recordExtended(base string, img v1.Image) error {
	if c.ownKaniko() == "" {
		return nil
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	name := c.extendedRecord(base)
	dir := filepath.Dir(name)
	if err := ensureDir(dir); err != nil {
		return err
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || ownedBy(info, os.Geteuid()) != nil {
		// Some platforms give the whole kaniko directory to the build image's user before each build.
		// Remove the record of an earlier build, which the exporter would compare with this image.
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
			c.log.Warn(fmt.Sprintf("cannot record the extended image for the exporter: other users can write %s: %v", dir, err))
			return nil
		}
	}
	if err := os.RemoveAll(name); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, digest.String()+"\n")
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

// checkExtended rejects an extended image that is not the extender's: one whose digest differs
// from the recorded one or, if none is recorded, one that users other than root and this
// process's user could have changed.
func (c *command) checkExtended(dir, base string, img *image.Image) error {
	want, err := c.recorded(base)
	if err != nil {
		return err
	}
	if want == img.Digest.String() {
		return nil
	}
	if want != "" {
		return fmt.Errorf("the extended run image in %s is %s, but the extender created %s; run extender -kind run again", dir, img.Digest, want)
	}
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			err = errors.New("neither a file nor a directory")
		}
		if err == nil {
			err = ownedBy(info, 0, os.Geteuid())
		}
		if err != nil {
			return fmt.Errorf("another user may have changed the extended run image in %s: %s: %w; run extender -kind run again", dir, name, err)
		}
		return nil
	})
}

// recorded returns the digest recorded by the extender, or "".
func (c *command) recorded(base string) (string, error) {
	if c.ownKaniko() == "" {
		return "", nil
	}
	f, err := os.OpenFile(c.extendedRecord(base), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", nil // not trusted
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || ownedBy(info, 0, os.Geteuid()) != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<10))
	return strings.TrimSpace(string(data)), err
}

// ownedBy returns an error if users other than these can write a file.
func ownedBy(info fs.FileInfo, uids ...int) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("unknown owner")
	}
	if !slices.Contains(uids, int(st.Uid)) {
		return fmt.Errorf("owned by user %d", st.Uid)
	}
	if info.Mode()&0o022 != 0 {
		return fmt.Errorf("writable by other users (%s)", info.Mode())
	}
	return nil
}
