// Package resolver holds the build plan's vocabulary and its algebra: trials,
// the choice among alternatives, and the base image as a provider
// (buildpack.md, "Phase #1: Detection").
//
// Start with [Resolve]. The package does no I/O: same values in, same values
// out.
package resolver
