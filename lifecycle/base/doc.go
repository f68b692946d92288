// Package base answers what a base image is worth to a build: what it holds, which Dockerfiles
// are left to apply to it, and whether another image keeps what was counted on in it
// (docs/design.md).
//
// Start with [Reader], which reads an [Image], and with [Judge], which answers a [Question] with
// a [Judgement]. The package knows nothing of phases. The detector, the restorer, the creator, the
// rebaser and the commands of baseplan ask it the same question with what each of them can reach.
//
// The API is stable from version 1.0 on; see docs/library.md.
package base
