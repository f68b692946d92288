package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/baseplan/baseplan/sbom/reference"
)

func (o *Opener) openDaemon(ctx context.Context, ref reference.Reference, _ bool) ([]*Image, error) {
	daemon, err := o.daemon()
	if err != nil {
		return nil, fmt.Errorf("connecting to the docker daemon: %w", err)
	}
	found, err := daemon.ImageInspect(ctx, ref.Record())
	if err != nil {
		err = fmt.Errorf("inspecting it in the docker daemon at %s: %w", daemon.DaemonHost(), err)
		if errdefs.IsNotFound(err) {
			err = fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return nil, errors.Join(err, daemon.Close())
	}
	img := &Image{RepoDigests: found.RepoDigests, Files: &Files{daemon: daemon, image: found.ID}}
	if img.Digest, err = v1.NewHash(found.ID); err == nil {
		img.Config, err = configOf(found)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the docker daemon's response: %w", err), daemon.Close())
	}
	img.close = closers(daemon, img.Files)
	return []*Image{img}, nil
}

// daemon returns a client of the docker daemon that negotiates the API version.
func (o *Opener) daemon() (*client.Client, error) {
	docker := Docker{Host: o.DockerHost, Environment: true}
	if o.FindDocker != nil {
		var err error
		if docker, err = o.FindDocker(); err != nil {
			return nil, err
		}
	}
	opts := []client.Opt{client.WithUserAgent("baseplan"), client.WithAPIVersionFromEnv()}
	switch {
	case docker.Environment:
		opts = append(opts, client.FromEnv)
	case docker.TLS != nil:
		transport := &http.Transport{TLSClientConfig: docker.TLS}
		opts = append(opts, client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}))
	}
	if docker.Host != "" {
		opts = append(opts, client.WithHost(docker.Host))
	}
	if o.DialDocker != nil {
		opts = append(opts, client.WithDialContext(o.DialDocker))
	}
	return client.New(opts...)
}

// configOf returns the image's configuration as far as the daemon reports it.
func configOf(found client.ImageInspectResult) (*v1.ConfigFile, error) {
	cfg := &v1.ConfigFile{
		OS: found.Os, OSVersion: found.OsVersion, Architecture: found.Architecture, Variant: found.Variant,
		Author: found.Author, RootFS: v1.RootFS{Type: "layers"},
	}
	if created, err := time.Parse(time.RFC3339Nano, found.Created); err == nil {
		cfg.Created = v1.Time{Time: created}
	}
	for _, layer := range found.RootFS.Layers {
		hash, err := v1.NewHash(layer)
		if err != nil {
			return nil, err
		}
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, hash)
	}
	// Both are the same JSON document, declared twice.
	raw, err := json.Marshal(found.Config)
	if err != nil {
		return nil, err
	}
	return cfg, json.Unmarshal(raw, &cfg.Config)
}

// Files reads files of an image in a daemon, through a container that is created on first use
// and never started. [Image.Close] removes the container.
type Files struct {
	daemon *client.Client
	image  string

	mu        sync.Mutex
	container string
}

// Archive returns the file or directory at an absolute path as a tar stream. It follows
// symbolic links. The error wraps [fs.ErrNotExist] if there is none.
func (f *Files) Archive(ctx context.Context, path string) (io.ReadCloser, error) {
	id, err := f.create(ctx)
	if err != nil {
		return nil, fmt.Errorf("creating a container to read %s: %w", path, err)
	}
	// The daemon follows links within the path, but only reports the target of a link at its
	// end.
	for range 2 {
		stat, err := f.daemon.ContainerStatPath(ctx, id, client.ContainerStatPathOptions{Path: path})
		if err != nil {
			return nil, pathError("finding", path, err)
		}
		if stat.Stat.Mode&fs.ModeSymlink == 0 {
			break
		}
		path = stat.Stat.LinkTarget
	}
	result, err := f.daemon.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return nil, pathError("reading", path, err)
	}
	return result.Content, nil
}

func pathError(op, path string, err error) error {
	if errdefs.IsNotFound(err) {
		err = fs.ErrNotExist
	}
	return fmt.Errorf("%s %s in the docker daemon: %w", op, path, err)
}

func (f *Files) create(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.container != "" {
		return f.container, nil
	}
	created, err := f.daemon.ContainerCreate(ctx, client.ContainerCreateOptions{
		// An image may lack a command, but a container needs one. It never runs.
		Config: &container.Config{Image: f.image, Entrypoint: []string{"/never-run"}, NetworkDisabled: true},
	})
	f.container = created.ID
	return created.ID, err
}

// Close removes the container. It takes no context, so that it works after a cancellation.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.container == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := f.daemon.ContainerRemove(ctx, f.container, client.ContainerRemoveOptions{RemoveVolumes: true, Force: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing container %s from the docker daemon: %w", f.container, err)
	}
	f.container = ""
	return nil
}
