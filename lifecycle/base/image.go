package base

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
)

// An Image is what is known of a base image when a plan is resolved and Dockerfiles are judged.
type Image struct {
	Reference string             // as people spell it
	Digest    string             // of its manifest, or the image ID; empty: not known
	Config    *extensions.Config // nil: not known
	Set       *provides.Set      // what it provides; nil: no inventory is known
	Carrier   attach.Carrier     // where the inventory is from; empty: no inventory is known
	Why       string             // why no inventory is known, for people; empty: no reason is given
	Extended  bool               // it is the run image with the layers of extensions, whose scan finds no declaration

	Report *platform.RunImageReport // run-image.toml, how the inventory was found; nil: it was not looked for
	Data   []byte                   // the SBOM as <layers>/run-image.sbom.<ext> has it; nil: there is none
}

// unknown is how resolution.toml spells that no inventory is known.
const unknown = "unknown"

// Inventory returns where the inventory is from as resolution.toml has it: a carrier, or "unknown".
func (i Image) Inventory() string {
	if i.Carrier == "" {
		return unknown
	}
	return string(i.Carrier)
}

// Generated reports whether the inventory was generated here rather than attached.
func (i Image) Generated() bool { return i.Carrier == attach.Generated || i.Carrier == attach.Cache }

// Document returns the inventory; nil if none is known.
func (i Image) Document() *sbom.Document { return i.Set.Document() }

// resolved returns the image as resolution.toml has it.
func (i Image) resolved() platform.ResolvedImage {
	return platform.ResolvedImage{Image: i.Reference, Digest: i.Digest, Inventory: i.Inventory()}
}

// base returns the image that Dockerfiles are judged against.
func (i Image) base() extensions.Base {
	return extensions.Base{Reference: i.Reference, Set: i.Set, Config: i.Config}
}

// Provider returns the image as a provider in the build plan; nil if no inventory is known.
func (i Image) Provider() resolver.Base {
	if i.Set == nil {
		return nil
	}
	return i.Set
}

// Without returns the image as if no inventory of it were known.
func (i Image) Without() Image {
	i.Set, i.Carrier = nil, ""
	return i
}

// nameOf returns an image's name as people spell it.
func nameOf(img *image.Image) string { return strings.TrimPrefix(img.Name, "docker://") }

// ProvidesOf returns what an inventory provides, by the operator's mapping and the publisher's
// declaration. What the inventory does not back is refused with a warning.
func ProvidesOf(doc *sbom.Document, mapping []provides.Mapping, declared *platform.Declared, name string, log *slog.Logger) *provides.Set {
	log = orDiscard(log)
	var declaration *provides.Declaration
	if declared != nil {
		var err error
		if declaration, err = provides.DecodeDeclaration([]byte(declared.Data), declared.Reference); err != nil {
			log.Warn(fmt.Sprintf("the declaration of %s is passed over: %v", name, err))
		}
	}
	set, refused := provides.From(doc, mapping, declaration)
	for _, r := range refused {
		log.Warn(fmt.Sprintf("%s declares that it provides %s, but %s; refused", name, r.Name, r.Why))
	}
	return set
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
