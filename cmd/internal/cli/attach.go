package cli

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// attachFlags are the inputs of `sbom attach`.
type attachFlags struct {
	sbom, format, as, provides, sign, tag string
	force                                 bool
}

func (c *Console) sbomAttachCommand() *cobra.Command {
	var f attachFlags
	cmd := &cobra.Command{
		Use:   "attach IMAGE",
		Short: "Attach an SBOM and optionally a declaration of provides to an image in a registry",
		Long: `Attaches an SBOM to an image, or to every platform of an index (or the one of
--platform). Everything is checked before anything is written; attaching the same
again changes nothing.

The packages in --sbom FILE are compared with the image's package databases, as in sbom
find --verify. A file that does not match is rejected unless --force is set. If the image
has no package database, a warning says that nothing could be compared.

--as referrer and --as cosign (a .sbom tag, or .att if signed) do not change the image.
--as layer appends the SBOM as the image's last layer and sets the label
io.buildpacks.base.sbom. This creates a new image, which is pushed to the same tag or to
--tag.

--provides FILE declares names that the image provides beyond its packages. Every name
needs evidence in the inventory; otherwise the file is rejected.

--sign KEY signs with a private key in PEM (ECDSA P-256 or Ed25519, or one that cosign
generated, with its password in COSIGN_PASSWORD).`,
		Example: `  baseplan sbom attach registry.example/run:noble
  baseplan sbom attach registry.example/run:noble --sbom run.cdx.json --provides provides.json --sign cosign.key`,
		Args: cobra.ExactArgs(1),
	}
	f.register(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		options, m, err := s.attachOptions(cmd, f)
		if err != nil {
			return err
		}
		options.Material = m.of
		ref, err := s.attachable(args[0])
		if err != nil {
			return err
		}
		done := c.progress("attaching to %s", args[0])
		a := attach.Attacher{Registry: s.images.Registry}
		attached, err := a.Attach(cmd.Context(), ref, *options)
		done()
		if err != nil {
			return openHint(err)
		}
		return c.writeAttached(attached, *output)
	}
	return cmd
}

// register adds the flags.
func (f *attachFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.sbom, "sbom", "generated", "SBOM file, or \"generated\" to generate it from the image")
	fl.StringVarP(&f.format, "format", "f", "", "cyclonedx, spdx, syft or all (default: the format of the file, or cyclonedx)")
	fl.StringVar(&f.as, "as", string(attach.AsReferrer), "referrer, cosign or layer")
	fl.StringVar(&f.provides, "provides", "", "JSON file that declares what the image provides")
	fl.StringVar(&f.sign, "sign", "", "private key to sign with")
	fl.BoolVar(&f.force, "force", false, "attach the file of --sbom even if it does not match the image")
	fl.StringVar(&f.tag, "tag", "", "with --as layer: tag of the new image (default: the image's own tag)")
	completeFlag(cmd, "format", string(sbom.CycloneDX), string(sbom.SPDX), string(sbom.Syft), "all")
	completeFlag(cmd, "as", string(attach.AsReferrer), string(attach.AsCosign), string(attach.AsLayer))
}

// attachable returns the reference of an image that something can be attached to.
func (s *source) attachable(image string) (name.Reference, error) {
	ref, err := s.images.Registry.Reference(reference.Parse(image))
	if err != nil {
		return nil, &hinted{err, "an SBOM can only be attached to an image in a registry"}
	}
	return ref, nil
}

// attachOptions returns the options of the flags, without material.
func (s *source) attachOptions(cmd *cobra.Command, f attachFlags) (*attach.Options, *material, error) {
	if !slices.Contains([]attach.Form{attach.AsReferrer, attach.AsCosign, attach.AsLayer}, attach.Form(f.as)) {
		return nil, nil, &hinted{fmt.Errorf("unknown --as %s", f.as), "use one of referrer, cosign, layer"}
	}
	m := &material{source: s, flags: f}
	if err := m.read(); err != nil {
		return nil, nil, err
	}
	o := &attach.Options{As: attach.Form(f.as)}
	var err error
	if cmd.Flags().Changed("platform") {
		o.Platform, m.onePlatform = s.images.Platform, true
	}
	if f.tag != "" {
		ref, err := s.images.Registry.Reference(reference.Parse(f.tag))
		if err != nil {
			return nil, nil, fmt.Errorf("reading --tag: %w", err)
		}
		tag, ok := ref.(name.Tag)
		if !ok {
			return nil, nil, fmt.Errorf("reading --tag: %s is a digest; use a tag", f.tag)
		}
		o.Tag = tag
	}
	if o.Created, err = build.SourceDate(s.console.env("SOURCE_DATE_EPOCH"), time.Time{}); err != nil {
		return nil, nil, err
	}
	if f.sign != "" {
		if o.Sign, err = s.signer(f.sign); err != nil {
			return nil, nil, err
		}
	}
	return o, m, nil
}

