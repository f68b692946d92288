// Package format reads and writes the three SBOM formats of buildpacks.
//
// Start with [Decode]. It reads CycloneDX, SPDX or Syft JSON into an [sbom.Document] and detects the format
// from the content, never from the file name. [Encode] writes a document.
//
//	format      read                                  written
//	CycloneDX   1.0 to 1.7, JSON and XML              1.6 JSON
//	SPDX        2.1 to 2.3, JSON and tag-value, 3.0   2.3 JSON
//	Syft        Syft JSON, schema 2 to 16             16.1.10
//
// Compression and attestations around a document are removed; see [Unwrap].
//
// # Installed packages
//
// A document can list more than the packages of the image. Decode leaves out
// packages of another root file system or container within the image, package files
// that are not installed, source packages, and what the document marks as excluded,
// optional or needed only at build time. For an operating system package, the type,
// name, version and architecture in the package URL are the ones that tools
// compare, so they win over other fields.
//
// [sbom.Document.About] identifies the image that a document describes. The caller
// compares it with the image at hand.
//
// # What a format can state
//
// The formats differ in what they carry, and so do the tools that write them. What
// a document has no place for is unknown, which is not the same as absent
// ([sbom.Facts]):
//
//	fact       CycloneDX                   SPDX                       Syft JSON
//	Arch       package URL                 package URL                metadata
//	Upstream   package URL, properties     package URL, sourceInfo    metadata
//	Virtual    apk, by Syft                never                      apk since 6.0.0, deb 11.0.1, rpm 16.0.9
//	Files      never; files without owner  listed, maybe not all      apk, rpm; for deb all but links
//
// An [sbom.Package] has the files that the document lists, complete or not; only
// the fact Files says that there are no others.
//
// Documents written by [Encode] carry more, under names that begin with "baseplan"
// and that other tools ignore: CycloneDX properties, SPDX annotations, one extra
// key in Syft JSON. They record which facts are known, so that a document survives
// a round trip through any format, with the exceptions listed at [Encode].
//
// # Bad input
//
// Decode rejects contradictory documents: a repeated key in an object, the keys of
// two formats, a package that contains itself. (Dependency cycles are common and
// valid.) Input may be hostile: it is read as a stream with limits on size
// ([MaxSize]), nesting depth and number of elements, so memory stays bounded.
//
// # Libraries
//
// The projects' own libraries read SPDX tag-value and write CycloneDX and SPDX.
// JSON and XML are read into small structs of this package, since the libraries'
// types use gigabytes for a few megabytes of empty elements. The JSON decoder is
// encoding/json/v2 (from its mirror module until Go 1.27). It rejects duplicate
// keys, limits nesting, and reads 10 MB of CycloneDX in 45 ms where the library
// takes 300 ms.
//
// The API is stable from version 1.0 on; see docs/library.md.
package format
