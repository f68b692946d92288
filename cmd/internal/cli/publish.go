package cli

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
)

func (c *Console) sbomPublishCommand() *cobra.Command {
	var f attachFlags
	var list, promise string
	cmd := &cobra.Command{
		Use:   "publish IMAGE... | --file LIST",
		Short: "Attach SBOMs to many images, sign them, and verify the result",
		Long: `Does for every image, and every platform of an index, what sbom attach does with the same
flags, and verifies the result as sbom find --verify does: a build uses an SBOM that matches
the image's package databases and, if it was signed, is signed. With --key or --identity, it
must be signed by one of these. Publishing the same again changes nothing.

--file LIST reads the images from a file, one in each line. Empty lines and what follows a # at
the start of a word are ignored.

--promise FILE has names and version constraints that every image must provide (files.md of
the reference). If an image lacks one or cannot be read, nothing is written for any image.
Otherwise, an image that fails does not affect the others. Before writing, what is to be
attached is judged; afterwards, what a build uses, which may be another SBOM of the image, such
as one in its last layer.

Exits 0 if all is published and verified, 3 if the promise is not kept or a build would not
use what was published, and 1 if an image failed.`,
		Example: `  baseplan sbom publish registry.example/run:noble registry.example/run:jammy --sign cosign.key
  baseplan sbom publish --file images.txt --promise names.toml --sign cosign.key --output json`,
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&list, "file", "", "file with the names of the images, one in each line")
	fl.StringVar(&promise, "promise", "", "TOML file with the names that every image must provide")
	trustFlags(cmd)
	fl.String("baseplan", "", "baseplan.toml of the operator, with mapping and trusted signers")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := c.publishing(cmd, f, promise)
		if err != nil {
			return err
		}
		all, err := p.images(args, list)
		if err != nil {
			return err
		}
		if err := p.run(cmd.Context(), all); err != nil {
			return err
		}
		return c.published(all, *output)
	}
	return cmd
}

// publishing is one run of `sbom publish`.
type publishing struct {
	source   *source
	verifier *source // also trusts the key of --sign if no other is given
	options  *attach.Options
	material *material
	promise  []platform.PromisedName
}

func (c *Console) publishing(cmd *cobra.Command, f attachFlags, promise string) (*publishing, error) {
	s, err := c.source(cmd)
	if err != nil {
		return nil, err
	}
	p := &publishing{source: s}
	if p.options, p.material, err = s.attachOptions(cmd, f); err != nil {
		return nil, err
	}
	if promise != "" {
		data, err := c.readFile(promise)
		if err != nil {
			return nil, fmt.Errorf("reading --promise: %w", err)
		}
		promised, err := platform.DecodePromise(data, promise)
		if err != nil {
			return nil, err
		}
		p.promise = promised.Provides
	}
	verifier := *s
	verifier.exactly = false // of what was published all is verified
	if p.options.Sign != nil && !s.trust.Restricted() {
		verifier.trust.Keys = []crypto.PublicKey{p.options.Sign.Public()}
	}
	p.verifier = &verifier
	return p, nil
}

// images returns the images to publish, each once.
func (p *publishing) images(args []string, list string) ([]*publication, error) {
	if (len(args) > 0) == (list != "") {
		return nil, &hinted{errors.New("give either images or --file"), "usage: baseplan sbom publish IMAGE... | --file LIST"}
	}
	if list != "" {
		data, err := p.source.console.readFile(list)
		if err != nil {
			return nil, fmt.Errorf("reading --file: %w", err)
		}
		if args, err = p.source.listed(data, list); err != nil {
			return nil, err
		}
	}
	var all []*publication
	for _, image := range args {
		ref, err := p.source.attachable(image)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(x *publication) bool { return x.ref.Name() == ref.Name() }) {
			all = append(all, &publication{name: image, ref: ref})
		}
	}
	if len(all) == 1 {
		return all, nil
	}
	for _, x := range []struct {
		flag string
		set  bool
	}{{"sbom", p.material.document != nil}, {"tag", p.options.Tag != (name.Tag{})}} {
		if x.set {
			return nil, &hinted{fmt.Errorf("--%s is about one image, and %d are given", x.flag, len(all)), "publish that image by itself"}
		}
	}
	return all, nil
}

// listed returns the images in a file.
func (s *source) listed(data []byte, file string) ([]string, error) {
	var images []string
	for n, words := range listLines(string(data)) {
		line := strings.Join(words, " ")
		if _, err := s.attachable(line); err != nil {
			return nil, &hinted{fmt.Errorf("reading %s, line %d: %w", file, n, err), "use one image in a registry in each line"}
		}
		images = append(images, line)
	}
	if len(images) == 0 {
		return nil, &hinted{fmt.Errorf("reading %s: it names no image", file), "use one image in a registry in each line"}
	}
	return images, nil
}

// listLines returns the words of each line of a list that is not empty, with its number. A word that begins with # begins
// a comment.
func listLines(text string) iter.Seq2[int, []string] {
	return func(yield func(int, []string) bool) {
		n := 0
		for line := range strings.Lines(text) {
			n++
			words := strings.Fields(line)
			if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "#") }); i >= 0 {
				words = words[:i]
			}
			if len(words) > 0 && !yield(n, words) {
				return
			}
		}
	}
}

// A publication is one image to publish, with a row for each platform.
type publication struct {
	name     string
	ref      name.Reference
	material *material
	prepared *attach.Prepared
	rows     []published
}

