package cli

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
)

func (c *Console) sbomCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sbom", Short: "Show, generate, attach, publish, copy, find and remove SBOMs of images", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }, // otherwise an unknown command is not an error
	}
	cmd.AddCommand(c.sbomShowCommand(), c.sbomGenerateCommand(), c.sbomAttachCommand(), c.sbomPublishCommand(), c.sbomCopyCommand(), c.sbomPruneCommand(), c.sbomFindCommand())
	return cmd
}

func (c *Console) sbomShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show IMAGE",
		Short: "Show the inventory of an image: distribution, packages, and source",
		Long: `Shows the inventory that a build would use for an image: the SBOM attached to it or, if
there is none, the contents of its package databases.`,
		Example: "  baseplan sbom show registry.example/run:noble\n  baseplan sbom show docker://my-run-image --output json",
		Args:    cobra.ExactArgs(1),
	}
	inventoryFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := c.inspect(cmd, args[0])
		if err != nil {
			return err
		}
		if *output == "json" {
			return c.json(inventoryOf(b))
		}
		c.writeInventory(b)
		return nil
	}
	return cmd
}

// An inventory is the output of `sbom show --output json`.
type inventory struct {
	envelope
	Image     string           `json:"image"`
	Digest    string           `json:"digest"`
	Carrier   attach.Carrier   `json:"carrier"`
	Reference string           `json:"reference,omitempty"`
	Format    sbom.Format      `json:"format,omitempty"`
	Tool      string           `json:"tool,omitempty"`
	Created   *time.Time       `json:"created,omitempty"`
	Distro    inventoryDistro  `json:"distro"`
	Databases []string         `json:"databases,omitempty"`
	Packages  []inventoryEntry `json:"packages"`
}

type inventoryDistro struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Name    string `json:"name,omitempty"`
}

