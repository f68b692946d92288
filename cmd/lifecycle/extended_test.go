package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func extending(t *testing.T) *command {
	dir := t.TempDir()
	c := &command{log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	c.Inputs = platform.Inputs{KanikoDir: filepath.Join(dir, "kaniko"), Layers: filepath.Join(dir, "layers"), Extended: filepath.Join(dir, "layers/extended")}
	must(t, errors.Join(os.Mkdir(c.KanikoDir, 0o755), os.Mkdir(c.Layers, 0o755)))
	return c
}

func writeLayout(t *testing.T, dir string, img v1.Image) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	p, err := layout.Write(dir, empty.Index)
	must(t, err)
	must(t, p.AppendImage(img))
}

func digestString(t *testing.T, img v1.Image) string {
	t.Helper()
	digest, err := img.Digest()
	must(t, err)
	return digest.String()
}

// evil is an image whose commands load a library of a buildpack.
func evil(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	cfg, err := img.ConfigFile()
	must(t, err)
	cfg = cfg.DeepCopy()
	cfg.Config.Env = []string{"LD_PRELOAD=/workspace/evil.so"}
	img, err = mutate.ConfigFile(img, cfg)
	must(t, err)
	return img
}

// TestSavedBase has the extender open what lies where the restorer saves base images, and the build user can write.
func TestSavedBase(t *testing.T) {
	img := lifecycletest.Debian()
	digest := digestString(t, img)
	for name, tt := range map[string]struct {
		make func(t *testing.T, dir string)
		want string // of the error; empty: it is the image
	}{
		"as saved": {func(t *testing.T, dir string) { writeLayout(t, dir, img) }, ""},
		"beside another": {func(t *testing.T, dir string) {
			writeLayout(t, dir, evil(t, img))
			p, err := layout.FromPath(dir)
			must(t, err)
			must(t, p.AppendImage(img))
		}, ""},
		"a link to one": {func(t *testing.T, dir string) {
			elsewhere := t.TempDir()
			writeLayout(t, elsewhere, img)
			must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
			must(t, os.Symlink(elsewhere, dir))
		}, ""},
		"another": {func(t *testing.T, dir string) { writeLayout(t, dir, evil(t, img)) }, "is not the base image"},
		"missing": {func(*testing.T, string) {}, "run the restorer first"},
		"empty":   {func(t *testing.T, dir string) { must(t, os.MkdirAll(dir, 0o755)) }, "run the restorer first"},
		"a file": {func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
			must(t, os.WriteFile(dir, nil, 0o644))
		}, "is not the base image"},
		"a pipe": {func(t *testing.T, dir string) {
			writeLayout(t, dir, img)
			must(t, os.Remove(filepath.Join(dir, "index.json")))
			must(t, syscall.Mkfifo(filepath.Join(dir, "index.json"), 0o666))
		}, "is not the base image"},
		"a device": {func(t *testing.T, dir string) {
			writeLayout(t, dir, img)
			must(t, os.Remove(filepath.Join(dir, "index.json")))
			if os.Getuid() != 0 {
				t.Skip("to make a device takes root")
			}
			must(t, syscall.Mknod(filepath.Join(dir, "index.json"), syscall.S_IFCHR|0o666, 1<<8|5)) // zero
		}, "is not the base image"},
	} {
		t.Run(name, func(t *testing.T) {
			c := extending(t)
			dir := filepath.Join(c.KanikoDir, "cache/base", digest)
			tt.make(t, dir)
			base, err := c.savedBase(t.Context(), "registry.example/run@"+digest)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
					t.Errorf("got %v", err)
				}
				return
			}
			must(t, err)
			defer base.Close()
			if base.Digest.String() != digest || len(base.Config.Config.Env) > 0 && strings.HasPrefix(base.Config.Config.Env[0], "LD_PRELOAD") {
				t.Errorf("opened %s, %v", base.Digest, base.Config.Config.Env)
			}
		})
	}
	c := extending(t)
	for _, reference := range []string{"run", "", "x@" + strings.Repeat("../", 30)} {
		if _, err := c.savedBase(t.Context(), reference); err == nil {
			t.Errorf("%q was opened", reference)
		}
	}
}

