package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/scan"
)

// A source opens images and learns what they hold, by the flags that commands
// share.
type source struct {
	console *Console
	images  image.Opener
	cache   scan.Cache
	mapping []provides.Mapping
	trust   attach.Trust    // whose signatures count
	file    string          // --sbom: given by hand
	fresh   bool            // --generate: look at the image itself, whatever is attached
	policy  platform.Policy // the operator's
	exactly bool            // --platform was given: an image of another one will not do
}

// A base is an image that was opened, what it holds and what it provides.
type base struct {
	*image.Image
	document *sbom.Document
	carrier  attach.Carrier
	detail   string          // where the inventory is, or why it had to be generated
	found    *attach.Finding // the SBOM, if it is attached
	searched []attach.Searched
	set      *provides.Set
}

// origin is where the inventory is from, as run-image.toml has it.
func (b *base) origin() attach.Source {
	s := attach.Source{Carrier: b.carrier, Format: b.document.Format, Reference: b.detail, Packages: len(b.document.Packages)}
	if b.found != nil {
		s.Signature, s.Unbound = b.found.Signature, b.found.Unbound
	}
	if c := b.document.Created.UTC(); !c.IsZero() {
		s.Created = &c
	}
	return s
}

// inventoryFlags adds the flags by which a command finds an inventory.
func inventoryFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("sbom", "", "take this SBOM file as the inventory")
	f.Bool("generate", false, "generate the inventory from the image, whatever is attached")
	trustFlags(cmd)
	f.String("baseplan", "", "the operator's baseplan.toml: mapping and policy")
	cmd.MarkFlagsMutuallyExclusive("sbom", "generate")
}

// source reads the shared flags. A command without some of them has their
// defaults.
func (c *Console) source(cmd *cobra.Command) (*source, error) {
	flags := cmd.Flags()
	s := &source{console: c}
	s.file, _ = flags.GetString("sbom")
	s.fresh, _ = flags.GetBool("generate")
	if dir, _ := flags.GetString("cache-dir"); dir != "" {
		s.cache = scan.DirCache(dir)
	}
	settings, err := c.settings(cmd)
	if err != nil {
		return nil, err
	}
	s.mapping, s.policy = settings.Mapping, settings.Policy
	if s.trust, err = c.trust(cmd, s.policy); err != nil {
		return nil, err
	}
	arch, err := platformFlag(cmd)
	if err != nil {
		return nil, err
	}
	keychain := image.Keychain(c.env("CNB_REGISTRY_AUTH"), func(warning string) { c.warn("%s", warning) })
	insecure, _ := flags.GetStringSlice("insecure-registry")
	insecure = append(insecure, strings.FieldsFunc(c.env("CNB_INSECURE_REGISTRIES"), func(r rune) bool { return r == ',' || r == ' ' })...)
	s.exactly = flags.Changed("platform")
	s.images = image.Opener{Keychain: keychain, Insecure: insecure, Platform: arch}
	return s, nil
}

// judging is the source of a command that judges Dockerfiles, and the operator's policy with the
// defaults filled in and the flag --proof over it.
func (c *Console) judging(cmd *cobra.Command, proof string) (*source, platform.Policy, error) {
	s, err := c.source(cmd)
	if err != nil {
		return nil, platform.Policy{}, err
	}
	p := s.policy
	if proof != "" {
		p.Proof = extensions.Proof(proof)
	}
	if err := p.Check(); err != nil {
		return nil, p, &hinted{fmt.Errorf("--proof: %w", err), "plan: by effect, or by plan; installs: by plan only if no more than that is installed; effect: only by effect; strict: both"}
	}
	if p.RunSBOM == "" {
		p.RunSBOM = platform.Auto
	}
	return s, p, nil
}

// inspect opens the one image that a command is about and finds its inventory.
func (c *Console) inspect(cmd *cobra.Command, ref string) (*base, error) {
	s, err := c.source(cmd)
	if err != nil {
		return nil, err
	}
	return s.base(cmd.Context(), ref)
}

func platformFlag(cmd *cobra.Command) (*v1.Platform, error) {
	spelled, _ := cmd.Flags().GetString("platform")
	if spelled == "" {
		return &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, nil
	}
	p, err := v1.ParsePlatform(spelled)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return nil, &hinted{fmt.Errorf("--platform %q is not a platform", spelled), "spell it os/arch or os/arch/variant, as in linux/arm64"}
	}
	return p, nil
}

// open opens one image, nothing more.
func (s *source) open(ctx context.Context, ref string) (*image.Image, error) {
	done := s.console.progress("opening %s", ref)
	img, err := s.images.Open(ctx, ref)
	done()
	switch {
	case errors.Is(err, image.ErrNotFound) || errors.Is(err, image.ErrMalformed):
		return nil, &hinted{err, "an IMAGE is a registry reference, docker://NAME, oci:DIR or tar:FILE"}
	case err != nil:
		return nil, err
	case s.exactly && !isFor(img, s.images.Platform):
		err := fmt.Errorf("%s is an image for %s, not for %s", ref, img.Config.Platform(), s.images.Platform)
		return nil, errors.Join(err, img.Close())
	}
	return img, nil
}

// isFor reports whether an image is for a platform, as far as that is named.
func isFor(img *image.Image, want *v1.Platform) bool {
	c := img.Config
	return c.OS == want.OS && c.Architecture == want.Architecture && (want.Variant == "" || c.Variant == want.Variant)
}

