// Package attach finds the SBOM that travels with an image, decides whether it
// can be believed, and attaches one.
//
// Start with [Finder], a struct literal: Find stops at the first carrier that
// holds a valid, fresh and (with keys) signed SBOM, FindAll reads every carrier.
// Both report everything that was looked at, and what came of it, as
// [Finding]s, which phases write to <layers>/run-image.toml. An
// [Attacher] goes the other way.
//
// # Carriers, in the order in which they are searched
//
//  1. what the platform gives: a file, or a directory of <algorithm>-<hex>.<ext>;
//  2. referrers (OCI distribution-spec 1.1, "Listing Referrers") of the image's
//     manifest, then of its index: the API, else the tag <algorithm>-<hex>; bare
//     SBOM artifacts, Sigstore bundles, in-toto statements in DSSE envelopes,
//     Harbor's accessories, and the newest few artifacts of types not known here
//     whose content is an SBOM;
//  3. cosign's tags <algorithm>-<hex>.sbom and .att, of the manifest, then the index;
//  4. BuildKit's attestation manifests in the index: the first SBOM of each, since
//     those of build stages may follow it;
//  5. the layer that the label io.buildpacks.base.sbom names, if it is the last.
//
// Every artifact with a subject and every statement must name the digest of the
// image's manifest or index. What does not parse, names another image, has
// packages of other architectures only, or lists no operating system package
// though the image has a package database is reported and passed over, never
// believed.
//
// Of a daemon's image the layer is read first ([Subject.Archive]), and then for a
// short time the registry that it was pulled from ([Subject.Origin]).
//
// # Round trips
//
// The index's referrers are asked for only when those of the manifest hold no
// usable SBOM (side by side where the registry is already known to have the
// API), because a registry without the API costs two requests a list. So
// besides authentication a manifest's referrer costs at most 4 requests, an
// index's 5, and nothing at all 6; see TestRequests for what is counted. An
// artifact of an unknown type that is looked into costs two or three more.
//
// # Trust
//
// With [Trust.Keys] only what one of them signed counts: DSSE envelopes, as
// they stand or in a Sigstore bundle, and manifests with a cosign signature
// (tag <algorithm>-<hex>.sig). That holds for declarations too. The
// signed bytes must name the image. A cosign signature over an attached .sbom
// manifest names that manifest only, so it is unbound and counts only with
// [Trust.Unbound].
//
// With [Trust.Identities] what a certificate of Sigstore signed counts as well,
// if issuer and subject are those of an identity: Sigstore bundles about the
// image, and for an artifact of its own, such as a declaration, a bundle among
// the artifact's referrers that signs it (cosign's signature, or SLSA
// provenance). [Trust.Verify] verifies; see package keyless. Certificates in
// annotations, as older cosign writes them, are not looked at.
//
// The API is stable from version 1.0 on; see docs/library.md.
package attach
