//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// dockerHost returns the address of the docker daemon, or "".
func dockerHost() string { return os.Getenv("DOCKER_HOST") }

// usesDaemon reports whether the phase has the flag -daemon.
func (s *Side) usesDaemon(phase string, c *Case) bool {
	switch phase {
	case "analyzer", "exporter", "creator", "rebaser":
		return s.Daemon
	case "restorer":
		return s.Daemon && !c.Before(12)
	}
	return false
}

func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running docker %s: %w\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// pullRunImages pulls the run images into the daemon. The caller must call remove.
func (r *Runner) pullRunImages(ctx context.Context) (remove func(), err error) {
	for _, ref := range []string{r.Run1, r.Run2} {
		if _, err := docker(ctx, "pull", "-q", ref); err != nil {
			return nil, err
		}
	}
	return func() { _, _ = docker(context.Background(), "rmi", "-f", r.Run1, r.Run2) }, nil
}

// save reads the build's image from the daemon.
func (b *build) save() (v1.Image, error) {
	id, err := docker(b.ctx, "image", "inspect", "-f", "{{.Id}}", b.image)
	if err != nil {
		return nil, err
	}
	b.made = append(b.made, id)
	path := filepath.Join(b.Work, "saved.tar")
	if _, err := docker(b.ctx, "save", "-o", path, b.image); err != nil {
		return nil, err
	}
	tag, err := name.NewTag(b.image)
	if err != nil {
		return nil, err
	}
	return tarball.ImageFromPath(path, &tag)
}

// removeImages removes the builds' images from the daemon.
func (b *build) removeImages() {
	for _, id := range slices.Backward(b.made) {
		_, _ = docker(context.Background(), "rmi", "-f", id)
	}
}