func (s *source) signer(path string) (crypto.Signer, error) {
	data, err := s.console.readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading --sign: %w", err)
	}
	return attach.ParseSigner(data, called(path), func() ([]byte, error) { return []byte(s.console.env("COSIGN_PASSWORD")), nil })
}

// A material builds and checks what is attached to each image.
type material struct {
	source      *source
	flags       attachFlags
	onePlatform bool

	formats     []sbom.Format  // to attach
	document    *sbom.Document // from the file; nil: generated from each image
	content     []byte         // of the file
	declaration *provides.Declaration
	declared    []byte
	targets     int

	inventories map[string]*sbom.Document // what is attached, by the digest of the image; nil: not kept
}

// again returns the material for another image.
func (m *material) again() *material {
	next := *m
	next.targets, next.inventories = 0, map[string]*sbom.Document{}
	return &next
}

// read reads the files named by the flags.
func (m *material) read() error {
	if m.flags.sbom != "generated" {
		var err error
		if m.content, err = m.source.console.readFile(m.flags.sbom); err != nil {
			return fmt.Errorf("reading --sbom: %w", err)
		}
		if m.document, err = format.Decode(bytes.NewReader(m.content), m.flags.sbom); err != nil {
			return err
		}
		if m.content, err = format.Unwrap(m.content); err != nil {
			return fmt.Errorf("reading --sbom: %w", err)
		}
	}
	switch f := sbom.Format(m.flags.format); f {
	case "":
		m.formats = []sbom.Format{sbom.CycloneDX}
		if m.document != nil {
			m.formats = []sbom.Format{m.document.Format}
		}
	case "all":
		m.formats = []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft}
	case sbom.CycloneDX, sbom.SPDX, sbom.Syft:
		m.formats = []sbom.Format{f}
	default:
		return &hinted{fmt.Errorf("unknown --format %s", f), "use one of cyclonedx, spdx, syft, all"}
	}
	if m.flags.provides == "" {
		return nil
	}
	var err error
	if m.declared, err = m.source.console.readFile(m.flags.provides); err != nil {
		return fmt.Errorf("reading --provides: %w", err)
	}
	m.declaration, err = provides.DecodeDeclarationFile(m.declared, m.flags.provides)
	return err
}

// of returns what is attached to one image. An error leaves the image unchanged.
func (m *material) of(ctx context.Context, t attach.Target) (attach.Material, error) {
	var out attach.Material
	m.targets++
	if m.document != nil && m.targets > 1 && !m.onePlatform {
		return out, &hinted{fmt.Errorf("%s describes one image, and this is an index of several", m.flags.sbom), "select the platform with --platform, or omit --sbom"}
	}
	if err := m.fitting(ctx, t); err != nil {
		return out, err
	}
	doc, err := scan.Image(ctx, t.Image, scan.Options{Cache: m.source.cache})
	if err != nil {
		err = fmt.Errorf("reading packages of %s: %w", t.Ref, err)
	}
	switch {
	case m.document != nil:
		if err := m.compare(doc, err, t); err != nil {
			return out, err
		}
		doc = m.document
	case err != nil:
		return out, err
	case len(doc.Databases) == 0:
		return out, &hinted{fmt.Errorf("generating an SBOM of %s: the image has no package database", t.Ref), "use --sbom with an SBOM made where the image is built"}
	default:
		doc.Subject = t.Ref.Context().RepositoryStr()
	}
	if err := m.check(doc, t); err != nil {
		return out, err
	}
	if m.inventories != nil {
		m.inventories[t.Digest.String()] = doc
	}
	out.Provides = m.declared
	out.SBOMs, err = m.encoded(doc)
	return out, err
}

