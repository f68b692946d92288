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
func Refer(to name.Digest, mediaType string, data []byte) error {
	of, err := remote.Head(to)
	if err != nil {
		return err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.oci.empty.v1+json")
	if img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(data, types.MediaType(mediaType))}); err != nil {
		return err
	}
	subject := v1.Descriptor{MediaType: of.MediaType, Digest: of.Digest, Size: of.Size}
	img = mutate.Subject(img, subject).(v1.Image)
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	return remote.Write(to.Context().Digest(digest.String()), img)
}