// An inventoryEntry is a package. Files and Provides are null if the SBOM does not
// have them.
type inventoryEntry struct {
	Type     sbom.Type `json:"type"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Arch     string    `json:"arch,omitempty"`
	PURL     string    `json:"purl,omitempty"`
	Source   string    `json:"source,omitempty"`
	Provides []string  `json:"provides" jsonschema:"nullable"`
	Files    *int      `json:"files" jsonschema:"nullable"` // how many
}

func inventoryOf(b base.Image) inventory {
	d := b.Document()
	out := inventory{
		envelope: envelopeOf("inventory"), Image: b.Reference.String(), Digest: b.Digest, Carrier: b.Carrier, Reference: b.Report.SBOM.Reference, Format: d.Format, Tool: d.Tool,
		Distro: inventoryDistro{d.Distro.ID, d.Distro.Version, d.Distro.Name}, Databases: d.Databases, Packages: []inventoryEntry{},
	}
	if !d.Created.IsZero() {
		out.Created = &d.Created
	}
	for _, p := range d.Packages {
		e := inventoryEntry{Type: p.Type, Name: p.Name, Version: p.Version, Arch: p.Arch, PURL: p.PURL, Source: p.Source.Name}
		if p.Known.Has(sbom.Virtual) {
			e.Provides = []string{}
			for _, v := range p.Provides {
				e.Provides = append(e.Provides, v.Name)
			}
		}
		if p.Known.Has(sbom.Files) {
			n := len(p.Files)
			e.Files = &n
		}
		out.Packages = append(out.Packages, e)
	}
	return out
}

func (c *Console) writeInventory(b base.Image) {
	d := b.Document()
	fmt.Fprintf(plainWriter{c.Out}, "image      %s\ndigest     %s\ninventory  %s\ndistro     %s\npackages   %d\n",
		b.Reference, b.Digest, c.provenance(b), distroName(d.Distro), len(d.Packages))
	for _, f := range []struct {
		fact sbom.Facts
		what string
	}{{sbom.Files, "which files a package owns"}, {sbom.Virtual, "virtual packages"}} {
		if !d.Knows(f.fact) {
			fmt.Fprintf(c.Out, "unknown    %s: not in this SBOM\n", f.what)
		}
	}
	fmt.Fprintln(c.Out)
	t := &table{width: c.width(), head: []string{"TYPE", "NAME", "VERSION", "ARCH"}}
	for _, p := range d.Packages {
		t.row(string(p.Type), p.Name, p.Version, p.Arch)
	}
	t.write(c.Out)
}

// provenance describes the source of an inventory.
func (c *Console) provenance(b base.Image) string {
	words := []string{string(b.Carrier)}
	doc := b.Document()
	if doc.Format != "" {
		words = append(words, string(doc.Format))
	}
	if doc.Tool != "" {
		words = append(words, "by "+doc.Tool)
	}
	if from := b.Report.SBOM.Reference; from != "" {
		words = append(words, "from "+from)
	}
	return strings.Join(words, ", ")
}

func distroName(d sbom.Distro) string {
	switch {
	case d.ID == "":
		return "unknown"
	case d.Name != "":
		return fmt.Sprintf("%s (%s %s)", d.Name, d.ID, d.Version)
	}
	return strings.TrimSpace(d.ID + " " + d.Version)
}

func (c *Console) sbomGenerateCommand() *cobra.Command {
	formats := []string{string(sbom.CycloneDX), string(sbom.SPDX), string(sbom.Syft)}
	cmd := &cobra.Command{
		Use:   "generate IMAGE",
		Short: "Generate an SBOM from the package databases of an image",
		Long: `Reads the package databases (dpkg, apk, rpm) of an image and prints an SBOM of their
packages. Nothing is unpacked to disk.

An index has an SBOM for each platform. --platform selects one of them; --file run.cdx.json
writes all of them, to run.linux-amd64.cdx.json and so on, and prints the names.`,
		Example: "  baseplan sbom generate registry.example/run:noble --file run.cdx.json\n  baseplan sbom generate docker://my-run-image --format spdx",
		Args:    cobra.ExactArgs(1),
	}
	spelled := cmd.Flags().StringP("format", "f", string(sbom.CycloneDX), "cyclonedx, spdx or syft")
	file := cmd.Flags().String("file", "", "write to this file instead of standard output; of an index, to a file for each platform (no variable sets it)")
	_ = cmd.Flags().SetAnnotation("file", onlyFlag, nil) // BASEPLAN_FILE names a list to read
	completeFlag(cmd, "format", formats...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(formats, *spelled) {
			return &hinted{fmt.Errorf("unknown --format %s", *spelled), "use one of " + strings.Join(formats, ", ")}
		}
		if err := checkOutput("file", *file); err != nil {
			return err
		}
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		all, err := onPlatforms(cmd.Context(), s, args[0], func(ctx context.Context, s *source, img *image.Image) (generated, error) {
			data, err := s.generated(ctx, img, sbom.Format(*spelled))
			return generated{platformOf(img), data}, err
		})
		if err != nil {
			return err
		}
		return c.writeGenerated(all, args[0], *file)
	}
	return cmd
}

// A generated SBOM is that of one platform, or of the image if that is "".
type generated struct {
	platform string
	data     []byte
}

func (c *Console) writeGenerated(all []generated, name, file string) error {
	switch {
	case len(all) == 1 && file != "":
		return platform.WriteFile(file, all[0].data)
	case len(all) == 1:
		_, err := c.Out.Write(all[0].data)
		return err
	case file == "":
		return &hinted{fmt.Errorf("%s has %d platforms, each with an SBOM of its own", name, len(all)), "select one with --platform, or use --file for a file for each platform"}
	}
	names := map[string]string{}
	for _, g := range all {
		path := platformFile(file, g.platform)
		if other, ok := names[path]; ok {
			return &hinted{fmt.Errorf("%s has two images for %s", name, other), "use the digest of one of them"}
		}
		names[path] = g.platform
	}
	for _, g := range all {
		path := platformFile(file, g.platform)
		if err := platform.WriteFile(path, g.data); err != nil {
			return err
		}
		fmt.Fprintln(c.Out, path)
	}
	return nil
}

// platformFile puts a platform into the name of a file, in front of the extension.
func platformFile(file, platform string) string {
	ext := filepath.Ext(file)
	for _, f := range []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft} {
		if strings.HasSuffix(file, "."+f.Ext()) {
			ext = "." + f.Ext()
		}
	}
	return strings.TrimSuffix(file, ext) + "." + strings.NewReplacer("/", "-", ":", "-").Replace(platform) + ext
}

// generated returns a generated SBOM, or an error if the image has no package database.
func (s *source) generated(ctx context.Context, img *image.Image, f sbom.Format) ([]byte, error) {
	doc, err := s.scan(ctx, img)
	if err != nil {
		return nil, err
	}
	if len(doc.Databases) == 0 {
		return nil, &hinted{
			fmt.Errorf("generating an SBOM of %s: the image has no package database", img.Name),
			"dpkg, apk and rpm are supported; for other images use --sbom with an SBOM made where the image is built",
		}
	}
	doc.Subject = img.Name.String()
	var buf bytes.Buffer
	if err := format.Encode(&buf, doc, f); err != nil {
		return nil, fmt.Errorf("generating an SBOM of %s: %w", img.Name, err)
	}
	return buf.Bytes(), nil
}
