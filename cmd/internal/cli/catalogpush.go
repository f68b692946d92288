package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// pushFlags are the inputs of `catalog push`.
type pushFlags struct {
	images     []string
	file, sign string
	skip       bool
}

func (c *Console) catalogPushCommand() *cobra.Command {
	var f pushFlags
	cmd := &cobra.Command{
		Use:   "push REPO --run IMAGE...",
		Short: "Push a catalog of run images",
		Long: `Reads the inventories of run images, with all platforms of each (or that of --platform), and
pushes a catalog: what they provide, with digests and sizes. baseplan select --catalog and the
creator (CNB_RUN_IMAGE_CATALOG) choose from it with one request instead of reading the
inventory of each image.

REPO is a repository in a registry; without a tag, the tag is latest. Pushing the same images
again changes nothing, and a tag of something else is not overwritten. Push the catalog again
whenever an image changes: an entry with another digest than the image's is ignored.

If an image cannot be read, nothing is pushed, unless --skip-unreadable is set.

--sign KEY signs with a private key, as baseplan sbom attach does. To sign with a certificate, use
cosign sign with the reference by digest that is printed.`,
		Example: `  baseplan catalog push registry.example/run-images --run registry.example/run:tiny --run registry.example/run:full
  baseplan catalog push registry.example/run-images --file run-images.txt --sign cosign.key`,
		Args: cobra.ExactArgs(1),
	}
	inventoriesFlags(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&f.images, "run", nil, "run image (repeatable)")
	fl.StringVar(&f.file, "file", "", "file with one run image on each line")
	fl.StringVar(&f.sign, "sign", "", "private key to sign with")
	fl.BoolVar(&f.skip, "skip-unreadable", false, "leave out images that cannot be read")
	cmd.MarkFlagsOneRequired("run", "file")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		return s.pushCatalog(cmd.Context(), args[0], f, *output)
	}
	return cmd
}

// A pushedDocument is the output of `catalog push --output json`.
type pushedDocument struct {
	envelope
	Reference string          `json:"reference"` // by digest
	Digest    string          `json:"digest"`
	Changed   bool            `json:"changed"`
	Images    []catalog.Image `json:"images"`
}

func (s *source) pushCatalog(ctx context.Context, ref string, f pushFlags, output string) error {
	tag, err := s.catalogTag(ref)
	if err != nil {
		return err
	}
	images, err := s.runImages(f)
	if err != nil {
		return err
	}
	var o attach.PushOptions
	if o.Created, err = build.SourceDate(s.console.env("SOURCE_DATE_EPOCH"), time.Time{}); err != nil {
		return err
	}
	if f.sign != "" {
		if o.Sign, err = s.signer(f.sign); err != nil {
			return err
		}
	}
	entries, err := s.entries(ctx, images, f.skip)
	if err != nil {
		return err
	}
	data, err := catalog.Encode(entries)
	if err != nil {
		return err
	}
	written, err := catalog.Decode(data, tag.String()) // so that it can be read
	if err != nil {
		return err
	}
	done := s.console.progress("pushing %s", tag)
	pushed, err := (&attach.Attacher{Registry: s.images.Registry}).Push(ctx, tag, catalog.Type, data, o)
	done()
	if errors.Is(err, attach.ErrOtherArtifact) {
		return fmt.Errorf("%s is not a catalog; use another repository or tag", tag)
	}
	if err != nil {
		return err
	}
	d := pushedDocument{envelopeOf("catalog-pushed"), pushed.Reference, pushed.Digest.String(), pushed.Changed, written.Images}
	return s.console.answer(output, d, func(w io.Writer, _ int) {
		state := thereAlready
		if d.Changed {
			state = "pushed"
		}
		fmt.Fprintf(w, "%s: %s, %s\n", d.Reference, state, counted(len(d.Images), "image", "images"))
	}, true)
}

// runImages returns the images of the flags, each once. They must be in registries.
func (s *source) runImages(f pushFlags) ([]string, error) {
	all := slices.Clone(f.images)
	for _, ref := range all {
		if _, err := s.images.Registry.Reference(reference.Parse(ref)); err != nil {
			return nil, &hinted{err, "a catalog lists images in registries"}
		}
	}
	if f.file != "" {
		data, err := s.console.readFile(f.file)
		if err != nil {
			return nil, fmt.Errorf("reading --file: %w", err)
		}
		more, err := s.listed(data, f.file)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// entries reads the images, several at a time.
func (s *source) entries(ctx context.Context, images []string, skip bool) ([]catalog.Entry, error) {
	found := make([][]catalog.Entry, len(images))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, ref := range images {
		g.Go(func() error {
			var err error
			found[i], err = onPlatforms(ctx, s, ref, entryOf)
			if err != nil && skip && ctx.Err() == nil {
				s.console.warn("leaving out %s: %v", ref, err)
				found[i], err = nil, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(found...)
	if len(all) == 0 {
		return nil, errors.New("none of the images can be read")
	}
	return all, nil
}

// entryOf reads an image for a catalog.
func entryOf(ctx context.Context, s *source, img *image.Image) (catalog.Entry, error) {
	b, err := s.inventory(ctx, img)
	if err != nil {
		return catalog.Entry{}, err
	}
	target, err := lifecycle.TargetOf(ctx, img)
	if err != nil {
		return catalog.Entry{}, err
	}
	out := catalog.Entry{Part: b.Set.Part(), Image: catalog.Image{
		Name: img.Name.String(), Digest: img.Digest.String(), OS: target.OS, Arch: target.Arch, Variant: target.Variant, Packages: len(b.Document().Packages),
	}}
	if img.Parent != nil {
		out.Index = img.Index.String()
	}
	if target.Distro != nil {
		out.Distro, out.Release = target.Distro.Name, target.Distro.Version
	}
	manifest, err := img.Image.Manifest()
	if err != nil {
		return catalog.Entry{}, fmt.Errorf("reading manifest of %s: %w", img.Name, err)
	}
	for _, layer := range manifest.Layers {
		out.Size += layer.Size
	}
	return out, nil
}
