// Package sbom describes the contents of an image: a [Document] lists each [Package] and
// names the [Distro], independent of the SBOM format.
//
// Start with [Document]. The package imports the standard library only. Sibling
// packages do the work: sbom/format reads and writes the formats, sbom/scan
// generates a Document from an image, and sbom/attach finds the SBOM that is
// attached to an image.
//
// The API is stable from version 1.0 on; see docs/library.md.
package sbom
