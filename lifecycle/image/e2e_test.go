//go:build e2e

package image_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// These tests need a docker daemon, at DOCKER_HOST.
func daemon(t *testing.T) {
	t.Helper()
	if os.Getenv("DOCKER_HOST") == "" {
		t.Fatal("DOCKER_HOST is not set: start a docker daemon and set it to its socket (unix:///…)")
	}
}

func docker(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

const tag = "baseplan-e2e:image"

func TestDaemonImage(t *testing.T) {
	daemon(t)
	id := docker(t, string(lifecycletest.Layer{"dir/file": "content", "link": "-> dir/file", "folder": "-> dir"}.Bytes()),
		"import", "-c", `LABEL a=b`, "-c", `ENV X=y`, "-c", "USER 1000:1000", "-", tag)
	defer docker(t, "", "rmi", "-f", tag)
	img, err := (&image.Opener{}).Open(t.Context(), reference.Parse("docker://"+tag))
	if err != nil {
		t.Fatal(err)
	}
	if img.Digest.String() != id {
		t.Errorf("digest %s, want the image ID %s", img.Digest, id)
	}
	if img.Image != nil {
		t.Error("the image was saved")
	}
	if diff := cmp.Diff(map[string]string{"a": "b"}, img.Config.Config.Labels); diff != "" {
		t.Error(diff)
	}
	if img.Config.Config.User != "1000:1000" || len(img.Config.Config.Env) != 1 || img.Config.OS != "linux" || len(img.Config.RootFS.DiffIDs) != 1 {
		t.Errorf("configuration %+v", img.Config)
	}
	for path, exists := range map[string]bool{"/dir/file": true, "/link": true, "/folder/file": true, "/folder": true, "/none": false, "/none/at/all": false} {
		stream, err := img.Files.Archive(t.Context(), path)
		if exists != (err == nil) || !exists && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err != nil {
			continue
		}
		content, err := io.ReadAll(stream)
		if err := errors.Join(err, stream.Close()); err != nil || !strings.Contains(string(content), "content") {
			t.Errorf("%s: %d bytes, %v", path, len(content), err)
		}
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if left := docker(t, "", "ps", "-aq", "--filter", "ancestor="+tag); left != "" {
		t.Errorf("containers left behind: %s", left)
	}
}

func TestDaemonCleansUpAfterCancel(t *testing.T) {
	daemon(t)
	docker(t, string(lifecycletest.Layer{"file": "content"}.Bytes()), "import", "-", tag)
	defer docker(t, "", "rmi", "-f", tag)
	ctx, cancel := context.WithCancel(t.Context())
	img, err := (&image.Opener{}).Open(ctx, reference.Parse("docker://"+tag))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := img.Files.Archive(ctx, "/file")
	if err != nil {
		t.Fatal(err)
	}
	stream.Close()
	if docker(t, "", "ps", "-aq", "--filter", "ancestor="+tag) == "" {
		t.Error("no container: the check below would prove nothing")
	}
	cancel()
	if _, err := img.Files.Archive(ctx, "/file"); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if left := docker(t, "", "ps", "-aq", "--filter", "ancestor="+tag); left != "" {
		t.Errorf("containers left behind: %s", left)
	}
}

func TestDaemonHasNoSuchImage(t *testing.T) {
	daemon(t)
	if _, err := (&image.Opener{}).Open(t.Context(), reference.Parse("docker://baseplan-e2e:none")); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}
