package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// What happened to an image.
const (
	nowAttached  = "attached"
	thereAlready = "there already"
	notWritten   = "not written" // because of another image
	lacking      = "lacks names"
	differing    = "differs"
	unused       = "not used"
	failed       = "failed"
)

// A publishDocument is the output of `sbom publish --output json`.
type publishDocument struct {
	envelope
	Images []published `json:"images"` // a row for each platform
}

// A published image is one row.
type published struct {
	Image     string         `json:"image"`
	Platform  string         `json:"platform,omitempty"`
	Digest    string         `json:"digest,omitempty"`
	Packages  int            `json:"packages"`
	State     string         `json:"state" jsonschema:"enum=attached,enum=there already,enum=not written,enum=lacks names,enum=differs,enum=not used,enum=failed"`
	Lacks     []string       `json:"lacks,omitempty"` // promised names, with the reason
	Attached  []attachedItem `json:"attached"`
	Used      string         `json:"used,omitempty"` // reference of the SBOM that a build would use
	Verified  bool           `json:"verified"`       // compared with the image's package databases
	NotThere  []string       `json:"claimed-but-not-in-the-image,omitempty"`
	NotListed []string       `json:"in-the-image-but-not-listed,omitempty"`
	Error     string         `json:"error,omitempty"`
	attach.Signature
	why string // for people
}

// good reports whether a build would use what was published, as far as is known.
func (r published) good() bool {
	return r.State == "" || r.State == nowAttached || r.State == thereAlready
}

// verify compares what a build would use of an image with its package databases.
func (p *publishing) verify(ctx context.Context, x *publication) {
	for i, t := range x.prepared.Targets {
		if err := p.verifyTarget(ctx, x, &x.rows[i], t); err != nil {
			x.rows[i].State, x.rows[i].Error = failed, err.Error()
		}
	}
}

func (p *publishing) verifyTarget(ctx context.Context, x *publication, r *published, t attach.Target) error {
	img, err := p.publishedImage(ctx, x, r, t)
	if err != nil {
		return err
	}
	defer img.Close()
	f, err := p.verifier.findAll(ctx, img, true)
	if err != nil {
		return err
	}
	if f.found.Found == nil {
		r.State, r.why = unused, "no build would use it: "+unusable(f.found)
		return nil
	}
	r.Used, r.Signature, r.Verified = f.found.Found.Reference, f.found.Found.Signature, len(f.scanned.Databases) > 0
	if r.Lacks = p.lacks(f.found.Found.Document, declarationOf(f.found)); len(r.Lacks) > 0 {
		r.State = lacking
		return nil
	}
	if p.material.declared != nil && (f.found.Declaration == nil || string(f.found.Declaration.Data) != string(p.material.declared)) {
		r.State, r.why = unused, "a build uses another declaration: "+otherDeclaration(f.found)
		return nil
	}
	if !r.Verified {
		r.why = "the image has no package database, so nothing was compared"
		return nil
	}
	if r.NotThere, r.NotListed = f.lies, f.omits; len(f.lies)+len(f.omits) > 0 {
		r.State, r.why = differing, fmt.Sprintf("%s has %d packages that the image lacks, and lacks %d; see sbom find --verify", r.Used, len(f.lies), len(f.omits))
	}
	return nil
}

// publishedImage returns the image that something was attached to. As a layer, that is a new one.
func (p *publishing) publishedImage(ctx context.Context, x *publication, r *published, t attach.Target) (*image.Image, error) {
	if p.options.As == attach.AsLayer {
		i := slices.IndexFunc(r.Attached, func(a attachedItem) bool { return a.What == "image" })
		img, err := p.verifier.open(ctx, reference.Parse(r.Attached[i].Reference))
		if err == nil {
			img.Platform = t.Platform
		}
		return img, err
	}
	config, err := t.Image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of %s: %w", t.Ref, err)
	}
	img := &image.Image{Name: reference.Parse(x.name), Ref: x.ref, Digest: t.Digest, Config: config, Parent: t.Index, Platform: t.Platform, Image: t.Image}
	if t.Index != nil {
		img.Index = x.prepared.Digest
	}
	return img, nil
}

// unusable returns why none of the carriers with an SBOM is used.
func unusable(found *attach.Result) string {
	var all []string
	for _, x := range found.Searched {
		if x.Result != attach.None && x.Result != attach.UnknownType {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", x.Carrier, x.Result, x.Detail), ": "))
		}
	}
	return strings.Join(all, "; ")
}

// otherDeclaration returns which declaration is used instead, or why none is.
func otherDeclaration(found *attach.Result) string {
	if found.Declaration != nil {
		return found.Declaration.Reference
	}
	return strings.Join(append([]string{"none"}, found.Warnings...), "; ")
}

// detail returns the last cell of a row.
func (r published) detail() string {
	switch {
	case r.Error != "":
		return r.Error
	case r.State == lacking:
		return strings.Join(r.Lacks, "; ")
	}
	return r.why
}

// published prints the rows and returns an error for the exit code.
func (c *Console) published(all []*publication, output string) error {
	d := publishDocument{envelopeOf("published"), []published{}}
	failures, good := 0, true
	for _, x := range all {
		d.Images = append(d.Images, x.rows...)
		good = good && x.good()
		if slices.ContainsFunc(x.rows, func(r published) bool { return r.State == failed }) {
			failures++
		}
	}
	err := c.answer(output, d, func(w io.Writer, width int) {
		t := &table{width: width, head: []string{"IMAGE", "PLATFORM", "PACKAGES", "SIGNED", "STATE", "DETAIL"}}
		for _, r := range d.Images {
			packages, signed := "", ""
			if r.Digest != "" {
				packages = fmt.Sprint(r.Packages)
			}
			if r.Used != "" {
				signed = yesNo(r.By() != "")
			}
			t.row(r.Image, r.Platform, packages, signed, r.State, r.detail())
		}
		t.write(w)
	}, good)
	if failures > 0 {
		return fmt.Errorf("%d of %s failed", failures, counted(len(all), "image", "images"))
	}
	return err
}

// itemOf returns what is attached as in JSON.
func itemOf(a attach.Attached) attachedItem {
	return attachedItem{
		Target: a.Target.String(), Platform: spelledPlatform(a.Platform), What: a.What, Format: a.Format,
		Reference: a.Reference, Digest: a.Digest.String(), Changed: a.Changed,
	}
}

func spelledPlatform(p *v1.Platform) string {
	if p == nil {
		return ""
	}
	return p.String()
}
