package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/files"
)

// Prune renames the Dockerfiles that need not be applied, so that platforms and extenders ignore them: a
// run.Dockerfile, and from Platform API 0.13 a build.Dockerfile, gets the suffix ".ignore". Before, a platform runs
// the extender if <generated>/build has any entry, so the entry is moved to <generated>/build.ignore
// (docs/compatibility.md). A pure switch stays: it costs nothing and records where the run image is from. root is the
// directory above <generated>, to which the paths of the Dockerfiles are relative. Prune returns the paths that it
// renamed; it can be called again.
func Prune(root string, verdicts []extensions.Verdict) (out []string, err error) {
	for _, v := range verdicts {
		if v.Outcome.Left() || v.Outcome == extensions.Switch && v.Dockerfile.OnlySwitches() {
			continue
		}
		if err := setAside(filepath.Join(root, filepath.FromSlash(v.Dockerfile.Path)), v.Dockerfile.Image); err != nil {
			return out, fmt.Errorf("skipping a Dockerfile of %s: %w", v.Dockerfile.Extension.ID, err)
		}
		out = append(out, v.Dockerfile.Path)
	}
	return out, nil
}

func setAside(file string, image extensions.ImageKind) error {
	if image == extensions.Run || filepath.Base(file) != "Dockerfile" {
		return ignoreNotExist(os.Rename(file, file+".ignore"))
	}
	dir := filepath.Dir(file) // <generated>/build/<id>
	build := filepath.Dir(dir)
	aside := filepath.Join(build+".ignore", filepath.Base(dir))
	if err := errors.Join(mkdirLike(filepath.Dir(aside), build), os.RemoveAll(aside)); err != nil {
		return err
	}
	if err := ignoreNotExist(os.Rename(dir, aside)); err != nil {
		return err
	}
	if err := os.Remove(build); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return nil
}

// mkdirLike creates a directory, if missing, with the owner, group and mode of another.
func mkdirLike(dir, other string) error {
	info, err := os.Stat(other)
	if err != nil {
		return ignoreNotExist(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	if uid, gid, ok := files.Owner(info); ok {
		_ = os.Chown(dir, uid, gid) // only root may
	}
	return os.Chmod(dir, info.Mode().Perm())
}

// ignoreNotExist ignores that a file does not exist.
func ignoreNotExist(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
