package base

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// maxKept is the number of generated inventories to keep.
const maxKept = 5

func keptName(img *image.Image) string { return img.Digest.Algorithm + "-" + img.Digest.Hex + ".json" }

// kept returns a cached inventory, or nil if there is no usable one.
func (r *Reader) kept(img *image.Image) *sbom.Document {
	dir, err := r.keeper(false)
	if err != nil || dir == nil {
		return nil
	}
	defer dir.Close()
	f, err := files.OpenIn(dir, keptName(img))
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !owned(info) {
		return nil
	}
	doc, err := format.Decode(f, f.Name())
	if err != nil {
		orDiscard(r.Log).Warn(fmt.Sprintf("ignoring a cached inventory: %v", err))
		return nil
	}
	if !doc.Knows(sbom.Presence) {
		return nil // written by a version that did not check whether files exist
	}
	now := time.Now()
	_ = dir.Chtimes(keptName(img), now, now) // only the order of eviction depends on it
	return doc
}

// keep caches an inventory and evicts the oldest ones. Failure is only a warning.
func (r *Reader) keep(img *image.Image, data []byte) {
	dir, err := r.keeper(true)
	if err == nil && dir == nil {
		return
	}
	if err == nil {
		_ = dir.Remove(keptName(img)) // another user's file would keep its owner
		err = files.WriteIn(dir, keptName(img), data)
		defer dir.Close()
	}
	if err != nil {
		orDiscard(r.Log).Warn(fmt.Sprintf("cannot cache the inventory of %s: %v", img.Name, err))
		return
	}
	entries, err := fs.Glob(dir.FS(), "*.json")
	if err != nil || len(entries) <= maxKept {
		return
	}
	slices.SortFunc(entries, func(a, b string) int { return modified(dir, b).Compare(modified(dir, a)) })
	for _, old := range entries[maxKept:] {
		_ = dir.Remove(old)
	}
}

// keeper opens the directory of cached inventories. It returns nil if there is none, and an error if the directory
// does not belong to this process's user: buildpacks could have written to it.
func (r *Reader) keeper(create bool) (*os.Root, error) {
	if r.Cache == "" {
		return nil, nil
	}
	base := filepath.Dir(r.Cache)
	if create {
		if err := os.MkdirAll(base, 0o755); err != nil {
			return nil, err
		}
	}
	dir, err := files.Within(base, filepath.Base(r.Cache), create)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat(".")
	if err == nil && !owned(info) {
		err = fmt.Errorf("%s belongs to another user", r.Cache)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// user returns the effective user ID of this process.
var user = os.Geteuid

// owned reports whether a file belongs to this process's user. A file of root also must not be writable for others:
// Kubernetes gives volumes to a group.
func owned(info fs.FileInfo) bool {
	uid, _, ok := files.Owner(info)
	return ok && uid == user() && (uid != 0 || info.Mode().Perm()&0o022 == 0)
}

func modified(dir *os.Root, name string) time.Time {
	info, err := dir.Lstat(name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
