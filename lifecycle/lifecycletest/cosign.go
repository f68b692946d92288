package lifecycletest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// CosignSBOM writes an SBOM to cosign's tag .sbom of an image and signs the tag's manifest
// with an ECDSA key, as cosign does.
func CosignSBOM(image name.Digest, mediaType string, sbom []byte, key crypto.Signer) {
	of := must(v1.NewHash(image.DigestStr()))
	of = cosignTag(image.Context(), of, "sbom", mutate.Addendum{Layer: static.NewLayer(sbom, types.MediaType(mediaType))})
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"run"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"}}`, of)
	sum := sha256.Sum256(payload)
	cosignTag(image.Context(), of, "sig", mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(must(key.Sign(rand.Reader, sum[:], crypto.SHA256)))},
	})
}

func cosignTag(repo name.Repository, of v1.Hash, suffix string, layer mutate.Addendum) v1.Hash {
	img := must(mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer))
	check(remote.Write(repo.Tag(strings.Replace(of.String(), ":", "-", 1)+"."+suffix), img))
	return must(img.Digest())
}
