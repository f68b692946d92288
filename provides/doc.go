// Package provides turns an inventory into what its image offers to a build
// plan: a [Set] of names, each with the evidence that backs it.
package provides
