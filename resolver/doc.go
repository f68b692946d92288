// Package resolver resolves the build plan: it tries the alternatives of a group,
// with the base image as a provider (buildpack.md, "Phase #1: Detection").
//
// Start with [Resolve]. The package does no I/O and is deterministic.
package resolver
