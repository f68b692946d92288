// Package provides derives from an inventory what an image offers to a build plan:
// a [Set] of names, each with its evidence.
//
// Start with [From]. It takes an [sbom.Document], the operator's [Mapping], which
// overrides the built-in one (mapping.toml), and the publisher's declaration.
// [Set.Answer] then judges a requirement and gives the reason. A name counts only
// if the inventory backs it. What the inventory cannot show is unknown, not absent.
//
// Versions are compared by the rules of the package's ecosystem ([Compare]) under a
// [Constraint]. [Set.Recheck] judges a requirement on another image. Package resolver resolves a
// build plan with the answers.
//
// The API is stable from version 1.0 on; see docs/library.md.
package provides