// other is the source for any other image than the one that --sbom describes.
func (s *source) other() *source {
	o := *s
	o.file = ""
	return &o
}

// base opens an image and finds its inventory: the file that was given, else
// what is attached, else generated.
func (s *source) base(ctx context.Context, ref string) (*base, error) {
	img, err := s.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return s.learn(ctx, img)
}

// learn finds the inventory of an image that is open.
func (s *source) learn(ctx context.Context, img *image.Image) (*base, error) {
	b := &base{Image: img}
	var declared *provides.Declaration
	var err error
	switch {
	case s.file != "":
		declared, err = s.labelled(img), s.given(ctx, b)
	case s.fresh:
		declared, err = s.labelled(img), s.generate(ctx, b)
	default:
		declared, err = s.find(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	var refused []provides.Refusal
	b.set, refused = provides.From(b.document, s.mapping, declared)
	for _, r := range refused {
		s.console.warn("%s declares that it provides %s, but %s; refused", img.Name, r.Name, r.Why)
	}
	if len(b.document.Databases) == 0 && b.carrier == attach.Generated && len(b.document.Packages) == 0 {
		s.console.warn("%s has no package database (dpkg, apk or rpm), so nothing is known to be in it; attach an SBOM or give one with --sbom", img.Name)
	}
	return b, nil
}

// given reads the SBOM file of --sbom, which has to be of the image.
func (s *source) given(ctx context.Context, b *base) error {
	file, err := os.Open(s.file)
	if err != nil {
		return fmt.Errorf("reading --sbom: %w", err)
	}
	defer file.Close()
	b.carrier, b.detail = attach.Platform, s.file
	if b.document, err = format.Decode(file, s.file); err != nil {
		return err
	}
	return s.believe(ctx, s.file, b.document, s.subject(b.Image), b.Name)
}

// believe refuses a document that a build would not believe of the image.
func (s *source) believe(ctx context.Context, file string, doc *sbom.Document, of attach.Subject, name string) error {
	outcome, why, err := of.Doubt(ctx, doc)
	if err != nil || outcome == "" {
		return err
	}
	return &hinted{fmt.Errorf("the SBOM %s cannot be of %s: %s: %s", file, name, outcome, why), "no build would believe it; give one of this image, or leave --sbom out"}
}

// find takes what is attached to the image, and generates where that yields nothing.
func (s *source) find(ctx context.Context, b *base) (*provides.Declaration, error) {
	done := s.console.progress("looking for an SBOM of %s", b.Name)
	finder := attach.Finder{Trust: s.trust, Keychain: s.images.Keychain, TransportFor: s.images.RepositoryTransport}
	found, err := finder.Find(ctx, s.subject(b.Image))
	done()
	if err != nil {
		return nil, err
	}
	for _, w := range found.Warnings {
		s.console.warn("%s: %s", b.Name, w)
	}
	for _, f := range found.Searched {
		if f.Result != attach.Found && f.Result != attach.None {
			s.console.warn("%s: SBOM passed over: %s: %s: %s", b.Name, f.Carrier, f.Result, f.Detail)
		}
	}
	b.searched = found.Report(b.Name, b.Digest.String()).Searched
	if found.Found == nil && s.policy.RunSBOM == platform.Attached {
		return nil, &hinted{found.Missing(b.Name), "the policy is run-sbom = \"attached\": attach one with baseplan sbom attach, or look at the image itself with --generate"}
	}
	if found.Found == nil {
		return s.declaration(found), s.generate(ctx, b)
	}
	b.document, b.carrier, b.detail, b.found = found.Found.Document, found.Found.Carrier, found.Found.Reference, found.Found
	return s.declaration(found), nil
}

// subject is an image as the search for its SBOM knows it.
func (s *source) subject(img *image.Image) attach.Subject {
	return (&lifecycle.Inspector{Images: &s.images, Scan: s.scan}).Subject(img)
}

// declaration reads the publisher's declaration that was found, if any.
func (s *source) declaration(found *attach.Result) *provides.Declaration {
	if found.Declaration == nil {
		return nil
	}
	return s.declared(found.Declaration.Data, found.Declaration.Reference)
}

// labelled reads the declaration in the image's label, if there is one and what is unsigned counts.
func (s *source) labelled(img *image.Image) *provides.Declaration {
	label := img.Config.Config.Labels[attach.ProvidesLabel]
	if label == "" {
		return nil
	}
	if s.trust.Restricted() {
		s.console.warn("%s: label %s: %s", img.Name, attach.ProvidesLabel, attach.UnsignedLabel)
		return nil
	}
	return s.declared([]byte(label), "label "+attach.ProvidesLabel+" of "+img.Name)
}

// declared reads a declaration; one that cannot be read declares nothing.
func (s *source) declared(data []byte, name string) *provides.Declaration {
	d, err := provides.DecodeDeclaration(data, name)
	if err != nil {
		s.console.warn("declaration passed over: %v", err)
	}
	return d
}

func (s *source) generate(ctx context.Context, b *base) error {
	done := s.console.progress("reading the package database of %s", b.Name)
	defer done()
	var err error
	b.carrier = attach.Generated
	b.document, err = s.scan(ctx, b.Image)
	return err
}

func (s *source) scan(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	if img.Files != nil {
		return scan.Tree(ctx, img.Files)
	}
	doc, err := scan.Image(ctx, img.Image, scan.Options{Cache: s.cache})
	if err != nil {
		return nil, fmt.Errorf("reading packages of %s: %w", img.Name, err)
	}
	return doc, nil
}
