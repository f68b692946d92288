package lifecycletest

import (
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
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
