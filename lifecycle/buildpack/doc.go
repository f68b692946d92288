// Package buildpack implements the Buildpack Interface: descriptors of buildpacks and image extensions,
// running their executables, and reading what they leave
// (https://github.com/buildpacks/spec/blob/main/buildpack.md).
//
// Start with [Store], which finds a [Descriptor]; Descriptor.Detect, Generate and Build run
// its executables. A [LayersDir] is a buildpack's directory of layers.
//
// Orders, the plan of a group and images are left to the phases.
//
// The API is stable from version 1.0 on; see docs/library.md.
package buildpack
