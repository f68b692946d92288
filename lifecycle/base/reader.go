package base

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Reader reads the inventories of base images (docs/design.md, "Evidence").
type Reader struct {
	Images  *image.Opener
	Locator reference.Locator  // of the images that are opened by name
	Finder  *attach.Finder     // required: finds attached SBOMs
	Policy  platform.RunSBOM   // empty: auto
	Fresh   bool               // always generate; of what is attached only a declaration counts
	Mapping []provides.Mapping // the operator's, added to the built-in table

	// Scan reads the packages of an image from its file system; nil: never.
	Scan func(context.Context, *image.Image) (*sbom.Document, error)
	// Cache is a directory for the results of Scan, by image digest; empty: no cache.
	Cache string

	Log *slog.Logger // nil: silent

	other bool // images are not the one described by the platform's SBOM
}

// Other returns a reader for images that the platform's SBOM file does not describe: all but the run
// image named by the platform.
func (r *Reader) Other() *Reader {
	other := *r
	other.other = true
	return &other
}

// ReadReference opens an image and reads it like Read.
func (r *Reader) ReadReference(ctx context.Context, name reference.Reference) (Image, error) {
	return r.CompleteReference(ctx, name, Image{Reference: name})
}

// CompleteReference opens an image and completes it like Complete.
func (r *Reader) CompleteReference(ctx context.Context, name reference.Reference, found Image) (Image, error) {
	img, err := r.Open(ctx, name)
	if err != nil {
		return Image{}, err
	}
	defer img.Close()
	return r.Complete(ctx, img, found)
}

// Open opens an image. The caller closes it.
func (r *Reader) Open(ctx context.Context, name reference.Reference) (*image.Image, error) {
	return r.Images.Open(ctx, r.Locator.Locate(name))
}

// Read returns an image with its attached inventory, or else a generated one. The name is what the user
// wrote; the zero value: the name that img was opened by.
func (r *Reader) Read(ctx context.Context, img *image.Image, name reference.Reference) (Image, error) {
	return r.Complete(ctx, img, Image{Reference: name})
}

// Complete adds the inventory to an image. It searches unless found has a report, and generates an
// inventory if none is attached and the policy allows it.
func (r *Reader) Complete(ctx context.Context, img *image.Image, found Image) (Image, error) {
	if found.Report == nil {
		var err error
		if found, err = r.Attached(ctx, img, found.Reference); err != nil {
			return Image{}, err
		}
	}
	if found.Set != nil {
		return found, nil
	}
	if r.Policy == platform.Attached && !r.Fresh {
		return Image{}, fmt.Errorf("%s has no usable SBOM, and none is generated (run-sbom is attached)", found.Reference)
	}
	orDiscard(r.Log).Info(fmt.Sprintf("Reading the packages of %s: no SBOM is attached", found.Reference))
	return r.Generate(ctx, img, found)
}

// Attached returns an image with its attached inventory. If there is none, Set is nil; under the policy
// attached that is an error.
func (r *Reader) Attached(ctx context.Context, img *image.Image, name reference.Reference) (Image, error) {
	found, err := r.Finder.Find(ctx, r.Subject(img))
	if err != nil {
		return Image{}, err
	}
	log := orDiscard(r.Log)
	for _, w := range found.Warnings {
		log.Warn(fmt.Sprintf("%s: %s", img.Name, w))
	}
	if r.Fresh {
		found.Found, found.Searched = nil, nil
	}
	out := r.image(img, name)
	out.Report.SetResult(found)
	for _, s := range out.Report.Searched {
		text := fmt.Sprintf("ignoring an SBOM of %s: %s: %s: %s", img.Name, s.Carrier, s.Result, s.Detail)
		switch {
		case s.Result == attach.Found || s.Result == attach.None:
		case s.Result == attach.Unreachable && img.Files != nil:
			log.Info(text) // a daemon image's registry need not be reachable
		default:
			log.Warn(text)
		}
	}
	if found.Found == nil {
		if r.Policy == platform.Attached && !r.Fresh {
			return Image{}, found.Missing(img.Name.String())
		}
		return out, nil
	}
	out.Data, err = found.Found.JSON()
	return r.holding(out, found.Found.Document), err
}

// image returns an image without its inventory.
func (r *Reader) image(img *image.Image, name reference.Reference) Image {
	if name.IsZero() {
		name = nameOf(img)
	}
	config := configOf(img)
	return Image{
		Reference: name, Digest: img.Digest.String(), Config: config,
		Report: &platform.RunImageReport{Version: sbom.FileVersion, Image: name.String(), Digest: img.Digest.String(), Config: config},
	}
}

// holding adds an inventory to an image. Its source is in the image's report.
func (r *Reader) holding(out Image, doc *sbom.Document) Image {
	out.Carrier = out.Report.SBOM.Carrier
	out.Set = ProvidesOf(doc, r.Mapping, out.Report.Declaration, out.Reference.String(), r.Log)
	return out
}

// Generate returns an image with an inventory read from its file system, or from the cache. It keeps
// the report of an earlier search.
func (r *Reader) Generate(ctx context.Context, img *image.Image, found Image) (Image, error) {
	if r.Scan == nil {
		return Image{}, errors.New("generating inventories is not supported here")
	}
	out := r.image(img, found.Reference)
	if found.Report != nil {
		report := *found.Report
		out.Report = &report
	}
	carrier := attach.Cache
	doc := r.kept(img)
	if doc == nil {
		start := time.Now()
		var err error
		if doc, err = r.Scan(ctx, img); err != nil {
			return Image{}, fmt.Errorf("generating an inventory of %s: %w", img.Name, err)
		}
		carrier = attach.Generated
		orDiscard(r.Log).Debug(fmt.Sprintf("Generated an inventory of %s in %s", img.Name, time.Since(start).Round(time.Millisecond)))
	}
	var data bytes.Buffer
	if err := format.Encode(&data, doc, sbom.Syft); err != nil {
		return Image{}, fmt.Errorf("encoding the inventory of %s: %w", img.Name, err)
	}
	out.Data = data.Bytes()
	out.Report.SBOM = &platform.SBOMSource{Carrier: carrier, Format: sbom.Syft, Packages: len(doc.Packages)}
	if carrier == attach.Generated {
		r.keep(img, out.Data)
	}
	return r.holding(out, doc), nil
}

// Subject returns an image as the subject of an SBOM search.
func (r *Reader) Subject(img *image.Image) attach.Subject {
	subject := attach.Subject{Ref: img.Ref, Digest: img.Digest, Image: img.Image, Config: img.Config, Index: img.Parent, Switched: r.other}
	if r.Scan != nil {
		subject.HasDatabase = func(ctx context.Context) (bool, error) {
			doc, err := r.Scan(ctx, img)
			return err == nil && len(doc.Databases) > 0, err
		}
	}
	for _, name := range img.RepoDigests {
		subject.Names = append(subject.Names, reference.Recorded(name).Digest)
	}
	if img.Files == nil {
		return subject
	}
	subject.Archive = img.Files.Archive
	if len(img.RepoDigests) > 0 {
		subject.Origin = func(ctx context.Context) (attach.Subject, error) {
			from, err := r.Images.Origin(ctx, img)
			if err != nil {
				return attach.Subject{}, err
			}
			return attach.Subject{Ref: from.Ref, Digest: from.Digest, Index: from.Parent}, nil
		}
	}
	return subject
}
