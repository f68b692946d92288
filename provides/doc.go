// Package provides turns an inventory into what its image offers to a build
// plan: a [Set] of names, each with the evidence that backs it.
//
// Start with [From]. It takes an [sbom.Document], the operator's [Mapping] over
// the built-in one (mapping.toml), and what the image's publisher declares;
// [Set.Answer] then judges a requirement and says why. Nothing is believed of
// an image that its inventory does not back, and what the inventory cannot say
// is called unknown, never absent.
//
// Versions are compared by the rules of the package's own ecosystem
// ([Compare]) under a [Constraint]; [MatchPin] reads the pins of package
// managers. [Set.Recheck] judges a requirement again on another image. How a
// plan is resolved with the answers is the work of package resolver.
package provides
