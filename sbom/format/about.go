package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// addAbout adds an image that the document describes, unless about is empty.
func (in *inventory) addAbout(about sbom.ImageIdentity) {
	if about.Manifest != "" || about.ID != "" || len(about.Digests)+len(about.Layers) > 0 {
		in.doc.About = append(in.doc.About, about)
	}
}

// isImagePURL reports whether purl is the package URL of a container image. Its
// type may be upper case.
func isImagePURL(purl string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(purl), "pkg:")
	rest = strings.TrimLeft(rest, "/")
	return ok && (strings.HasPrefix(rest, "oci/") || strings.HasPrefix(rest, "docker/"))
}

// imageDigest returns the version of a container image's package URL if it is a
// digest, or "".
func imageDigest(purl string) string {
	if !isImagePURL(purl) {
		return ""
	}
	u, err := packageurl.FromString(purl)
	if err != nil {
		return ""
	}
	return reference.DigestIn(u.Version)
}

// An imageClaim collects what a document states about an image.
type imageClaim struct{ sbom.ImageIdentity }

// addDigest adds a digest under which a registry knows the image.
func (c *imageClaim) addDigest(digest string) {
	if digest != "" {
		c.Digests = append(c.Digests, digest)
	}
}

// add adds a fact under Trivy's name for it, which is the same in every format.
func (c *imageClaim) add(name, value string) {
	switch name {
	case "ImageID":
		c.ID = reference.DigestIn(value)
	case "DiffID":
		if d := reference.DigestIn(value); d != "" {
			c.Layers = append(c.Layers, d)
		}
	case "RepoDigest":
		c.addDigest(reference.DigestIn(value))
	}
}

// trivyPrefix is the prefix of Trivy's properties in CycloneDX.
const trivyPrefix = "aquasecurity:trivy:"

// about returns what metadata.component states about the image. Syft gives the
// manifest's digest as its version, Trivy has properties; the name may be
// "repository@sha256:…".
func (c *cdxComponent) about() sbom.ImageIdentity {
	var claim imageClaim
	claim.addDigest(reference.DigestIn(c.Name))
	claim.addDigest(imageDigest(c.PURL))
	if c.PURL == "" {
		claim.addDigest(imageDigest(c.BOMRef))
	}
	if c.Type == "container" {
		claim.Manifest = reference.DigestIn(c.Version)
	}
	for _, p := range c.Properties {
		if name, ok := strings.CutPrefix(p.Name, trivyPrefix); ok {
			claim.add(name, p.Value)
		}
	}
	return claim.ImageIdentity
}

// about returns what a package that represents the image states about it. Trivy has
// attribution texts or annotations such as "ImageID: sha256:…".
func (p *spdxPackage) about() sbom.ImageIdentity {
	var claim imageClaim
	claim.addDigest(reference.DigestIn(p.Name))
	for _, ref := range p.ExternalRefs {
		claim.addDigest(imageDigest(ref.Locator))
	}
	if p.Purpose == "CONTAINER" || len(claim.Digests) > 0 {
		claim.Manifest = reference.DigestIn(p.Version)
	}
	texts := p.Attributions
	for _, a := range p.Annotations {
		texts = append(texts, a.Comment)
	}
	for _, text := range texts {
		if name, value, ok := strings.Cut(text, ": "); ok {
			claim.add(name, value)
		}
	}
	return claim.ImageIdentity
}

// A syftImage is the metadata of a Syft source of type "image".
type syftImage struct {
	Scope          string     `json:"scope"` // before 9.0.0
	ImageID        string     `json:"imageID"`
	ManifestDigest string     `json:"manifestDigest"`
	Manifest       []byte     `json:"manifest"` // base64
	Layers         []syftBlob `json:"layers"`
	RepoDigests    []string   `json:"repoDigests"`
}

type syftBlob struct {
	Digest string `json:"digest"`
}

func (s syftSource) image() syftImage {
	for _, raw := range []jsontext.Value{s.Metadata, s.Target} {
		var of syftImage
		if raw.Kind() == '{' && json.Unmarshal(raw, &of, lenient) == nil {
			return of
		}
	}
	return syftImage{}
}

func (s syftSource) about() sbom.ImageIdentity {
	var claim imageClaim
	of := s.image()
	if s.Type != "" && !strings.EqualFold(s.Type, "image") {
		return claim.ImageIdentity
	}
	claim.ID, claim.Manifest = reference.DigestIn(of.ImageID), reference.DigestIn(of.ManifestDigest)
	if claim.Manifest == "" {
		claim.Manifest = reference.DigestIn(s.Version)
	}
	for _, layer := range of.Layers {
		claim.add("DiffID", layer.Digest)
	}
	for _, repo := range of.RepoDigests {
		claim.add("RepoDigest", repo)
	}
	if config := of.config(); config != "" && config == claim.ID {
		claim.Manifest = ""
	}
	return claim.ImageIdentity
}

// config returns the image ID from the manifest in the document, or "" if that is
// not the manifest that the document names. For an image from a daemon or archive,
// Syft makes up a manifest that no registry knows, but its configuration is the
// image's.
func (i syftImage) config() string {
	sum := sha256.Sum256(i.Manifest)
	var manifest struct {
		Config syftBlob `json:"config"`
	}
	if "sha256:"+hex.EncodeToString(sum[:]) != i.ManifestDigest || json.UnmarshalRead(bytes.NewReader(i.Manifest), &manifest) != nil {
		return ""
	}
	return reference.DigestIn(manifest.Config.Digest)
}
