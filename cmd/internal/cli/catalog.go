package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) catalogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "catalog", Short: "Push and show catalogs of run images", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }, // otherwise an unknown command is not an error
	}
	cmd.AddCommand(c.catalogPushCommand(), c.catalogShowCommand())
	return cmd
}

func (c *Console) catalogShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show REPO",
		Short: "List the images of a catalog",
		Long: `Lists the images of a catalog with their platforms, distributions and sizes, and checks its
signature if keys or identities are given.`,
		Example: "  baseplan catalog show registry.example/run-images",
		Args:    cobra.ExactArgs(1),
	}
	trustFlags(cmd)
	cmd.Flags().String("baseplan", "", "baseplan.toml of the operator, with keys and identities")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		found, err := s.catalog(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return c.showCatalog(found, *output)
	}
	return cmd
}

// A catalogDocument is the output of `catalog show --output json`.
type catalogDocument struct {
	envelope
	attach.Signature
	Reference string         `json:"reference"`
	Digest    string         `json:"digest"`
	Images    []catalogImage `json:"images"`
}

// A catalogImage is an image of a catalog.
type catalogImage struct {
	Image    string `json:"image"`
	Digest   string `json:"digest"`
	Index    string `json:"index,omitempty"`
	Platform string `json:"platform"`
	Distro   string `json:"distro,omitempty"`
	Release  string `json:"distro-version,omitempty"`
	Size     int64  `json:"size"`
	Packages int    `json:"packages"`
}

func (c *Console) showCatalog(found *base.Catalog, output string) error {
	d := catalogDocument{envelopeOf("catalog"), found.Signature, found.Reference.String(), found.Digest, []catalogImage{}}
	for _, i := range found.Images {
		d.Images = append(d.Images, catalogImage{i.Name, i.Digest, i.Index, i.Platform(), i.Distro, i.Release, i.Size, i.Packages})
	}
	return c.answer(output, d, func(w io.Writer, width int) {
		if by := found.Signature.By(); by != "" {
			fmt.Fprintf(w, "Signed by %s\n\n", by)
		}
		t := &table{width: width, head: []string{"RUN IMAGE", "PLATFORM", "DISTRIBUTION", "PACKAGES", "SIZE"}}
		for _, i := range d.Images {
			t.row(i.Image, i.Platform, strings.TrimSpace(i.Distro+" "+i.Release), fmt.Sprint(i.Packages), megabytes(i.Size))
		}
		t.write(w)
	}, true)
}

// megabytes formats a size as "48.0 MB".
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// catalog reads a catalog.
func (s *source) catalog(ctx context.Context, ref string) (*base.Catalog, error) {
	defer s.console.progress("reading the catalog %s", ref)()
	return s.reader().Catalog(ctx, reference.Parse(ref))
}

// catalogTag returns the tag that a catalog is pushed to.
func (s *source) catalogTag(ref string) (name.Tag, error) {
	parsed, err := s.images.Registry.Reference(reference.Parse(ref))
	if err != nil {
		return name.Tag{}, &hinted{err, "a catalog is pushed to a repository in a registry, with or without a tag"}
	}
	tag, ok := parsed.(name.Tag)
	if !ok {
		return name.Tag{}, fmt.Errorf("pushing a catalog to %s: it is a digest; use a tag", ref)
	}
	return tag, nil
}
