package base

import (
	"fmt"
	"log/slog"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An Image is what is known of a base image.
type Image struct {
	Reference reference.Reference // as the user wrote it
	Digest    string              // of the manifest, or the image ID; empty: unknown
	Config    *extensions.Config  // nil: unknown
	Set       *provides.Set       // what it provides; nil: no inventory
	Carrier   attach.Carrier      // where the inventory is from; empty: no inventory
	Why       string              // why there is no inventory; may be empty
	Extended  bool                // a run image with layers of extensions, whose scan finds no declaration

	Report *platform.RunImageReport // run-image.toml, how the inventory was found; nil: not searched
	Data   []byte                   // the SBOM as written to <layers>/run-image.sbom.<ext>; nil: none
}

// unknown is the value in resolution.toml for an image without an inventory.
const unknown = "unknown"

// Inventory returns the source of the inventory for resolution.toml: a carrier, or "unknown".
func (i Image) Inventory() string {
	if i.Carrier == "" {
		return unknown
	}
	return string(i.Carrier)
}

// Generated reports whether the inventory was generated rather than attached.
func (i Image) Generated() bool { return i.Carrier == attach.Generated || i.Carrier == attach.Cache }

// Document returns the inventory, or nil.
func (i Image) Document() *sbom.Document { return i.Set.Document() }

// Resolved returns the image as recorded in resolution.toml.
func (i Image) Resolved() platform.ResolvedImage {
	return platform.ResolvedImage{Image: i.Reference.String(), Digest: i.Digest, Inventory: i.Inventory()}
}

// base returns the image that Dockerfiles are judged against.
func (i Image) base() extensions.Base {
	return extensions.Base{Reference: i.Reference.String(), Set: i.Set, Config: i.Config}
}

// Provider returns the image as a provider in the build plan, or nil if it has no inventory.
func (i Image) Provider() resolver.Base {
	if i.Set == nil {
		return nil
	}
	return i.Set
}

// Without returns the image without its inventory.
func (i Image) Without() Image {
	i.Set, i.Carrier = nil, ""
	return i
}

// nameOf returns the name of an image as the user wrote it.
func nameOf(img *image.Image) reference.Reference {
	if img.Name.Kind == reference.Daemon {
		return reference.Parse(img.Name.Record())
	}
	return img.Name
}

// ProvidesOf returns what an inventory provides, with the operator's mapping and the publisher's
// declaration. It logs a warning for each declared name that the inventory does not support. The warning names
// the image with of.
func ProvidesOf(doc *sbom.Document, mapping []provides.Mapping, declared *platform.Declared, of string, log *slog.Logger) *provides.Set {
	log = orDiscard(log)
	var declaration *provides.Declaration
	if declared != nil {
		var err error
		if declaration, err = provides.DecodeDeclaration([]byte(declared.Data), declared.Reference); err != nil {
			log.Warn(fmt.Sprintf("ignoring the declaration of %s: %v", of, err))
		}
	}
	set, refused := provides.From(doc, mapping, declaration)
	for _, r := range refused {
		log.Warn(fmt.Sprintf("refusing the declaration of %s that it provides %s: %s", of, r.Name, r.Why))
	}
	return set
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
