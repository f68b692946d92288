// Package format reads and writes the three SBOM formats of buildpacks:
// [Decode] makes an [sbom.Document] of CycloneDX, SPDX or Syft JSON, told apart
// by content and never by name, and [Encode] writes one.
//
//	format      read                                  written
//	CycloneDX   1.0 to 1.7, JSON and XML              1.6 JSON
//	SPDX        2.1 to 2.3, JSON and tag-value, 3.0   2.3 JSON
//	Syft        Syft JSON, schema 2 to 16             16.1.10
//
// Compression and attestations around a document are taken off ([Unwrap]).
//
// # What is installed
//
// A document lists more than the packages of the image. Not installed are the
// packages of another root file system in the image, of a container within it, and
// of package files that lie around; sources; and what the document says is excluded,
// optional, or of the build alone. Of a package of the operating system, the purl has
// the type, name, version and architecture that tools compare, and it is believed
// over other fields.
//
// Which image a document says it describes is in [sbom.Document.About]: it is for
// the reader to compare.
//
// # What a format can say
//
// The formats differ in what they carry, and so do the tools that write them.
// What a document has no place for is unknown, which is not the same as absent
// ([sbom.Facts]):
//
//	fact       CycloneDX                   SPDX                       Syft JSON
//	Arch       purl                        purl                       metadata
//	Upstream   purl, properties            purl, sourceInfo           metadata
//	Virtual    apk, by Syft                never                      apk since 6.0.0, deb 11.0.1, rpm 16.0.9
//	Files      never; files without owner  listed, maybe not all      apk, rpm; of deb all but links
//
// Files that a document does list are in the [sbom.Package] whether or not they
// are all; only the fact says that there are no others.
//
// Documents that [Encode] wrote say more, in names that begin with "baseplan"
// and that other tools pass over: CycloneDX properties, SPDX annotations, one
// more key in Syft JSON. They say which facts are known, so that a document
// survives a round trip through any of the formats, save what is said at
// [Encode].
//
// # Bad input
//
// A document that says two things is not believed: a key that stands twice in
// an object, the marks of two formats, a package that contains itself. (That
// packages depend on each other in a circle is common and true.) Input may be
// hostile: it is read as a stream with limits on size ([MaxSize]), depth of
// nesting, and the number of elements, so memory stays bounded.
//
// # Libraries
//
// SPDX tag-value, and all writing of CycloneDX and SPDX, is done by the projects'
// own libraries. JSON and XML are read into small structs of our own: their large
// ones take gigabytes for a few megabytes of empty elements. Under the JSON is
// encoding/json/v2 (by the module that mirrors it, until Go 1.27), which refuses
// duplicate keys, limits nesting, and reads 10 MB of CycloneDX in 45 ms
// where the library needs 300.
package format
