package registry

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// AnnotationReferenceType marks BuildKit's attestation manifests in an index, whose platform is unknown/unknown
// (moby/buildkit, attestation-storage.md).
const AnnotationReferenceType = "vnd.docker.reference.type"

// Images returns the images in an index, one for each digest, without attestations and other artifacts.
func Images(all []v1.Descriptor) []v1.Descriptor {
	var images []v1.Descriptor
	for _, d := range all {
		switch {
		case !d.MediaType.IsImage(), d.Annotations[AnnotationReferenceType] != "":
		case d.Platform != nil && d.Platform.OS == "unknown":
		case slices.ContainsFunc(images, func(i v1.Descriptor) bool { return i.Digest == d.Digest }):
		default:
			images = append(images, d)
		}
	}
	return images
}
