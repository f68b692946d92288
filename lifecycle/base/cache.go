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

// maxKept is how many generated inventories are kept.
const maxKept = 5

func keptName(img *image.Image) string { return img.Digest.Algorithm + "-" + img.Digest.Hex + ".json" }

// kept is the inventory of an earlier time; nil if there is none that can be read.
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
		orDiscard(r.Log).Warn(fmt.Sprintf("a kept inventory is passed over: %v", err))
		return nil
	}
	if !doc.Knows(sbom.Presence) {
		return nil // of a version that did not look whether files are there
	}
	now := time.Now()
	_ = dir.Chtimes(keptName(img), now, now) // only the order of going matters
	return doc
}

// keep keeps an inventory, and drops the oldest. That it cannot be kept is no error.
func (r *Reader) keep(img *image.Image, data []byte) {
	dir, err := r.keeper(true)
	if err == nil && dir == nil {
		return
	}
	if err == nil {
		_ = dir.Remove(keptName(img)) // of somebody else's: it would keep its owner
		err = files.WriteIn(dir, keptName(img), data)
		defer dir.Close()
	}
	if err != nil {
		orDiscard(r.Log).Warn(fmt.Sprintf("the inventory of %s is not kept: %v", img.Name, err))
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

// keeper opens the directory of kept inventories; nil if there is none. It has to be this process's user's: what
// buildpacks could have written is no inventory.
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
		err = fmt.Errorf("%s belongs to somebody else", r.Cache)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// user is who this process is.
var user = os.Geteuid

// owned reports whether a file is this process's user's. Root's, nobody else may be able to write: Kubernetes
// gives volumes to a group.
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
