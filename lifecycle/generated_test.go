package lifecycle_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// TestSpecialFilesInTheOutputOfGenerate has a buildpack put into <generated> what is no file: the extender, which is root, neither
// waits for it nor reads what is elsewhere.
func TestSpecialFilesInTheOutputOfGenerate(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, "ARG base_image\nFROM ${base_image}\nUSER 1\n")
	group := platform.Group{Extensions: []platform.Module{{ID: "acme/x", Version: "1"}}}
	for name, put := range map[string]func(file string) error{
		"a pipe":       func(f string) error { return syscall.Mkfifo(f, 0o666) },
		"a link out":   func(f string) error { return os.Symlink(outside, f) },
		"a device":     func(f string) error { return os.Symlink("/dev/zero", f) },
		"a directory":  func(f string) error { return os.Mkdir(f, 0o755) },
		"endless":      func(f string) error { write(t, f, ""); return os.Truncate(f, 1<<40) },
		"a Dockerfile": func(f string) error { return os.Rename(outside, f) },
	} {
		for _, file := range []string{"run.Dockerfile", "extend-config.toml"} {
			generated := filepath.Join(t.TempDir(), "generated")
			if file == "extend-config.toml" {
				write(t, filepath.Join(generated, "acme_x/run.Dockerfile"), "ARG base_image\nFROM ${base_image}\nUSER 1\n")
			}
			check(t, os.MkdirAll(filepath.Join(generated, "acme_x"), 0o755))
			if name == "a Dockerfile" {
				if file == "extend-config.toml" {
					continue
				}
			}
			check(t, put(filepath.Join(generated, "acme_x", file)))
			left, err := lifecycle.Left(generated, group, extensions.Run)
			if name == "a Dockerfile" {
				if err != nil || len(left) != 1 {
					t.Errorf("got %v, %v", left, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%s is %s: got %v, %v", file, name, left, err)
			}
		}
	}
	if left, err := lifecycle.Left(filepath.Join(t.TempDir(), "missing/generated"), group, extensions.Run); err != nil || len(left) > 0 {
		t.Errorf("nothing is there: got %v, %v", left, err)
	}
}
