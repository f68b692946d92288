package lifecycle_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// preloading is the image with a configuration that has whoever runs it load a library first.
func preloading(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	cfg, err := img.ConfigFile()
	check(t, err)
	cfg = cfg.DeepCopy()
	cfg.Config.Env = append(cfg.Config.Env, "LD_PRELOAD=/workspace/evil.so")
	img, err = mutate.ConfigFile(img, cfg)
	check(t, err)
	return img
}

func blobsOf(t *testing.T, img v1.Image) (manifest, config, layer string) {
	t.Helper()
	digest, err := img.Digest()
	check(t, err)
	m, err := img.Manifest()
	check(t, err)
	return digest.Hex, m.Config.Digest.Hex, m.Layers[0].Digest.Hex
}

// TestForgedBases has a buildpack of an earlier build write where the restorer saves base images: the extender, which
// is root, would run commands with what it put there. What is not the image is refused, and saved anew.
func TestForgedBases(t *testing.T) {
	run := lifecycletest.Labelled(withUser(t, lifecycletest.Debian()), bookworm)
	manifest, config, layer := blobsOf(t, run)
	for name, forge := range map[string]func(t *testing.T, dir string) error{
		"another image in index.json": func(t *testing.T, dir string) error {
			check(t, os.RemoveAll(dir))
			p, err := layout.Write(dir, empty.Index)
			check(t, err)
			return p.AppendImage(preloading(t, run))
		},
		"another configuration": func(t *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "blobs/sha256", config), []byte(`{"config":{"Env":["LD_PRELOAD=/x"]}}`), 0o644)
		},
		"another manifest": func(t *testing.T, dir string) error {
			other := preloading(t, run)
			raw, err := other.RawManifest()
			check(t, err)
			cfg, err := other.RawConfigFile()
			check(t, err)
			_, name, _ := blobsOf(t, other)
			check(t, os.WriteFile(filepath.Join(dir, "blobs/sha256", name), cfg, 0o644))
			return os.WriteFile(filepath.Join(dir, "blobs/sha256", manifest), raw, 0o644)
		},
		"a layer of the same length": func(t *testing.T, dir string) error {
			file := filepath.Join(dir, "blobs/sha256", layer)
			data, err := os.ReadFile(file)
			check(t, err)
			data[len(data)-1] ^= 1
			return os.WriteFile(file, data, 0o644)
		},
		"a layer that is a link": func(t *testing.T, dir string) error {
			file := filepath.Join(dir, "blobs/sha256", layer)
			check(t, os.Rename(file, filepath.Join(dir, "moved")))
			return os.Symlink("/etc/passwd", file)
		},
		"a layer that is a pipe": func(t *testing.T, dir string) error { return pipe(t, filepath.Join(dir, "blobs/sha256", layer)) },
		"a manifest that is a pipe": func(t *testing.T, dir string) error {
			return pipe(t, filepath.Join(dir, "blobs/sha256", manifest))
		},
		"an index that is a pipe": func(t *testing.T, dir string) error { return pipe(t, filepath.Join(dir, "index.json")) },
		"a layer that is a directory": func(t *testing.T, dir string) error {
			check(t, os.Remove(filepath.Join(dir, "blobs/sha256", layer)))
			return os.MkdirAll(filepath.Join(dir, "blobs/sha256", layer, "x"), 0o755)
		},
		"a folder that is a link": func(t *testing.T, dir string) error {
			check(t, os.RemoveAll(dir))
			return os.Symlink(t.TempDir(), dir)
		},
		"blobs that are a link": func(t *testing.T, dir string) error {
			check(t, os.RemoveAll(filepath.Join(dir, "blobs")))
			return os.Symlink(t.TempDir(), filepath.Join(dir, "blobs"))
		},
		"all that is above is a link": func(t *testing.T, dir string) error {
			check(t, os.RemoveAll(filepath.Dir(dir)))
			return os.Symlink(t.TempDir(), filepath.Dir(dir))
		},
		"an empty folder": func(t *testing.T, dir string) error {
			check(t, os.RemoveAll(dir))
			return os.Mkdir(dir, 0o755)
		},
		"no index": func(_ *testing.T, dir string) error { return os.Remove(filepath.Join(dir, "index.json")) },
		"empty blobs": func(_ *testing.T, dir string) error {
			return os.Truncate(filepath.Join(dir, "blobs/sha256", config), 0)
		},
		"an invalid index": func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{}`), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDetectedBuild(t)
			d.host.Push("run:1", run)
			d.detect(d.door.name+"/run:1", d.user(needsCurl), extension("acme/curl", "curl", installCurl))
			out := d.restore()
			_, digest, _ := strings.Cut(out.Analyzed.RunImage.Reference, "@")
			dir := filepath.Join(d.bases.Kaniko, "cache/base", digest)
			check(t, forge(t, dir))
			if img, err := lifecycle.OpenSavedBase(t.Context(), dir, digest); err == nil {
				for _, e := range img.Config.Config.Env {
					if strings.HasPrefix(e, "LD_PRELOAD") {
						t.Error("the configuration is the forged one")
					}
				}
				check(t, img.Close())
			}
			d.restore()
			img, err := lifecycle.OpenSavedBase(t.Context(), dir, digest)
			check(t, err)
			defer img.Close()
			check(t, validate.Image(img.Image))
			check(t, filepath.WalkDir(filepath.Dir(dir), func(name string, e fs.DirEntry, err error) error {
				if err == nil && !e.IsDir() && !e.Type().IsRegular() {
					t.Errorf("%s is still there (%s)", name, e.Type())
				}
				return err
			}))
		})
	}
}

func pipe(t *testing.T, name string) error {
	t.Helper()
	check(t, os.Remove(name))
	return syscall.Mkfifo(name, 0o666)
}

// TestSavedBaseNamesADigest: what is no digest is no part of the directory's name.
func TestSavedBaseNamesADigest(t *testing.T) {
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	check(t, err)
	check(t, p.AppendImage(lifecycletest.Debian()))
	for _, digest := range []string{"", "latest", "../x", "sha256:../../x", "sha256:abc"} {
		if _, err := lifecycle.OpenSavedBase(t.Context(), dir, digest); err == nil {
			t.Errorf("%q was opened", digest)
		}
	}
}
