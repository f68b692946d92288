// Package base evaluates the base images of a build: which packages they contain, which Dockerfiles
// remain to be applied, and whether a replacement image keeps what the build relies on
// (docs/design.md).
//
// Start with [Reader], which reads an [Image], and with [Judge], which answers a [Question] with
// a [Judgement]. The package knows nothing of phases: the detector, the restorer, the creator, the
// rebaser and the commands of baseplan ask the same question, each with the images it can read.
//
// The API is stable from version 1.0 on; see docs/library.md.
package base
