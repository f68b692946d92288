// Package resolver resolves the build plan: it tries the alternatives of a group,
// with the base image as a provider (buildpack.md, "Phase #1: Detection").
//
// Start with [Resolve]. The package does no I/O and is deterministic.
//
// The API is stable from version 1.0 on; see docs/library.md.
package resolver
