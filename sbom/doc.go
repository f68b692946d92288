// Package sbom holds what baseplan believes about an image: a [Document], its
// [Distro] and its [Package]s, whatever format told it.
//
// It is the vocabulary that every other package speaks and imports the
// standard library only. Reading and writing the formats is the work of
// sbom/format, making a Document from an image that of sbom/scan, finding one
// that travels with an image that of sbom/attach.
package sbom
