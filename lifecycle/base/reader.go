package base

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
)

// A Reader reads what base images hold (docs/design.md, Evidence).
type Reader struct {
	Images  *image.Opener
	Ref     func(string) string // spells a reference for Images; nil: as it is
	Finder  *attach.Finder      // required: finds what is attached
	Policy  platform.RunSBOM    // empty: auto
	Fresh   bool                // inventories are generated; of what is attached only a declaration counts
	Mapping []provides.Mapping  // the operator's, over the built-in table

	// Scan reads the packages of an image out of the image itself; nil: that is never done.
	Scan func(context.Context, *image.Image) (*sbom.Document, error)
	// Cache is a directory that keeps what Scan found, by image digest; empty: nothing is kept.
	Cache string

	Log *slog.Logger // nil: silent

	other bool // images are not the one that the platform's SBOM describes
}

// Other returns a reader of images that the platform's SBOM file does not describe: all but the run
// image that the platform named.
func (r *Reader) Other() *Reader {
	other := *r
	other.other = true
	return &other
}

// ReadReference opens an image and reads it as Read does.
func (r *Reader) ReadReference(ctx context.Context, reference string) (Image, error) {
	return r.CompleteReference(ctx, reference, Image{Reference: reference})
}

// CompleteReference opens an image and completes what is known of it as Complete does.
func (r *Reader) CompleteReference(ctx context.Context, reference string, found Image) (Image, error) {
	img, err := r.Open(ctx, reference)
	if err != nil {
		return Image{}, err
	}
	defer img.Close()
	return r.Complete(ctx, img, found)
}

// Open opens an image, which the caller closes.
func (r *Reader) Open(ctx context.Context, reference string) (*image.Image, error) {
	if r.Ref != nil {
		reference = r.Ref(reference)
	}
	return r.Images.Open(ctx, reference)
}

// Read returns what is attached to an image, else what is in it. The name is how people spell it;
// empty: as it was opened.
func (r *Reader) Read(ctx context.Context, img *image.Image, name string) (Image, error) {
	return r.Complete(ctx, img, Image{Reference: name})
}

// Complete returns an image with its inventory. It searches if found has no report, and generates if the
// search found nothing, which the policy attached forbids.
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
	orDiscard(r.Log).Info(fmt.Sprintf("Reading the packages of %s, since no SBOM is attached", found.Reference))
	return r.Generate(ctx, img, found)
}

// Attached returns an image with the inventory that is attached to it. If there is none, Set is nil,
// and under the policy attached that is an error.
func (r *Reader) Attached(ctx context.Context, img *image.Image, name string) (Image, error) {
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
		text := fmt.Sprintf("an SBOM of %s is passed over: %s: %s: %s", img.Name, s.Carrier, s.Result, s.Detail)
		switch {
		case s.Result == attach.Found || s.Result == attach.None:
		case s.Result == attach.Unreachable && img.Files != nil:
			log.Info(text) // the registry of a daemon's image need not be within reach
		default:
			log.Warn(text)
		}
	}
	if found.Found == nil {
		if r.Policy == platform.Attached && !r.Fresh {
			return Image{}, found.Missing(img.Name)
		}
		return out, nil
	}
	out.Data, err = found.Found.JSON()
	return r.holding(out, found.Found.Document), err
}

// image returns what is known of an image without looking for its inventory.
func (r *Reader) image(img *image.Image, name string) Image {
	if name == "" {
		name = nameOf(img)
	}
	config := configOf(img)
	return Image{
		Reference: name, Digest: img.Digest.String(), Config: config,
		Report: &platform.RunImageReport{Version: sbom.FileVersion, Image: name, Digest: img.Digest.String(), Config: config},
	}
}

// holding returns an image with an inventory, whose source is in its report.
func (r *Reader) holding(out Image, doc *sbom.Document) Image {
	out.Carrier = out.Report.SBOM.Carrier
	out.Set = ProvidesOf(doc, r.Mapping, out.Report.Declaration, out.Reference, r.Log)
	return out
}

// Generate returns an image with the packages that were read out of the image itself, now or at an
// earlier time. It keeps the report of an earlier search.
func (r *Reader) Generate(ctx context.Context, img *image.Image, found Image) (Image, error) {
	if r.Scan == nil {
		return Image{}, errors.New("nothing generates inventories here")
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

// Subject returns an image as the search for its SBOM knows it.
func (r *Reader) Subject(img *image.Image) attach.Subject {
	subject := attach.Subject{Ref: img.Ref, Digest: img.Digest, Image: img.Image, Config: img.Config, Index: img.Parent, Switched: r.other}
	if r.Scan != nil {
		subject.HasDatabase = func(ctx context.Context) (bool, error) {
			doc, err := r.Scan(ctx, img)
			return err == nil && len(doc.Databases) > 0, err
		}
	}
	for _, name := range img.RepoDigests {
		subject.Names = append(subject.Names, name[strings.LastIndexByte(name, '@')+1:])
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
