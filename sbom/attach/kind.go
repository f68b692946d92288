package attach

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom"
)

// Artifact types of SBOMs that do not specify the format.
const (
	typeCosignSBOM = "application/vnd.dev.cosign.artifact.sbom.v1+json"
	typeHarborSBOM = "application/vnd.goharbor.harbor.sbom.v1" // the accessory that Harbor creates when it scans an image
	typeOCISBOM    = "application/vnd.oci.sbom.v1+json"
)

// A kind classifies a referrer by its entry in a list of referrers.
type kind int

const (
	foreign         kind = iota // unknown type: the content decides
	untyped                     // the list has no type
	sbomKind                    // an SBOM, or an attestation that may be one
	declarationKind             // a provides declaration
	other                       // not an SBOM
)

// others maps artifact types that are not SBOMs, or their prefixes, to descriptions. They are
// not fetched.
var others = map[string]string{
	"application/vnd.cncf.notary.signature":                "a signature",
	"application/vnd.dev.cosign.artifact.sig.v1":           "a signature",
	"application/vnd.dev.cosign.simplesigning.v1":          "a signature",
	"application/vnd.goharbor.harbor.signature":            "a signature",
	"application/vnd.goharbor.harbor.nydus":                "an image for another runtime",
	"application/vnd.cncf.helm.":                           "a Helm chart",
	"application/vnd.oci.image.layer.":                     "a layer",
	"application/vnd.docker.image.rootfs.":                 "a layer",
	"application/wasm":                                     "a program",
	"application/vnd.wasm.":                                "a program",
	"application/vnd.bytecodealliance.wasm.":               "a program",
	"application/sarif+json":                               "the result of a scan",
	"application/vnd.security.vulnerability.report":        "the result of a scan",
	"application/vnd.openvex+json":                         "a statement on vulnerabilities",
	"application/openvex+json":                             "a statement on vulnerabilities",
	"application/vnd.azure.artifact.lifecycle":             "a note on the image's lifetime",
	"application/vnd.microsoft.artifact.lifecycle":         "a note on the image's lifetime",
	"application/vnd.docker.distribution.manifest.v2+json": "an image",
	"application/vnd.oci.image.manifest.v1+json":           "an image",
}

// kindOf classifies a referrer by its descriptor alone, to avoid fetching it. why is the
// reason if it is not an SBOM.
func kindOf(d ocispec.Descriptor) (k kind, f sbom.Format, attested bool, why string) {
	t := mediaTypeOf(d.ArtifactType)
	if d.ArtifactType == DeclarationType {
		return declarationKind, "", false, ""
	}
	if t == typeInToto || t == typeEnvelope || t == typeBuildKit || strings.HasPrefix(t, typeBundlePrefix) {
		f, ok := promised(d.Annotations)
		if !ok {
			return other, "", true, "its predicate is " + clip(predicateIn(d.Annotations))
		}
		return sbomKind, f, true, ""
	}
	if f, ok := sbomFormat(t); ok {
		return sbomKind, f, false, ""
	}
	if !hasType(d) {
		return untyped, "", false, ""
	}
	for prefix, what := range others {
		if strings.HasPrefix(t, prefix) {
			return other, "", false, what
		}
	}
	return foreign, "", false, ""
}

// hasType reports whether a list has the referrer's type. Some registries return the type of its
// configuration instead, or nothing.
func hasType(d ocispec.Descriptor) bool {
	return d.ArtifactType != "" && d.ArtifactType != typeEmpty && d.ArtifactType != ocispec.MediaTypeImageConfig
}

// mediaTypeOf returns a media type in lower case without parameters.
func mediaTypeOf(t string) string {
	t, _, _ = strings.Cut(strings.ToLower(t), ";")
	return strings.TrimSpace(t)
}

// sbomFormat returns the SBOM format of an artifact or layer type, or "" if the type allows
// any; ok is false if the type is not an SBOM's.
func sbomFormat(mediaType string) (f sbom.Format, ok bool) {
	switch mediaTypeOf(mediaType) {
	case typeCosignSBOM, typeHarborSBOM, typeOCISBOM:
		return "", true
	}
	return bareFormat(mediaType)
}

// predicateIn returns the predicate type in annotations, or "".
func predicateIn(annotations map[string]string) string {
	for _, key := range []string{annotationLayerPredicate, annotationCosignPredicate, annotationBundlePredicate} {
		if t := annotations[key]; t != "" {
			return t
		}
	}
	return ""
}
