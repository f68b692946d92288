package lifecycle

import (
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/attach"
)

// A BaseImage is what is known of a base image when plans are resolved and Dockerfiles are judged.
type BaseImage struct {
	Reference string             // as people spell it
	Digest    string             // of its manifest, or the image ID; empty: not known
	Set       *provides.Set      // what it provides; nil: no inventory is known
	Config    *extensions.Config // nil: not known
	Carrier   attach.Carrier     // where the inventory is from
	Why       string             // why no inventory is known, for people; empty: nothing is said
	Extended  bool               // the run image with the layers of extensions, whose scan finds no declaration
}

// unknown is how resolution.toml spells that no inventory is known.
const unknown = "unknown"

// Resolved is the image as resolution.toml has it.
func (b BaseImage) Resolved() platform.ResolvedImage {
	r := platform.ResolvedImage{Image: b.Reference, Digest: b.Digest, Inventory: string(b.Carrier)}
	if b.Set == nil {
		r.Inventory = unknown
	}
	return r
}

// Stand is the image as Dockerfiles stand on it.
func (b BaseImage) Stand() extensions.Base {
	return extensions.Base{Reference: b.Reference, Set: b.Set, Config: b.Config}
}

// generated reports whether the inventory was made here rather than attached.
func (b BaseImage) generated() bool {
	return b.Carrier == attach.Generated || b.Carrier == attach.Cache
}
