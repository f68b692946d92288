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
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

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
	img, err := mutate.Append(emptyImage(),
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
	return r.configured(img, p, v1.Config{WorkingDir: "/layers", Env: []string{"PATH=" + searchPath}, Labels: labels})
}

// configured returns an image for a platform with a configuration.
func (r *release) configured(img v1.Image, p v1.Platform, c v1.Config) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created, config.Config = p.OS, p.Architecture, v1.Time{Time: r.Created}, c
	return mutate.ConfigFile(img, config)
}

func emptyImage() v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
}

// commandImage returns the image of baseplan for one platform.
func (r *release) commandImage(p v1.Platform, c commandFiles) (v1.Image, error) {
	files := below("etc/ssl/certs", []entry{{name: "ca-certificates.crt", mode: 0o644, body: roots()}})
	files = append(files,
		entry{name: "etc/passwd", mode: 0o644, body: []byte("root:x:0:0:root:/root:/sbin/nologin\n")},
		entry{name: "root/", mode: 0o700},
		entry{name: "tmp/", mode: 0o1777},
	)
	layer, err := newLayer(append(files, below("usr/bin", c.programs)...))
	if err != nil {
		return nil, err
	}
	at := v1.Time{Time: r.Created}
	img, err := mutate.Append(emptyImage(), mutate.Addendum{Layer: layer, History: v1.History{Created: at, CreatedBy: "Layer: 'baseplan'"}})
	if err != nil {
		return nil, err
	}
	return r.configured(img, p, v1.Config{Entrypoint: []string{"/usr/bin/baseplan"}, Env: []string{"PATH=/usr/bin", "HOME=/root"}, Labels: r.titled("baseplan")})
}

// titled returns the labels of every image.
func (r *release) titled(title string) map[string]string {
	labels := map[string]string{"org.opencontainers.image.title": title, "org.opencontainers.image.version": r.Version}
	if r.Commit != "" {
		labels["org.opencontainers.image.revision"] = r.Commit
	}
	return labels
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
	labels := r.titled("baseplan lifecycle")
	labels["io.buildpacks.lifecycle.version"] = r.Version
	labels["io.buildpacks.lifecycle.apis"] = string(apiLabel)
	labels["io.buildpacks.builder.metadata"] = string(metadata)
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
func index(platforms []v1.Platform, images map[string]v1.Image) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		if img, made := images[p.String()]; made {
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		}
	}
	return index
}

// layout writes an image as an OCI layout, named by the version.
func (r *release) layout(ctx context.Context, name string, index v1.ImageIndex) error {
	dir := filepath.Join(r.Out, name)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := (image.Layout{Dir: dir, Name: r.Version, Indent: true}).Write(ctx, index); err != nil {
		return err
	}
	// The index names everything else in the layout by digest.
	file := filepath.Join(name, "index.json")
	info, err := os.Stat(filepath.Join(r.Out, file))
	if err != nil {
		return err
	}
	r.wrote(file, info.Size())
	return nil
}

// push pushes an image to a registry, with the credentials that the lifecycle would use.
func (r *release) push(ctx context.Context, to string, index v1.ImageIndex) (name.Digest, error) {
	ref, err := name.ParseReference(to)
	if err != nil {
		return name.Digest{}, fmt.Errorf("reading the name to push to: %w", err)
	}
	client := r.registry()
	if err := remote.WriteIndex(ref, index, client.Options(ctx, ref.Context())...); err != nil {
		return name.Digest{}, fmt.Errorf("pushing to %s: %w", ref, client.Refused(ref.Context(), err))
	}
	digest, err := index.Digest()
	if err != nil {
		return name.Digest{}, err
	}
	fmt.Fprintf(r.Progress, "pushed %s@%s\n", ref, digest)
	return ref.Context().Digest(digest.String()), nil
}

func (r *release) registry() registry.Client {
	return registry.Client{Keychain: credentials.New(os.Getenv("CNB_REGISTRY_AUTH"), func(warning string) { fmt.Fprintf(r.Progress, "Warning: %s\n", warning) })}
}

// pushCommand pushes the image of baseplan, and attaches the SBOM of its binary, as baseplan sbom attach does.
func (r *release) pushCommand(ctx context.Context, to string, index v1.ImageIndex) error {
	ref, err := r.push(ctx, to, index)
	if err != nil {
		return err
	}
	material := func(_ context.Context, target attach.Target) (attach.Material, error) {
		config, err := target.Image.ConfigFile()
		if err != nil {
			return attach.Material{}, err
		}
		return attach.Material{SBOMs: [][]byte{r.described[config.Platform().String()]}}, nil
	}
	a := attach.Attacher{Registry: r.registry()}
	attached, err := a.Attach(ctx, ref, attach.Options{Material: material, Sign: r.Sign, Created: r.Created})
	for _, item := range attached {
		fmt.Fprintf(r.Progress, "attached %s %s\n", item.What, item.Reference)
	}
	return err
}
