package attach

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom"
)

// Doubt returns why a document for the image is not believed, with a short reason,
// or "". Attached documents pass the same check.
func (s Subject) Doubt(ctx context.Context, doc *sbom.Document) (Outcome, string, error) {
	r, err := new(Finder).begin(s)
	if err != nil {
		return "", "", err
	}
	outcome, why := r.doubt(ctx, Platform, doc)
	return outcome, why, nil
}

// doubt returns why a document from a carrier cannot describe the image, or "".
func (r *search) doubt(ctx context.Context, from Carrier, doc *sbom.Document) (Outcome, string) {
	if !slices.ContainsFunc(doc.Packages, func(p sbom.Package) bool { return p.Type.OS() }) {
		if why := r.contradicts(ctx); why != "" {
			return Empty, why
		}
	}
	config, err := r.config()
	if err == nil && config != nil {
		if other := otherArchitecture(doc, config.Architecture); other != "" {
			return WrongSubject, fmt.Sprintf("its packages are for %s, but the image is for %s", other, config.Architecture)
		}
	}
	for _, about := range doc.About {
		if why := r.differs(from, about); why != "" {
			return WrongSubject, why
		}
	}
	if why := doc.Contradiction(); why != "" {
		return Contradictory, why
	}
	return "", ""
}

// differs returns how the image that a document describes differs from this image,
// or "" if no difference is known.
//
// A document in the image's last layer describes the image without that layer, of
// which only the layers are known.
func (r *search) differs(from Carrier, about sbom.ImageIdentity) string {
	if why := r.otherLayers(from, about.Layers); why != "" {
		return why
	}
	if from == Layer {
		return ""
	}
	names := r.names()
	config := r.imageID()
	known := func(digest string) bool { return digest == config || slices.Contains(names, digest) }
	switch {
	case about.ID != "" && known(about.ID):
		// The configuration names the layers, so it identifies the image. The
		// manifest differs if the image was copied or came from a daemon.
		if about.Manifest == "" || known(about.Manifest) {
			return ""
		}
	case about.ID != "" && (config != "" || len(about.Layers) == 0):
		return fmt.Sprintf("it is about the image with ID %s, not %s", clip(about.ID), cmp.Or(config, r.Digest.String()))
	case about.ID != "":
		return "" // a daemon does not know registry digests; the layers match
	}
	if about.Manifest != "" && !known(about.Manifest) {
		return fmt.Sprintf("it is about the manifest %s, not %s", clip(about.Manifest), r.Digest)
	}
	if about.Manifest == "" && len(about.Digests) > 0 && !slices.ContainsFunc(about.Digests, known) {
		return fmt.Sprintf("it is about %s, not %s", clip(strings.Join(about.Digests, ", ")), r.Digest)
	}
	return ""
}

// names returns the known digests of the image: of its manifest, of the index that
// led to it, and those under which a daemon knows it.
func (r *search) names() []string {
	names := slices.Clone(r.Names)
	for _, h := range r.subjects() {
		names = append(names, h.String())
	}
	return names
}

// imageID returns the digest of the image's configuration, or "".
func (r *search) imageID() string {
	if r.Image == nil {
		return ""
	}
	h, err := r.Image.ConfigName()
	if err != nil {
		return ""
	}
	return h.String()
}

// otherLayers returns how a document's layers differ from the image's, or "". They
// may be named by DiffID or by digest in the manifest.
func (r *search) otherLayers(from Carrier, layers []string) string {
	config, err := r.config()
	if len(layers) == 0 || err != nil || config == nil {
		return ""
	}
	own := config.RootFS.DiffIDs
	var blobs []v1.Hash
	if r.Image != nil {
		if m, err := r.Image.Manifest(); err == nil {
			for _, layer := range m.Layers {
				blobs = append(blobs, layer.Digest)
			}
		}
	}
	if from == Layer {
		own, blobs = own[:max(len(own)-1, 0)], blobs[:max(len(blobs)-1, 0)]
	}
	if sameLayers(layers, own) || sameLayers(layers, blobs) {
		return ""
	}
	for _, layer := range layers {
		if h := hash(layer); !slices.Contains(own, h) && !slices.Contains(blobs, h) {
			return fmt.Sprintf("it is about an image with layer %s, which the image does not have", clip(layer))
		}
	}
	return fmt.Sprintf("it is about an image with %d of the image's %d layers", len(layers), len(own))
}

// sameLayers compares without order and duplicates, since Trivy sorts layers.
func sameLayers(said []string, own []v1.Hash) bool {
	var ids []string
	for _, h := range own {
		ids = append(ids, h.String())
	}
	set := func(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }
	return slices.Equal(set(said), set(ids))
}
