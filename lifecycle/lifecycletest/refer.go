package lifecycletest

import (
	"bytes"
	"encoding/json"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Refer attaches data to an image or an artifact as a referrer with one layer of a media type.
// The referrer has no artifact type, as with older tools.
func Refer(to name.Digest, mediaType string, data []byte) {
	of := must(remote.Head(to))
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.oci.empty.v1+json")
	img = must(mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(data, types.MediaType(mediaType))}))
	img = mutate.Subject(img, v1.Descriptor{MediaType: of.MediaType, Digest: of.Digest, Size: of.Size}).(v1.Image)
	check(remote.Write(to.Context().Digest(must(img.Digest()).String()), img))
}

// ReferArtifact attaches data as a referrer of an artifact type, with one layer of that type, as current tools do.
func ReferArtifact(to name.Digest, artifactType string, data []byte, annotations map[string]string) name.Digest {
	of := must(remote.Head(to))
	empty := static.NewLayer([]byte("{}"), "application/vnd.oci.empty.v1+json")
	layer := static.NewLayer(data, types.MediaType(artifactType))
	manifest := map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": artifactType, "annotations": annotations,
		"config": must(partial.Descriptor(empty)), "layers": []*v1.Descriptor{must(partial.Descriptor(layer))},
		"subject": v1.Descriptor{MediaType: of.MediaType, Digest: of.Digest, Size: of.Size},
	}
	raw := artifact(must(json.Marshal(manifest)))
	for _, l := range []v1.Layer{empty, layer} {
		check(remote.WriteLayer(to.Context(), l))
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	check(err)
	at := to.Context().Digest(digest.String())
	check(remote.Put(at, raw))
	return at
}

// An artifact is a manifest as JSON.
type artifact []byte

// RawManifest implements [remote.Taggable].
func (a artifact) RawManifest() ([]byte, error) { return a, nil }

// MediaType returns the media type that it is pushed with.
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