// TestExtendedImageOfAnotherIsRejected has a buildpack put an extended image of its own in place of the extender's.
func TestExtendedImageOfAnotherIsRejected(t *testing.T) {
	run := lifecycletest.Debian()
	base := digestString(t, run)
	made := lifecycletest.With(run, lifecycletest.Layer{"made": "1"})
	root := os.Getuid() == 0
	for name, tt := range map[string]struct {
		change func(t *testing.T, c *command, dir string)
		want   string // of the error; empty: it is taken
		root   bool   // takes root
	}{
		"as made":                 {func(*testing.T, *command, string) {}, "", false},
		"another":                 {func(t *testing.T, _ *command, dir string) { writeLayout(t, dir, evil(t, made)) }, "the extender created", false},
		"another, without record": {func(t *testing.T, c *command, dir string) { forget(t, c); giveToBuildUser(t, dir) }, "owned by user", true},
		"given away, with record": {func(t *testing.T, _ *command, dir string) { giveToBuildUser(t, dir) }, "", true},
		"made without record":     {func(t *testing.T, c *command, _ string) { forget(t, c) }, "", false},
		"writable for others": {func(t *testing.T, c *command, dir string) {
			forget(t, c)
			must(t, os.Chmod(filepath.Join(dir, "index.json"), 0o666))
		}, "writable by other users", false},
		"with a link": {func(t *testing.T, c *command, dir string) {
			forget(t, c)
			must(t, os.Symlink("index.json", filepath.Join(dir, "link")))
		}, "neither a file nor a directory", false},
		"a link to one": {func(t *testing.T, c *command, dir string) {
			forget(t, c)
			must(t, os.Rename(dir, dir+"-2"))
			must(t, os.Symlink(dir+"-2", dir))
		}, "neither a file nor a directory", false},
		"a foreign record": {func(t *testing.T, c *command, dir string) {
			writeLayout(t, dir, evil(t, made))
			giveToBuildUser(t, dir)
			giveToBuildUser(t, filepath.Join(c.KanikoDir, "cache"))
		}, "owned by user", true},
		"a record that is a link": {func(t *testing.T, c *command, dir string) {
			giveToBuildUser(t, dir)
			name := c.extendedRecord(base)
			must(t, os.Rename(name, name+"2"))
			must(t, os.Symlink(name+"2", name))
		}, "owned by user", true},
		"a record that is a pipe": {func(t *testing.T, c *command, dir string) {
			giveToBuildUser(t, dir)
			must(t, os.Remove(c.extendedRecord(base)))
			must(t, syscall.Mkfifo(c.extendedRecord(base), 0o644))
		}, "owned by user", true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.root && !root {
				t.Skip("changing the owner needs root")
			}
			old := syscall.Umask(0)
			defer syscall.Umask(old)
			c := extending(t)
			dir := filepath.Join(c.Extended, "run", base)
			must(t, saveExtended(t.Context(), dir, made, nil))
			must(t, c.recordExtended(base, made))
			must(t, c.recordExtended(base, made)) // by a later build
			tt.change(t, c, dir)
			img, err := (&image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}).Open(t.Context(), reference.Parse("oci:"+dir))
			if err == nil {
				defer img.Close()
				err = c.checkExtended(dir, base, img)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestExtendedRecordFollowsNoLinks has a link where the extender keeps its records: nothing is written there.
func TestExtendedRecordFollowsNoLinks(t *testing.T) {
	img := lifecycletest.Debian()
	elsewhere := t.TempDir()
	must(t, os.Chmod(elsewhere, 0o777))
	c := extending(t)
	dir := filepath.Dir(c.extendedRecord(digestString(t, img)))
	must(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	must(t, os.Symlink(elsewhere, dir))
	must(t, c.recordExtended(digestString(t, img), img))
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("written elsewhere: %v, %v", left, err)
	}
	if name := c.extendedRecord(digestString(t, img)); strings.Contains(filepath.Base(name), ":") {
		t.Errorf("%s is no name everywhere", name)
	}
	c.KanikoDir = ""
	must(t, c.recordExtended(digestString(t, img), img))
}

// TestExtendedImageFollowsNoLinks has a link where the extender writes the extended image.
func TestExtendedImageFollowsNoLinks(t *testing.T) {
	for _, link := range []string{"", "run"} {
		c := extending(t)
		elsewhere := t.TempDir()
		at := filepath.Join(c.Extended, link)
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		must(t, os.Symlink(elsewhere, at))
		if dir, err := c.extendedDir(); !errors.Is(err, files.ErrNotDirectory) {
			t.Errorf("a link at %s: got %s, %v", at, dir, err)
		}
		if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
			t.Errorf("a link at %s: written elsewhere: %v, %v", at, left, err)
		}
		must(t, os.Remove(at))
		if dir, err := c.extendedDir(); err != nil || !exists(dir) {
			t.Errorf("no link: %s, %v", dir, err)
		}
	}
	c := extending(t)
	c.Extended = filepath.Join(t.TempDir(), "elsewhere")
	if dir, err := c.extendedDir(); err != nil || dir != filepath.Join(c.Extended, "run") || !exists(dir) {
		t.Errorf("outside of <layers>: %s, %v", dir, err)
	}
}

func forget(t *testing.T, c *command) {
	t.Helper()
	must(t, os.RemoveAll(filepath.Join(c.KanikoDir, "cache")))
}

// giveToBuildUser gives a directory and its content to the build image's user.
func giveToBuildUser(t *testing.T, dir string) {
	t.Helper()
	must(t, chownTree(dir, 1000, 1000))
}

// TestSpoolHasARandomName has a buildpack put a link where the extender once kept its layers.
func TestSpoolHasARandomName(t *testing.T) {
	c := extending(t)
	elsewhere := t.TempDir()
	must(t, os.Symlink(elsewhere, filepath.Join(c.Layers, ".extending-run")))
	first, second := &lifecycle.Extender{Kind: extensions.Run}, &lifecycle.Extender{Kind: extensions.Run}
	must(t, errors.Join(c.makeSpool(first), c.makeSpool(second)))
	if first.Spool == second.Spool || filepath.Dir(first.Spool) != c.Layers {
		t.Errorf("got %s and %s", first.Spool, second.Spool)
	}
	for _, e := range []*lifecycle.Extender{first, second} {
		info, err := os.Lstat(e.Spool)
		must(t, err)
		if !info.IsDir() || info.Mode().Perm() != 0o700 {
			t.Errorf("%s is %s", e.Spool, info.Mode())
		}
	}
	given := &lifecycle.Extender{Spool: filepath.Join(t.TempDir(), "given")}
	must(t, c.makeSpool(given))
	if !exists(given.Spool) {
		t.Error("the directory that was given was not made")
	}
}

// TestKeptOwnersStay changes the owner of <layers> and of a cache that is also the kaniko directory: the extender's own
// files keep their owner.
func TestKeptOwnersStay(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("changing the owner needs root")
	}
	c := extending(t)
	c.CacheDir, c.UID, c.GID = c.KanikoDir, 1000, 1000
	mine := []string{filepath.Join(c.Extended, "run/sha256:x/index.json"), filepath.Join(c.CacheDir, "cache/baseplan-2/entry"), filepath.Join(c.CacheDir, "cache/baseplan-extended/x")}
	given := []string{filepath.Join(c.Layers, "group.toml"), filepath.Join(c.CacheDir, "committed/x"), filepath.Join(c.CacheDir, "cache/base/sha256:x/index.json")}
	for _, name := range append(given, mine...) {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, nil, 0o644))
	}
	must(t, errors.Join(c.chown(c.Layers), c.chown(c.CacheDir), c.chown(c.kanikoCache("base"))))
	for _, name := range mine {
		if owner(t, name) != 0 || owner(t, filepath.Dir(name)) != 0 {
			t.Errorf("the owner of %s was changed", name)
		}
	}
	for _, name := range given {
		if owner(t, name) != 1000 {
			t.Errorf("the owner of %s was not changed", name)
		}
	}
}

