package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

// layoutDir is the directory of the lifecycle image in a release.
const layoutDir = "lifecycle-image"

// image returns the lifecycle image for one platform. Its last layer is exactly the lifecycle,
// since platforms copy this layer to run images; the phases' other files are in the layer
// below.
func (r *release) image(ctx context.Context, p v1.Platform, files []entry, described []byte) (v1.Image, error) {
	base, err := r.baseFiles(ctx, described)
	if err != nil {
		return nil, err
	}
	baseLayer, err := newLayer(base)
	if err != nil {
		return nil, err
	}
	top, err := newLayer(below("cnb/lifecycle", files))
	if err != nil {
		return nil, err
	}
	at := v1.Time{Time: r.Created}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img,
		mutate.Addendum{Layer: baseLayer, History: v1.History{Created: at, CreatedBy: "Layer: 'directories, CA certificates, time zones and settings'"}},
		mutate.Addendum{History: v1.History{Created: at, CreatedBy: "WORKDIR /layers", EmptyLayer: true}},
		mutate.Addendum{Layer: top, History: v1.History{Created: at, CreatedBy: "Layer: 'lifecycle'"}},
	)
	if err != nil {
		return nil, err
	}
	labels, err := r.labels()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.OS, p.Architecture, at
	config.Config = v1.Config{WorkingDir: "/layers", Env: []string{"PATH=" + searchPath}, Labels: labels}
	return mutate.ConfigFile(img, config)
}

// labels returns the labels that identify a lifecycle image to platforms.
func (r *release) labels() (map[string]string, error) {
	d := describe(r.Version)
	apiLabel, err := json.Marshal(d.APIs)
	if err != nil {
		return nil, err
	}
	type versioned struct {
		Version string `json:"version"`
		description
	}
	metadata, err := json.Marshal(map[string]versioned{"lifecycle": {r.Version, d}})
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		"io.buildpacks.lifecycle.version":  r.Version,
		"io.buildpacks.lifecycle.apis":     string(apiLabel),
		"io.buildpacks.builder.metadata":   string(metadata),
		"org.opencontainers.image.title":   "baseplan lifecycle",
		"org.opencontainers.image.version": r.Version,
	}
	if r.Commit != "" {
		labels["org.opencontainers.image.revision"] = r.Commit
	}
	return labels, nil
}

func newLayer(files []entry) (v1.Layer, error) {
	data, err := archive(files)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// index returns the index of the images for all platforms.
func index(images map[string]v1.Image) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range lifecyclePlatforms {
		if img, made := images[p.String()]; made {
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		}
	}
	return index
}

// layout writes the lifecycle image as an OCI layout, named by the version.
func (r *release) layout(ctx context.Context, index v1.ImageIndex) error {
	dir := filepath.Join(r.Out, layoutDir)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := (image.Layout{Dir: dir, Name: r.Version, Indent: true}).Write(ctx, index); err != nil {
		return err
	}
	// The index names everything else in the layout by digest.
	file := filepath.Join(layoutDir, "index.json")
	info, err := os.Stat(filepath.Join(r.Out, file))
	if err != nil {
		return err
	}
	r.wrote(file, info.Size())
	return nil
}

// push pushes the image to a registry, with the credentials that the lifecycle would use.
func (r *release) push(ctx context.Context, to string, index v1.ImageIndex) error {
	ref, err := name.ParseReference(to)
	if err != nil {
		return fmt.Errorf("reading the name to push to: %w", err)
	}
	keychain := credentials.New(os.Getenv("CNB_REGISTRY_AUTH"), func(warning string) { fmt.Fprintf(r.Progress, "Warning: %s\n", warning) })
	client := registry.Client{Keychain: keychain}
	if err := remote.WriteIndex(ref, index, client.Options(ctx, ref.Context())...); err != nil {
		return fmt.Errorf("pushing to %s: %w", ref, client.Refused(ref.Context(), err))
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(r.Progress, "pushed %s@%s\n", ref, digest)
	return nil
}
