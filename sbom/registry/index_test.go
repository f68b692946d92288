package registry_test

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/sbom/registry"
)

func TestImages(t *testing.T) {
	digest := func(hex string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: hex} }
	amd64, unknown := &v1.Platform{OS: "linux", Architecture: "amd64"}, &v1.Platform{OS: "unknown", Architecture: "unknown"}
	got := registry.Images([]v1.Descriptor{
		{MediaType: types.OCIManifestSchema1, Digest: digest("1"), Platform: amd64},
		{MediaType: types.OCIManifestSchema1, Digest: digest("2"), Platform: unknown},
		{MediaType: types.OCIManifestSchema1, Digest: digest("3"), Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"}},
		{MediaType: types.OCIImageIndex, Digest: digest("4")},
		{MediaType: types.OCIManifestSchema1, Digest: digest("1"), Platform: amd64},
		{MediaType: types.DockerManifestSchema2, Digest: digest("5")},
	})
	if len(got) != 2 || got[0].Digest != digest("1") || got[1].Digest != digest("5") {
		t.Errorf("got %v", got)
	}
}
