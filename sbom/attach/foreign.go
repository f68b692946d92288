package attach

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom/format"
)

const (
	maxForeign       = 4   // referrers of unknown types that are read, the newest
	maxForeignLayers = 2   // layers read of each
	maxPassed        = 64  // rejected referrers that are listed
	sniffed          = 512 // bytes to detect whether a blob may be an SBOM
)

// rejected returns the finding for a referrer that is no SBOM or was not read.
func (r *search) rejected(c candidate) Finding {
	a := r.artifactOf(c)
	return a.with(UnknownType, typed(c.desc.ArtifactType, c.why))
}

// typed describes an artifact by its type.
func typed(artifactType, why string) string {
	return clip(cmp.Or(artifactType, "no type")) + ": " + why
}

// readForeign reads a referrer of an unknown type and accepts it if its content is
// an SBOM.
func (r *search) readForeign(ctx context.Context, c candidate) []Finding {
	a := r.artifactOf(c)
	var err error
	if a.manifest == nil {
		if a.manifest, err = r.fetch(ctx, c.desc); err != nil {
			return []Finding{a.failed(ctx, err)}
		}
	}
	m, err := decodeManifest(a.manifest)
	if err != nil {
		return []Finding{a.failed(ctx, err)}
	}
	if c.desc.ArtifactType == "" {
		c.desc.ArtifactType = cmp.Or(m.ArtifactType, m.Config.MediaType)
	}
	if a.parts, err = r.partsByContent(ctx, m); err != nil {
		return []Finding{a.failed(ctx, err)}
	}
	if len(a.parts) == 0 {
		return []Finding{a.with(UnknownType, typed(c.desc.ArtifactType, "it holds no SBOM"))}
	}
	return r.read(ctx, a)
}

// partsByContent reads the first layers that may be SBOMs and returns those that
// are.
func (r *search) partsByContent(ctx context.Context, m *ocispec.Manifest) ([]part, error) {
	var all []part
	looked := 0
	for i, layer := range m.Layers {
		if scope := layer.Annotations[annotationScope]; layer.MediaType == typeEmpty || layer.Size > r.limits.SBOM || scope != "" && scope != "all" {
			continue
		}
		if looked++; looked > maxForeignLayers {
			break
		}
		data, err := r.repo.blobIf(ctx, layer, r.limits.SBOM, func(start []byte) bool { return mayBeSBOM(start, layer.MediaType) })
		if err != nil {
			return nil, err
		}
		p := part{desc: layer, order: i, data: data}
		if _, err := openAttestation(data); err == nil {
			p.attested = true
		} else if _, err := format.Identify(data); err != nil {
			continue
		}
		all = append(all, p)
	}
	return all, nil
}

// mayBeSBOM reports whether a blob that starts like this may be or contain an SBOM:
// it is JSON, XML or tag-value, or compressed and not an archive.
func mayBeSBOM(start []byte, mediaType string) bool {
	start = bytes.TrimPrefix(start, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(start, []byte{0x1f, 0x8b}) || bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return !strings.Contains(strings.ToLower(mediaType), "tar")
	}
	start = bytes.TrimLeft(start, " \t\r\n")
	return slices.ContainsFunc([]string{"{", "<", "SPDXVersion:", "#"}, func(s string) bool { return bytes.HasPrefix(start, []byte(s)) })
}

// unlisted returns the finding for referrers that were passed over and are too many
// to list.
func (a artifact) unlisted(n int) Finding {
	return a.with(UnknownType, fmt.Sprintf("%d more referrers are of other types", n))
}
