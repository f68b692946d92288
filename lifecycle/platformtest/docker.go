// Package platformtest implements two platforms in test code with docker: one runs each phase
// of a build in its own container, the other runs only the creator. They use the same users,
// mounts, arguments and environment as real platforms.
//
// Start with [Platform]. The package needs a docker daemon at DOCKER_HOST, mmdebstrap for
// [Debian], and containers in the host's network, since registries listen on loopback.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package platformtest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// A Docker runs the docker CLI.
type Docker struct {
	T testing.TB
}

// New returns docker at DOCKER_HOST; the test fails if that is not set.
func New(t testing.TB) Docker {
	t.Helper()
	if os.Getenv("DOCKER_HOST") == "" {
		t.Fatal("DOCKER_HOST is not set: start a docker daemon and set it to its socket (unix:///…); .ci/e2e does")
	}
	return Docker{t}
}

// Socket returns the daemon's socket on this machine.
func (d Docker) Socket() string { return strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://") }

// Try runs docker with arguments and returns both output streams and the exit code.
func (d Docker) Try(stdin io.Reader, args ...string) (string, int) {
	d.T.Helper()
	cmd := exec.Command("docker", args...) // no context: it also runs in the test's cleanup
	cmd.Stdin = stdin
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if os.Getenv("DOCKER_API_VERSION") == "" {
		cmd.Env = append(cmd.Env, "DOCKER_API_VERSION=1.41")
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		d.T.Fatalf("docker %q: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Do runs docker and returns its output. The test fails if docker does.
func (d Docker) Do(stdin io.Reader, args ...string) string {
	d.T.Helper()
	out, code := d.Try(stdin, args...)
	if code != 0 {
		d.T.Fatalf("docker %q: exit code %d\n%s", args, code, out)
	}
	return strings.TrimSpace(out)
}

// Files is the content of a directory by path. A path that ends in "*" is executable.
type Files map[string]string

// tar returns the files as a tar stream, owned by root.
func (f Files) tar() io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		path, executable := strings.CutSuffix(name, "*")
		h := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(f[name])), Typeflag: tar.TypeReg}
		if executable {
			h.Mode = 0o755
		}
		_ = w.WriteHeader(h) // a buffer returns no error
		_, _ = io.WriteString(w, f[name])
	}
	_ = w.Close()
	return &b
}

// Image builds an image from a Dockerfile and the files of its context. It removes the tag at
// the end of the test, but keeps another one so that the daemon caches the layers.
func (d Docker) Image(tag, dockerfile string, context Files) string {
	d.T.Helper()
	all := maps.Clone(context)
	if all == nil {
		all = Files{}
	}
	all["Dockerfile"] = dockerfile
	kept := fmt.Sprintf("baseplan-e2e/kept:%x", sha256.Sum256([]byte(dockerfile)))
	d.Do(all.tar(), "build", "-q", "--network", "host", "-t", tag, "-t", kept, "-")
	d.T.Cleanup(func() { d.Try(nil, "rmi", "-f", tag) })
	return tag
}

// Volume creates a volume with files, owned by root.
func (d Docker) Volume(files Files) string {
	d.T.Helper()
	name := d.Do(nil, "volume", "create")
	d.T.Cleanup(func() { d.Try(nil, "volume", "rm", "-f", name) })
	d.Put(name, files)
	return name
}

// path returns the path of a volume on this machine, where the daemon must run as well.
func (d Docker) path(volume string) string {
	d.T.Helper()
	return d.Do(nil, "volume", "inspect", "-f", "{{.Mountpoint}}", volume)
}

// Put writes files to a volume.
func (d Docker) Put(volume string, files Files) {
	d.T.Helper()
	root := d.path(volume)
	for name, content := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			d.T.Fatal(err)
		}
	}
}

// Get returns the content of a file in a volume, or "" if it does not exist.
func (d Docker) Get(volume, path string) string {
	d.T.Helper()
	data, err := os.ReadFile(filepath.Join(d.path(volume), path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.T.Fatal(err)
	}
	return string(data)
}

// Shell runs a script as root in a volume.
func (d Docker) Shell(volume, script string) {
	d.T.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = d.path(volume)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.T.Fatalf("%s: %v\n%s", script, err, out)
	}
}

const debianTag = "baseplan-e2e/debian:bookworm"

// Debian returns the tag of a minimal Debian image with ca-certificates in the daemon. It is
// created once.
func Debian(d Docker) string {
	d.T.Helper()
	defer lifecycletest.Exclusive(d.T, filepath.Join(lifecycletest.Cache(), "debian-image"))()
	if _, code := d.Try(nil, "image", "inspect", debianTag); code == 0 {
		return debianTag
	}
	d.Do(nil, "import", "-c", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", lifecycletest.Rootfs(d.T, lifecycletest.Minimal), debianTag)
	return debianTag
}
