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
)

// addAbout notes an image that the document describes, if it says which.
func (in *inventory) addAbout(about sbom.Image) {
	if about.Manifest != "" || about.ID != "" || len(about.Digests)+len(about.Layers) > 0 {
		in.doc.About = append(in.doc.About, about)
	}
}

// isDigest reports whether s is a digest as manifests of images have them.
func isDigest(s string) bool {
	algorithm, digits, _ := strings.Cut(s, ":")
	size := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
	return size > 0 && len(digits) == size && strings.Trim(digits, "0123456789abcdef") == ""
}

// digestOf is the digest in "sha256:…" or "repository@sha256:…"; empty if there is none.
func digestOf(s string) string {
	if s = s[strings.LastIndexByte(s, '@')+1:]; !isDigest(s) {
		return ""
	}
	return s
}

// isImagePURL reports whether a purl is that of a container image; its type may be in capital letters.
func isImagePURL(purl string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(purl), "pkg:")
	rest = strings.TrimLeft(rest, "/")
	return ok && (strings.HasPrefix(rest, "oci/") || strings.HasPrefix(rest, "docker/"))
}

// imageDigest is the digest that the purl of a container image has as its version.
func imageDigest(purl string) string {
	if !isImagePURL(purl) {
		return ""
	}
	u, err := packageurl.FromString(purl)
	if err != nil {
		return ""
	}
	return digestOf(u.Version)
}

// An imageClaim collects what a document says of an image.
type imageClaim struct{ sbom.Image }

// named adds a digest under which a registry knows the image.
func (c *imageClaim) named(digest string) {
	if digest != "" {
		c.Digests = append(c.Digests, digest)
	}
}

// said adds a fact by the name that Trivy gives it, in every format.
func (c *imageClaim) said(name, value string) {
	switch name {
	case "ImageID":
		c.ID = digestOf(value)
	case "DiffID":
		if d := digestOf(value); d != "" {
			c.Layers = append(c.Layers, d)
		}
	case "RepoDigest":
		c.named(digestOf(value))
	}
}

// trivyPrefix begins the names of Trivy's properties in CycloneDX.
const trivyPrefix = "aquasecurity:trivy:"

// about is what metadata.component says of the image. Syft has the manifest's
// digest as its version, Trivy has properties; the name may be "repository@sha256:…".
func (c *cdxComponent) about() sbom.Image {
	var claim imageClaim
	claim.named(digestOf(c.Name))
	claim.named(imageDigest(c.PURL))
	if c.PURL == "" {
		claim.named(imageDigest(c.BOMRef))
	}
	if c.Type == "container" {
		claim.Manifest = digestOf(c.Version)
	}
	for _, p := range c.Properties {
		if name, ok := strings.CutPrefix(p.Name, trivyPrefix); ok {
			claim.said(name, p.Value)
		}
	}
	return claim.Image
}

// about is what a package that stands for the image says of it. Trivy has facts
// in attribution texts or annotations, "ImageID: sha256:…".
func (p *spdxPackage) about() sbom.Image {
	var claim imageClaim
	claim.named(digestOf(p.Name))
	for _, ref := range p.ExternalRefs {
		claim.named(imageDigest(ref.Locator))
	}
	if p.Purpose == "CONTAINER" || len(claim.Digests) > 0 {
		claim.Manifest = digestOf(p.Version)
	}
	texts := p.Attributions
	for _, a := range p.Annotations {
		texts = append(texts, a.Comment)
	}
	for _, text := range texts {
		if name, value, ok := strings.Cut(text, ": "); ok {
			claim.said(name, value)
		}
	}
	return claim.Image
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

func (s syftSource) about() sbom.Image {
	var claim imageClaim
	of := s.image()
	if s.Type != "" && !strings.EqualFold(s.Type, "image") {
		return claim.Image
	}
	claim.ID, claim.Manifest = digestOf(of.ImageID), digestOf(of.ManifestDigest)
	if claim.Manifest == "" {
		claim.Manifest = digestOf(s.Version)
	}
	for _, layer := range of.Layers {
		claim.said("DiffID", layer.Digest)
	}
	for _, repo := range of.RepoDigests {
		claim.said("RepoDigest", repo)
	}
	if config := of.config(); config != "" && config == claim.ID {
		claim.Manifest = ""
	}
	return claim.Image
}

// config is the image ID in the manifest that the document holds, if that is the
// manifest that it names. Of an image that came from a daemon or archive, Syft
// makes up a manifest that no registry knows, but its configuration is the image's.
func (i syftImage) config() string {
	sum := sha256.Sum256(i.Manifest)
	var manifest struct {
		Config syftBlob `json:"config"`
	}
	if "sha256:"+hex.EncodeToString(sum[:]) != i.ManifestDigest || json.UnmarshalRead(bytes.NewReader(i.Manifest), &manifest) != nil {
		return ""
	}
	return digestOf(manifest.Config.Digest)
}
