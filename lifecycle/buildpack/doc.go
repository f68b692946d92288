// Package buildpack is the Buildpack Interface: what a buildpack or an image extension says
// of itself, how its executables are run, and what they leave behind
// (https://github.com/buildpacks/spec/blob/main/buildpack.md).
//
// Start with [Store], which finds a [Descriptor]; Descriptor.Detect, Generate and Build run
// it. A [LayersDir] is where a buildpack keeps its layers.
//
// The package does not know orders, plans of a group or images: that is the phases' work.
//
// The API is stable from version 1.0 on; see docs/library.md.
package buildpack
