// Package attach finds the SBOM that is attached to an image, checks whether it describes the
// image, and attaches SBOMs.
//
// Start with [Finder], a struct literal: Find stops at the first carrier with a valid, fresh
// and (if keys are given) signed SBOM; FindAll reads every carrier. Both report every carrier
// searched and its outcome as a [Finding], which phases write to <layers>/run-image.toml. An
// [Attacher] attaches SBOMs.
//
// # Carriers, in search order
//
//  1. the platform's file, or directory of <algorithm>-<hex>.<ext>;
//  2. referrers (OCI distribution-spec 1.1, "Listing Referrers") of the image's
//     manifest, then of its index, from the API or the tag <algorithm>-<hex>: bare
//     SBOM artifacts, Sigstore bundles, in-toto statements in DSSE envelopes,
//     Harbor's accessories, and the newest few artifacts of unknown types whose
//     content is an SBOM;
//  3. cosign's tags <algorithm>-<hex>.sbom and .att, of the manifest, then the index;
//  4. BuildKit's attestation manifests in the index: the first SBOM of each, since
//     SBOMs of build stages may follow;
//  5. the layer that the label io.buildpacks.base.sbom names, if it is the last.
//
// Every artifact with a subject and every statement must name the digest of the image's
// manifest or index. An SBOM is reported and rejected if it is invalid, names another image,
// has packages of other architectures only, or lists no operating system package although the
// image has a package database.
//
// For a daemon's image the layer is read first ([Subject.Archive]), then for a short time the
// registry that the image was pulled from ([Subject.Origin]).
//
// # Requests
//
// The index's referrers are listed only if those of the manifest have no usable SBOM
// (concurrently if the registry is known to have the API), because without the API each list
// costs two requests. Apart from authentication, an SBOM among the manifest's referrers costs
// at most 4 requests, one among the index's 5, and finding nothing 6; see TestRequests for
// what is counted. Reading an artifact of an unknown type costs two or three more.
//
// # Trust
//
// With [Trust.Keys] only what one of them signed counts: DSSE envelopes, bare or in a Sigstore
// bundle, and manifests with a cosign signature (tag <algorithm>-<hex>.sig). This includes
// declarations. The signed bytes must name the image. A cosign signature over an attached
// .sbom manifest names only that manifest, so it is unbound and counts only with
// [Trust.Unbound].
//
// With [Trust.Identities] certificates from Sigstore count as well if issuer and subject match
// an identity: in Sigstore bundles about the image and, for a separate artifact such as a
// declaration, in a bundle among the artifact's referrers that signs it (cosign's signature,
// or SLSA provenance). [Trust.Verify] verifies; see package keyless. Certificates in
// annotations, as older cosign versions write them, are ignored.
//
// The API is stable from version 1.0 on; see docs/library.md.
package attach
