package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/baseplan/baseplan/extensions"
)

// Prune takes the Dockerfiles that need not be applied out of a detector's output, in the
// ways that platforms and extenders understand: a run.Dockerfile, and from Platform API 0.13
// a build.Dockerfile, gets the suffix ".ignore"; before, an entry of <generated>/build is what has the
// platform run an extender, so it goes to <generated>/build.ignore (COMPAT). A
// pure switch stays: it costs nothing, and says where the run image is from. root is the directory above
// <generated>, to which the paths of the Dockerfiles are relative. It can be called again, and gives the paths that it left out.
func Prune(root string, verdicts []extensions.Verdict) (out []string, err error) {
	for _, v := range verdicts {
		if v.Outcome.Left() || v.Outcome == extensions.Switch && v.Dockerfile.OnlySwitches() {
			continue
		}
		if err := setAside(filepath.Join(root, filepath.FromSlash(v.Dockerfile.Path)), v.Dockerfile.Image); err != nil {
			return out, fmt.Errorf("leaving out a Dockerfile of %s: %w", v.Dockerfile.Extension.ID, err)
		}
		out = append(out, v.Dockerfile.Path)
	}
	return out, nil
}

func setAside(file string, image extensions.Image) error {
	if image == extensions.Run || filepath.Base(file) != "Dockerfile" {
		return moved(os.Rename(file, file+".ignore"))
	}
	dir := filepath.Dir(file) // <generated>/build/<id>
	build := filepath.Dir(dir)
	aside := filepath.Join(build+".ignore", filepath.Base(dir))
	if err := errors.Join(os.MkdirAll(filepath.Dir(aside), 0o755), os.RemoveAll(aside)); err != nil {
		return err
	}
	if err := moved(os.Rename(dir, aside)); err != nil {
		return err
	}
	if err := os.Remove(build); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return nil
}

// moved forgives that a file was out of the way already.
func moved(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