// compare returns an error for an SBOM that does not match generated, from the image's package databases.
func (m *material) compare(generated *sbom.Document, unread error, t attach.Target) error {
	if unread == nil && len(generated.Databases) == 0 {
		m.source.console.warn("%s has no package database (dpkg, apk or rpm), so %s is not compared with it", t.Ref, m.flags.sbom)
		return nil
	}
	misfit, hint := unread, "use --force to attach it without a comparison"
	switch {
	case unread != nil:
	case !slices.ContainsFunc(m.document.Packages, func(p sbom.Package) bool { return p.Type.OS() }):
		misfit = fmt.Errorf("%s lists no operating system package, but the image has a package database", m.flags.sbom)
		hint = "no build would accept it; omit --sbom to generate one"
	default:
		misfit, hint = m.misfit(generated), "omit --sbom to generate one, or use --force to attach it anyway"
	}
	switch {
	case misfit == nil:
		return nil
	case m.flags.force:
		m.source.console.warn("%s: %v\nattached anyway (--force)", t.Ref, misfit)
		return nil
	}
	return &hinted{misfit, hint}
}

// misfit returns the differences between the SBOM and the image, or nil.
func (m *material) misfit(generated *sbom.Document) error {
	lies, omits := attach.Differ(m.document, generated)
	if len(lies)+len(omits) == 0 {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s does not match the image:\n", m.flags.sbom)
	writeList(&text, claimed, lies)
	writeList(&text, unlisted, omits)
	return errors.New(strings.TrimSuffix(text.String(), "\n"))
}

// fitting returns an error for an SBOM of another image, or one that contradicts itself.
func (m *material) fitting(ctx context.Context, t attach.Target) error {
	if m.document == nil {
		return nil
	}
	outcome, why, err := targetSubject(t).Doubt(ctx, m.document)
	if err != nil || outcome == "" {
		return err
	}
	return notOf(m.flags.sbom, t.Ref, outcome, why)
}

// check returns an error for a declaration that the inventory does not support.
func (m *material) check(doc *sbom.Document, t attach.Target) error {
	_, refused := provides.From(doc, m.source.mapping, m.declaration)
	if len(refused) == 0 {
		return nil
	}
	var names []string
	for _, r := range refused {
		names = append(names, fmt.Sprintf("%s: %s", r.Name, r.Why))
	}
	return &hinted{
		fmt.Errorf("%s declares names without evidence in %s: %s", m.flags.provides, t.Ref, strings.Join(names, "; ")),
		"every entry needs evidence in the SBOM: a package (pkg:deb/debian/curl) or a file (file:/usr/bin/curl)",
	}
}

// encoded returns the document in each format; the file's own bytes where the format is the same.
func (m *material) encoded(doc *sbom.Document) ([][]byte, error) {
	var all [][]byte
	for _, f := range m.formats {
		if doc == m.document && f == doc.Format && bytes.HasPrefix(bytes.TrimSpace(m.content), []byte("{")) {
			all = append(all, m.content)
			continue
		}
		var buf bytes.Buffer
		if err := format.Encode(&buf, doc, f); err != nil {
			return nil, err
		}
		all = append(all, buf.Bytes())
	}
	return all, nil
}

// An attachedDocument is the output of `sbom attach --output json`.
type attachedDocument struct {
	envelope
	Attached []attachedItem `json:"attached"`
}

type attachedItem struct {
	Target    string      `json:"target"`
	Platform  string      `json:"platform,omitempty"`
	What      string      `json:"what"`
	Format    sbom.Format `json:"format,omitempty"`
	Reference string      `json:"reference"`
	Digest    string      `json:"digest"`
	Changed   bool        `json:"changed"`
}

func (c *Console) writeAttached(attached []attach.Attached, output string) error {
	if len(attached) == 0 {
		return errors.New("nothing attached: the image does not have the requested platform")
	}
	all := attachedDocument{envelopeOf("attached"), []attachedItem{}}
	t := &table{width: c.width(), head: []string{"WHAT", "FORMAT", "STATE", "WHERE"}}
	indexed := slices.ContainsFunc(attached, func(a attach.Attached) bool { return a.Platform != nil })
	if indexed {
		t.head = slices.Insert(t.head, 1, "PLATFORM")
	}
	for _, a := range attached {
		d := itemOf(a)
		all.Attached = append(all.Attached, d)
		state := thereAlready
		if a.Changed {
			state = nowAttached
		}
		row := []string{a.What, string(a.Format), state, a.Reference}
		if indexed {
			row = slices.Insert(row, 1, d.Platform)
		}
		t.row(row...)
	}
	if output == "json" {
		return c.json(all)
	}
	t.write(c.Out)
	return nil
}
