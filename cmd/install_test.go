package cmd_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gomodule "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestInstall runs "go install MODULE/cmd/baseplan@VERSION" with a module proxy of files that serves the files of
// this working tree and the dependencies in the module cache.
func TestInstall(t *testing.T) {
	installed := gomodule.Version{Path: strings.TrimSuffix(module, "/"), Version: "v0.0.1"}
	run(t, "..", nil, "go", "list", "-m", "all") // so that the module cache has every go.mod of the graph
	cache := strings.TrimSpace(run(t, "..", nil, "go", "env", "GOMODCACHE"))
	proxy, bin := t.TempDir(), t.TempDir()
	serve(t, proxy, installed)
	env := []string{
		"GOPROXY=file://" + filepath.ToSlash(proxy) + ",file://" + filepath.ToSlash(filepath.Join(cache, "cache", "download")),
		"GOMODCACHE=" + borrow(t, cache, installed.Path),
		"GOBIN=" + bin, "GOSUMDB=off", "GOWORK=off", "CGO_ENABLED=0",
		"GOFLAGS=-mod=mod -trimpath -modcacherw", // with -trimpath, what "make build" compiled serves here as well
	}
	run(t, t.TempDir(), env, "go", "install", installed.Path+"/cmd/baseplan@"+installed.Version)
	if out := run(t, t.TempDir(), nil, filepath.Join(bin, "baseplan"), "version"); out != "0.0.1\n" {
		t.Errorf("the installed baseplan calls itself %q", out)
	}
}

// nestedModules are the folders of modules for tests alone, which are no part of this one.
var nestedModules = []string{"docs/platforms/internal/tekton/", "lifecycle/platformtest/testdata/buildpacks/"}

// serve writes the files of a module proxy for the working tree.
func serve(t *testing.T, proxy string, v gomodule.Version) {
	t.Helper()
	var tree []zip.File
	for name := range strings.SplitSeq(strings.TrimSuffix(run(t, "..", nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join("..", name)); !errors.Is(err, fs.ErrNotExist) { // removed, and not committed yet
			tree = append(tree, treeFile(name))
		}
	}
	checked, err := zip.CheckFiles(tree)
	if err := errors.Join(err, checked.Err()); err != nil {
		t.Fatal(err)
	}
	nested := func(f zip.FileError) bool {
		return slices.ContainsFunc(nestedModules, func(dir string) bool { return strings.HasPrefix(f.Path, dir) })
	}
	if i := slices.IndexFunc(checked.Omitted, func(f zip.FileError) bool { return !nested(f) }); i >= 0 {
		t.Errorf("the module has no %s: %v", checked.Omitted[i].Path, checked.Omitted[i].Err)
	}
	var content bytes.Buffer
	if err := zip.Create(&content, v, tree); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(proxy, filepath.FromSlash(v.Path), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"list":              []byte(v.Version + "\n"),
		v.Version + ".info": []byte(`{"Version":"` + v.Version + `","Time":"2026-01-01T00:00:00Z"}`),
		v.Version + ".mod":  []byte(read(t, "../go.mod")),
		v.Version + ".zip":  content.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A treeFile is a file of the working tree, by its path in the module.
type treeFile string

func (f treeFile) Path() string                 { return string(f) }
func (f treeFile) Lstat() (os.FileInfo, error)  { return os.Lstat(filepath.Join("..", string(f))) }
func (f treeFile) Open() (io.ReadCloser, error) { return os.Open(filepath.Join("..", string(f))) }

// borrow makes a module cache of links to the modules in another, in which one module can be installed without leaving anything in the other.
func borrow(t *testing.T, cache, path string) string {
	t.Helper()
	borrowed := t.TempDir()
	host, _, _ := strings.Cut(path, "/")
	for _, dir := range []string{"", host, "cache/download", "cache/download/" + host} {
		entries, err := os.ReadDir(filepath.Join(cache, dir))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(borrowed, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := filepath.ToSlash(filepath.Join(dir, e.Name()))
			if name == "cache" || strings.HasSuffix(name, host) || strings.HasSuffix(name, filepath.Dir(path)) {
				continue
			}
			if err := os.Symlink(filepath.Join(cache, name), filepath.Join(borrowed, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return borrowed
}

// run runs a command and returns what it wrote to stdout.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
