// Package extensions holds the Dockerfiles that image extensions generate, and
// the verdict on each: has it anything left to do on this image?
// (image_extension.md, "Dockerfile Requirements"; platform.md, "detector").
//
// Start with [Judge] for the Dockerfiles of a whole group, or [Check] for a
// single one. [Read] finds them as a detector leaves them. The package does no
// I/O of its own and applies nothing.
//
// The API is stable from version 1.0 on; see docs/library.md.
package extensions
