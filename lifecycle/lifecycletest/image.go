// Package lifecycletest creates run images and registries in process, for tests and the demo,
// as net/http/httptest does for servers. The images have the real package databases in
// testdata and empty files for the packages' commands and libraries.
//
// Start with [Debian] and [Registry]. Functions panic on invalid arguments or invalid embedded
// data, which are programming errors.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package lifecycletest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Layer is the content of a layer by path ("etc/os-release"): a file's bytes, "-> target"
// for a symbolic link, or "=> path" for a hard link. A path that ends in a slash is a
// directory. Whiteouts are named as in OCI (".wh.name"). Entries are written in the order of
// their paths, without parent directories.
type Layer map[string]string

// Image returns a linux/amd64 OCI image of the layers, bottom first. The same layers give the
// same digest.
func Image(layers ...Layer) v1.Image {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return With(base, layers...)
}

// With returns the image with layers on top.
func With(base v1.Image, layers ...Layer) v1.Image {
	adds := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		adds[i] = mutate.Addendum{Layer: l.Tar(), History: v1.History{CreatedBy: "lifecycletest"}, MediaType: types.OCILayer}
	}
	img := must(mutate.Append(base, adds...))
	cfg := must(img.ConfigFile()).DeepCopy()
	cfg.OS, cfg.Architecture = "linux", "amd64"
	return must(mutate.ConfigFile(img, cfg))
}

// Labelled returns the image with labels in its configuration.
func Labelled(base v1.Image, labels map[string]string) v1.Image {
	cfg := must(base.ConfigFile()).DeepCopy()
	if cfg.Config.Labels == nil {
		cfg.Config.Labels = map[string]string{}
	}
	maps.Copy(cfg.Config.Labels, labels)
	return must(mutate.ConfigFile(base, cfg))
}

// Arch returns the image for another architecture ("arm64").
func Arch(base v1.Image, arch string) v1.Image {
	cfg := must(base.ConfigFile()).DeepCopy()
	cfg.Architecture = arch
	return must(mutate.ConfigFile(base, cfg))
}

// Attested returns the index with an attestation manifest, as BuildKit adds one for each image. Its platform is unknown/unknown.
func Attested(index v1.ImageIndex) v1.ImageIndex {
	of := must(index.IndexManifest()).Manifests[0].Digest
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: Image(Layer{"provenance.json": "{}"}),
		Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of.String()},
		},
	})
}

// Index returns an image index of linux images by architecture ("amd64"); use [Arch] to create
// the images.
func Index(images map[string]v1.Image) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range slices.Sorted(maps.Keys(images)) {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        images[arch],
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return index
}

// Tar returns the layer as a v1.Layer, compressed with gzip.
func (l Layer) Tar() v1.Layer {
	return must(partial.UncompressedToLayer(content(l.Bytes())))
}

// content is an uncompressed layer.
type content []byte

func (c content) DiffID() (v1.Hash, error) {
	hash, _, err := v1.SHA256(bytes.NewReader(c))
	return hash, err
}

func (c content) Uncompressed() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c)), nil }

func (c content) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Bytes returns the layer as an uncompressed tar archive.
func (l Layer) Bytes() []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, path := range slices.Sorted(maps.Keys(l)) {
		h, content := header(path, l[path])
		check(w.WriteHeader(h))
		must(io.WriteString(w, content))
	}
	check(w.Close())
	return buf.Bytes()
}

func header(path, content string) (*tar.Header, string) {
	h := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	target, link := strings.CutPrefix(content, "-> ")
	same, hard := strings.CutPrefix(content, "=> ")
	switch {
	case strings.HasSuffix(path, "/"):
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	case link:
		h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, target
	case hard:
		h.Typeflag, h.Linkname = tar.TypeLink, same
	default:
		return h, content
	}
	h.Size = 0
	return h, ""
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("lifecycletest: %v", err))
	}
}