func owner(t *testing.T, name string) uint32 {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Lstat(name, &st))
	return st.Uid
}

// TestExtendedWithoutDockerfiles exports with an extended image whose Dockerfiles the exporter does not find.
func TestExtendedWithoutDockerfiles(t *testing.T) {
	run := lifecycletest.Debian()
	base := digestString(t, run)
	c := extending(t)
	c.Generated = filepath.Join(c.Layers, "generated")
	analyzed := &platform.Analyzed{RunImage: &platform.RunImage{Reference: "registry.example/run@" + base, Extend: true}}
	opener := &image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}
	if img, err := c.extendedImage(t.Context(), opener, analyzed, platform.Group{}); img != nil || err != nil {
		t.Errorf("nothing was extended: got %v, %v", img, err)
	}
	made := lifecycletest.With(run, lifecycletest.Layer{"made": "1"})
	must(t, saveExtended(t.Context(), filepath.Join(c.Extended, "run", base), made, nil))
	must(t, c.recordExtended(base, made))
	img, err := c.extendedImage(t.Context(), opener, analyzed, platform.Group{})
	must(t, err)
	if img == nil || img.Digest.String() != digestString(t, made) {
		t.Fatalf("got %v, want the extended image", img)
	}
	must(t, img.Close())
	analyzed.RunImage.Extend = false
	if img, err := c.extendedImage(t.Context(), opener, analyzed, platform.Group{}); img != nil || err != nil {
		t.Errorf("extend is false: got %v, %v", img, err)
	}
}