// run publishes. What happened is in the rows of the images.
func (p *publishing) run(ctx context.Context, all []*publication) error {
	each := func(step func(context.Context, *publication)) error {
		var group errgroup.Group
		group.SetLimit(4)
		for _, x := range all {
			group.Go(func() error {
				step(ctx, x)
				return context.Cause(ctx)
			})
		}
		return group.Wait()
	}
	if err := each(p.prepare); err != nil {
		return err
	}
	if len(p.promise) > 0 && slices.ContainsFunc(all, func(x *publication) bool { return !x.good() }) {
		for _, x := range all {
			x.leave()
		}
		return nil
	}
	return each(func(ctx context.Context, x *publication) {
		if x.prepared != nil && p.write(ctx, x) {
			p.verify(ctx, x)
		}
	})
}

// good reports whether no row tells of a failure.
func (x *publication) good() bool {
	return !slices.ContainsFunc(x.rows, func(r published) bool { return !r.good() })
}

// leave says in the rows that nothing was written.
func (x *publication) leave() {
	for i := range x.rows {
		if r := &x.rows[i]; r.State == "" {
			r.State = notWritten
		}
	}
}

// fail says in the rows why the image failed.
func (x *publication) fail(err error) {
	for i := range x.rows {
		x.rows[i].State, x.rows[i].Error = failed, err.Error()
	}
	if len(x.rows) == 0 {
		x.rows = []published{{Image: x.name, State: failed, Error: err.Error(), Attached: []attachedItem{}}}
	}
}

// prepare makes and checks what is attached to an image.
func (p *publishing) prepare(ctx context.Context, x *publication) {
	defer p.source.console.progress("reading %s", x.name)()
	x.material = p.material.again()
	options := *p.options
	options.Material = x.material.of
	attacher := attach.Attacher{Registry: p.source.images.Registry}
	prepared, err := attacher.Prepare(ctx, x.ref, options)
	if err != nil {
		x.fail(err)
		return
	}
	for _, t := range prepared.Targets {
		doc := x.material.inventories[t.Digest.String()]
		r := published{Image: x.name, Platform: spelledPlatform(t.Platform), Digest: t.Digest.String(), Packages: len(doc.Packages), Attached: []attachedItem{}}
		x.rows = append(x.rows, r)
	}
	for i, t := range prepared.Targets {
		lacks, err := p.lacksBefore(ctx, x, t)
		if err != nil {
			x.fail(err)
			return
		}
		if x.rows[i].Lacks = lacks; len(lacks) > 0 {
			x.rows[i].State = lacking
		}
	}
	x.prepared = prepared
}

// lacksBefore returns which promised names an image would lack with what is to be attached to it.
func (p *publishing) lacksBefore(ctx context.Context, x *publication, t attach.Target) ([]string, error) {
	if len(p.promise) == 0 {
		return nil, nil
	}
	doc, err := x.material.asRead(t)
	if err != nil {
		return nil, err
	}
	declaration := x.material.declaration
	if declaration == nil {
		found, err := (&attach.Finder{Trust: p.verifier.trust, Registry: p.source.images.Registry}).Find(ctx, targetSubject(t))
		if err != nil {
			return nil, err
		}
		declaration = declarationOf(found)
	}
	return p.lacks(doc, declaration), nil
}

// targetSubject returns an image as the subject of a search whose SBOMs are compared with the image's packages later.
func targetSubject(t attach.Target) attach.Subject {
	return attach.Subject{
		Ref: t.Ref, Digest: t.Digest, Image: t.Image, Index: t.Index,
		HasDatabase: func(context.Context) (bool, error) { return false, nil },
	}
}

// declarationOf returns the declaration that a build would use, or nil.
func declarationOf(found *attach.Result) *provides.Declaration {
	if found.Declaration == nil {
		return nil
	}
	declaration, err := provides.DecodeDeclaration(found.Declaration.Data, found.Declaration.Reference)
	if err != nil {
		return nil // as a build does
	}
	return declaration
}

// asRead returns the SBOM for an image as a build reads it.
func (m *material) asRead(t attach.Target) (*sbom.Document, error) {
	doc := m.inventories[t.Digest.String()]
	best := *m
	best.formats = []sbom.Format{slices.MinFunc(m.formats, func(a, b sbom.Format) int { return attach.Rank(a) - attach.Rank(b) })}
	data, err := best.encoded(doc)
	if err != nil {
		return nil, err
	}
	return format.Decode(bytes.NewReader(data[0]), t.Ref.String())
}

// lacks returns the promised names that an image lacks, with the reason.
func (p *publishing) lacks(doc *sbom.Document, declaration *provides.Declaration) []string {
	set, _ := provides.From(doc, p.source.mapping, declaration)
	var all []string
	for _, entry := range p.promise {
		if a := set.Answer(entry.Name, entry.Constraint); !a.Met {
			all = append(all, strings.TrimSpace(entry.Name+" "+entry.Constraint)+": "+a.Reason)
		}
	}
	return all
}

// write attaches and reports whether that succeeded.
func (p *publishing) write(ctx context.Context, x *publication) bool {
	defer p.source.console.progress("attaching to %s", x.name)()
	attached, err := x.prepared.Attach(ctx)
	for i, t := range x.prepared.Targets {
		r := &x.rows[i]
		r.State = thereAlready
		for _, a := range attached {
			if a.Target.DigestStr() != t.Ref.DigestStr() {
				continue
			}
			r.Attached = append(r.Attached, itemOf(a))
			if a.Changed {
				r.State = nowAttached
			}
		}
	}
	if err != nil {
		x.fail(err)
	}
	return err == nil
}
