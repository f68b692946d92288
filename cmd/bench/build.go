//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

const megabyte = 1 << 20

// A build is what the phases before the exporter leave, with a registry for its images.
type build struct {
	bench    *bench
	dir      string
	registry *host
	runImage string
	image    string
}

// newBuild makes layers, half of them words and half incompressible, in files of 1 MB, and an app
// of some hundred bytes a file.
func (b *bench) newBuild(name string, size sizes) (*build, error) {
	w := &build{bench: b, dir: filepath.Join(b.dir, name)}
	if err := w.serve(); err != nil {
		return nil, err
	}
	files := map[string]string{
		"layers/group.toml":           "[[group]]\nid = \"acme/ruby\"\nversion = \"1.2.3\"\napi = \"0.10\"\n",
		"layers/config/metadata.toml": "buildpack-default-process-type = \"web\"\n[[buildpacks]]\nid = \"acme/ruby\"\nversion = \"1.2.3\"\napi = \"0.10\"\n[[processes]]\ntype = \"web\"\ncommand = [\"ruby\"]\nbuildpack-id = \"acme/ruby\"\n",
	}
	for n := range size.layers {
		files[fmt.Sprintf("layers/acme_ruby/l%d.toml", n)] = "[types]\nlaunch = true\ncache = true\n"
	}
	for file, content := range files {
		if err := w.write(file, content); err != nil {
			return nil, err
		}
	}
	text, noise := lifecycletest.Prose(1, 4*megabyte), make([]byte, 4*megabyte)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	for n, size := range size.layers {
		for m := range size {
			from := text
			if m%2 == 0 {
				from = noise
			}
			if err := w.write(fmt.Sprintf("layers/acme_ruby/l%d/%d", n, m), slice(from, n*1009+m*7919, megabyte)); err != nil {
				return nil, err
			}
		}
	}
	for n := range size.files {
		if err := w.write(fmt.Sprintf("app/%d/%d.txt", n/50, n), slice(text, n*997, 100+n%900)); err != nil {
			return nil, err
		}
	}
	return w, w.give("layers")
}

// user is who the phases become: root gives its files to another user.
func user() (uid, gid int) {
	if os.Getuid() == 0 {
		return 1000, 1000
	}
	return os.Getuid(), os.Getgid()
}

// give gives a directory with its content to the user.
func (w *build) give(name string) error {
	uid, gid := user()
	return filepath.WalkDir(w.path(name), func(file string, _ fs.DirEntry, err error) error {
		return cmp.Or(err, os.Lchown(file, uid, gid))
	})
}

func (w *build) path(name string) string { return filepath.Join(w.dir, name) }

func (w *build) write(name, content string) error {
	file := w.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

// slice is a part of the content, taken to be a ring.
func slice(content []byte, start, size int) string {
	start %= len(content)
	end := min(start+size, len(content))
	return string(content[start:end]) + string(content[:size-(end-start)])
}

// phase returns the command of a phase with the paths of the build.
func (w *build) phase(name string, args ...string) command {
	uid, gid := user()
	return command{
		argv: slices.Concat([]string{filepath.Join(w.bench.bin, "lifecycle"), name}, args),
		env: []string{
			"CNB_PLATFORM_API=0.14", fmt.Sprint("CNB_USER_ID=", uid), fmt.Sprint("CNB_GROUP_ID=", gid), "CNB_LAYERS_DIR=" + w.path("layers"), "CNB_APP_DIR=" + w.path("app"),
		},
	}
}

func (w *build) analyze() (run, error) {
	return w.bench.run(w.phase("analyzer", "-run-image", w.runImage, w.image))
}

func (w *build) export() (run, error) { return w.exportTo("") }

// exportTo exports, with a cache in a directory; empty: none.
func (w *build) exportTo(cache string) (run, error) {
	return w.bench.run(w.phase("exporter", "-cache-dir", cache, "-launcher", filepath.Join(w.bench.bin, "launcher"), w.image))
}

// serve starts an empty registry, in place of the last one, and adds the run image.
func (w *build) serve() error {
	if w.registry != nil {
		w.registry.Close()
	}
	if err := errors.Join(os.RemoveAll(w.path("blobs")), os.MkdirAll(w.path("blobs"), 0o755)); err != nil {
		return err
	}
	w.registry = newHost(w.path("blobs"))
	w.runImage = (&lifecycletest.Host{Name: w.registry.name}).Push("run:1", lifecycletest.RunImages()["run:base"])
	w.image = w.registry.name + "/app:1"
	return nil
}

func (w *build) close() error {
	w.registry.Close()
	return os.RemoveAll(w.dir)
}
