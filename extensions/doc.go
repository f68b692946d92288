// Package extensions judges the Dockerfiles that image extensions generate: has a
// Dockerfile anything left to do on this image? (image_extension.md, "Dockerfile
// Requirements"; platform.md, "detector").
//
// Start with [Judge] for the Dockerfiles of a whole group, or [Check] for a single
// one. [Read] reads them from the detector's output. The package does no I/O of its
// own and applies nothing.
//
// The API is stable from version 1.0 on; see docs/library.md.
package extensions
