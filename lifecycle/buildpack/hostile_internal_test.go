package buildpack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/resolver"
)

// TestPlanMustBeARegularFile: what bin/detect puts in the place of its build plan is not followed, nor waited for.
func TestPlanMustBeARegularFile(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		exit   int
	}{
		"a plan":                 {`echo '[[provides]]' >"$2"; echo 'name = "a"' >>"$2"`, 0},
		"a plan that is renamed": {`echo '[[provides]]' >"$2.new"; echo 'name = "a"' >>"$2.new"; mv "$2.new" "$2"`, 0},
		"none":                   {`rm "$2"`, 0},
		"a link":                 {`printf '[[provides]]\nname = "a"\n' >"$2.new"; rm "$2"; ln -s "$2.new" "$2"`, -1},
		"a link to a device":     {`ln -sf /dev/zero "$2"`, -1},
		"a pipe":                 {`rm "$2"; mkfifo "$2"`, -1},
		"a directory":            {`rm "$2"; mkdir "$2"`, -1},
		"a linked directory":     {`d=$(dirname "$2"); mv "$d" "$d.moved"; ln -s "$d.moved" "$d"`, -1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			d := &Descriptor{Kind: resolver.Buildpack, ID: "acme/a", Version: "1", Dir: filepath.Join(dir, "bp")}
			check(t, os.MkdirAll(filepath.Join(d.Dir, "bin"), 0o755))
			check(t, os.WriteFile(filepath.Join(d.Dir, "bin/detect"), []byte("#!/bin/sh\nset -e\n"+tt.script+"\n"), 0o755))
			got, err := d.Detect(t.Context(), Host{App: dir, Platform: dir, Environ: os.Environ()})
			check(t, err)
			if got.Exit != tt.exit || (tt.exit == 0) != (got.Err == nil) {
				t.Errorf("exit %d, %v: %s", got.Exit, got.Err, got.Output)
			}
		})
	}
}

// TestFileForBuildpackReplacesALink: the directory may be another's already, and a link in it.
func TestFileForBuildpackReplacesALink(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	check(t, os.WriteFile(secret, []byte("secret"), 0o600))
	for name, odd := range map[string]func(string) error{
		"a link":            func(f string) error { return os.Symlink(secret, f) },
		"a link to nothing": func(f string) error { return os.Symlink(filepath.Join(dir, "new"), f) },
		"a hard link":       func(f string) error { return os.Link(secret, f) },
		"a pipe":            func(f string) error { return syscall.Mkfifo(f, 0o644) },
	} {
		file := filepath.Join(dir, "plan.toml")
		check(t, odd(file))
		if err := (Host{}).give(file, []byte("plan")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
		check(t, os.Remove(file))
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		t.Error("a file was made where a link led")
	}
}

// TestPlatformOfAnotherUser: executables of a user get nothing of <platform> that a link leads elsewhere for.
func TestPlatformOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	platform := filepath.Join(dir, "platform")
	check(t, os.MkdirAll(filepath.Join(platform, "env/..data"), 0o755))
	check(t, os.WriteFile(filepath.Join(platform, "env/..data/A"), []byte("good"), 0o644))
	check(t, os.Symlink("..data/A", filepath.Join(platform, "env/A"))) // as Kubernetes mounts it
	check(t, os.WriteFile(filepath.Join(dir, "B"), []byte("secret"), 0o600))
	d := &Descriptor{Kind: resolver.Buildpack, ID: "acme/a", Version: "1", Dir: dir}
	of := func(user *User) (string, error) {
		e, err := Host{Platform: platform, User: user}.environment(d, env.ForBuild(nil))
		if err != nil {
			return "", err
		}
		return strings.Join(e.List(), " "), nil
	}
	user := &User{UID: 1000, GID: 1000}
	if got, err := of(user); err != nil || !strings.HasPrefix(got, "A=good ") {
		t.Errorf("%q, %v", got, err)
	}
	check(t, os.Symlink("../../B", filepath.Join(platform, "env/B")))
	if got, err := of(user); err == nil || !strings.Contains(err.Error(), platform) {
		t.Errorf("a link that leads out: %q, %v", got, err)
	}
	if got, err := of(nil); err != nil || !strings.Contains(got, "B=secret") {
		t.Errorf("this process's own: %q, %v", got, err)
	}
	check(t, os.Remove(filepath.Join(platform, "env/B")))
	for _, u := range []*User{user, nil} {
		pipe := filepath.Join(platform, "env/P")
		check(t, syscall.Mkfifo(pipe, 0o644))
		if got, err := of(u); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("a pipe: %q, %v", got, err)
		}
		check(t, os.Remove(pipe))
		check(t, os.Symlink("/dev/zero", pipe))
		if got, err := of(u); err == nil {
			t.Errorf("a device: %q", got)
		}
		check(t, os.Remove(pipe))
	}
	check(t, os.RemoveAll(filepath.Join(platform, "env")))
	check(t, os.Symlink("..", filepath.Join(platform, "env")))
	if got, err := of(user); err == nil {
		t.Errorf("the directory leads out: %q", got)
	}
}

// TestFilesOfABuildpackMustBeRegular: a buildpack's own files are regular ones.
func TestFilesOfABuildpackMustBeRegular(t *testing.T) {
	for _, name := range []string{"launch.toml", "build.toml", "store.toml", "a.toml"} {
		for kind, odd := range map[string]func(f string) error{
			"a link": func(f string) error {
				return errors.Join(os.WriteFile(f+".txt", []byte("[metadata]\n"), 0o644), os.Symlink(filepath.Base(f)+".txt", f))
			},
			"a pipe":   func(f string) error { return syscall.Mkfifo(f, 0o644) },
			"a device": func(f string) error { return os.Symlink("/dev/zero", f) },
		} {
			layers := t.TempDir()
			dir, err := LayersOf(layers, "acme/a")
			check(t, err)
			check(t, os.Mkdir(dir.Path, 0o755))
			check(t, odd(filepath.Join(dir.Path, name)))
			d := &Descriptor{ID: "acme/a", Version: "1"}
			_, err = d.read(Host{}, nil, dir)
			if name == "store.toml" {
				_, err = dir.Store()
			}
			if err == nil || !strings.Contains(err.Error(), "not a regular file") || !strings.Contains(err.Error(), filepath.Join(dir.Path, name)) {
				t.Errorf("%s as %s: %v", kind, name, err)
			}
			if kind == "a link" { // nor is anything written or removed through the directory's own name
				check(t, os.Rename(dir.Path, filepath.Join(layers, "moved")))
				check(t, os.Symlink("moved", dir.Path))
				_, err := dir.Layers(nil)
				for _, err := range []error{err, dir.WriteMetadata("b", nil), dir.RemoveLayer("a")} {
					if err == nil || !strings.Contains(err.Error(), "not a directory") {
						t.Errorf("through a link: %v", err)
					}
				}
				check(t, dir.Remove())
				if _, err := os.Lstat(filepath.Join(layers, "moved", name)); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
