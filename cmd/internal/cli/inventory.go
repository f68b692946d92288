package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/dockercontext"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
	"github.com/baseplan/baseplan/sbom/scan"
)

// A source opens images and reads their inventories, as the shared flags
// say.
type source struct {
	console *Console
	images  image.Opener
	cache   scan.Cache
	mapping []provides.Mapping
	trust   attach.Trust    // trusted signers
	file    string          // --sbom: the SBOM file
	fresh   bool            // --generate: ignore attached SBOMs
	policy  platform.Policy // of the operator
	exactly bool            // --platform was given: an image for another one is an error
	about   string          // the platform, if several are read
}

// inventoryFlags adds the flags that select an inventory.
func inventoryFlags(cmd *cobra.Command) {
	cmd.Flags().String("sbom", "", "use this SBOM file as the inventory")
	inventoriesFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("sbom", "generate")
}

// inventoriesFlags adds those for several images.
func inventoriesFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Bool("generate", false, "generate the inventory from the image and ignore attached SBOMs")
	trustFlags(cmd)
	f.String("baseplan", "", "baseplan.toml of the operator, with mapping and policy")
}

// source evaluates the shared flags. Flags that a command does not have keep
// their defaults.
func (c *Console) source(cmd *cobra.Command) (*source, error) {
	s, err := c.imageSource(cmd)
	if err != nil {
		return nil, err
	}
	flags := cmd.Flags()
	s.fresh, _ = flags.GetBool("generate")
	if flags.Lookup("generate") != nil { // the --sbom of attach is another
		file, _ := flags.GetString("sbom")
		if s.file, err = c.spooled(file); err != nil {
			return nil, fmt.Errorf("reading --sbom: %w", err)
		}
	}
	settings, err := c.settings(cmd)
	if err != nil {
		return nil, err
	}
	s.mapping, s.policy = settings.Mapping, settings.Policy
	s.trust, err = c.trust(cmd, s.policy)
	return s, err
}

// imageSource returns a source that opens images, without a policy.
func (c *Console) imageSource(cmd *cobra.Command) (*source, error) {
	flags := cmd.Flags()
	s := &source{console: c}
	dir, _ := flags.GetString("cache-dir")
	if dir = c.cacheDir(dir); dir != "" {
		s.cache = scan.DirCache(dir)
	}
	arch, err := platformFlag(cmd)
	if err != nil {
		return nil, err
	}
	keychain := credentials.New(c.env("CNB_REGISTRY_AUTH"), func(warning string) { c.warn("%s", warning) })
	insecure, _ := flags.GetStringSlice("insecure-registry")
	insecure = append(insecure, strings.FieldsFunc(c.env("CNB_INSECURE_REGISTRIES"), func(r rune) bool { return r == ',' || r == ' ' })...)
	s.exactly = flags.Changed("platform")
	s.images = image.Opener{Registry: registry.Client{Keychain: keychain, Insecure: insecure}, Platform: arch, FindDocker: c.findDocker}
	return s, nil
}

// findDocker finds the docker daemon as the docker CLI does.
func (c *Console) findDocker() (image.Docker, error) {
	d, err := dockercontext.Finder{Getenv: c.env}.Find()
	if err == nil && c.debug {
		c.message("debug", fmt.Sprintf("docker daemon at %s, from %s", d.Host, d.From))
	}
	return d.Docker, err
}

var proofs = []string{string(extensions.ByPlan), string(extensions.Installs), string(extensions.ByEffect), string(extensions.Strict)}

const proofHelp = "proof required to skip a Dockerfile: plan, installs, effect or strict (default installs)"

// judging returns the source for a command that judges Dockerfiles, and the operator's policy with
// defaults and the flag --proof applied.
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
		return nil, p, &hinted{fmt.Errorf("--proof: %w", err), "plan: by effect or by plan; installs: by plan only for Dockerfiles that just install packages; effect: by effect only; strict: both"}
	}
	if p.RunSBOM == "" {
		p.RunSBOM = platform.Auto
	}
	return s, p, nil
}

// inspect opens the image of a command and reads its inventory.
func (c *Console) inspect(cmd *cobra.Command, ref string) (base.Image, error) {
	s, err := c.source(cmd)
	if err != nil {
		return base.Image{}, err
	}
	return s.read(cmd.Context(), reference.Parse(ref))
}

func platformFlag(cmd *cobra.Command) (*v1.Platform, error) {
	spelled, _ := cmd.Flags().GetString("platform")
	if spelled == "" {
		return &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, nil
	}
	p, err := v1.ParsePlatform(spelled)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return nil, &hinted{fmt.Errorf("invalid --platform %q", spelled), "use the form os/arch or os/arch/variant, such as linux/arm64"}
	}
	return p, nil
}

// open opens an image.
func (s *source) open(ctx context.Context, ref reference.Reference) (*image.Image, error) {
	done := s.console.progress("opening %s", ref)
	img, err := s.images.Open(ctx, ref)
	done()
	switch {
	case err != nil:
		return nil, openHint(err)
	case s.exactly && !isFor(img, s.images.Platform):
		err := fmt.Errorf("%s is an image for %s, not for %s", ref, img.Config.Platform(), s.images.Platform)
		return nil, errors.Join(err, img.Close())
	}
	return img, nil
}

// checkReferences returns an error if a name is that of no image. Commands call it before they download anything. An
// empty name is that of a flag that is not given.
func checkReferences(names ...string) error {
	for _, name := range names {
		if ref := reference.Parse(name); ref.Kind == reference.Malformed {
			return openHint(ref.Err())
		}
	}
	return nil
}

// openHint adds a hint to an error about a name.
func openHint(err error) error {
	if errors.Is(err, image.ErrNotFound) || errors.Is(err, reference.ErrMalformed) {
		return &hinted{err, "IMAGE is a registry reference, docker://NAME, oci:DIR or tar:FILE"}
	}
	if errors.Is(err, attach.ErrNoImage) {
		return &hinted{err, "check the name, and push the image before what is attached to it"}
	}
	return err
}

// isFor reports whether an image is for a platform; empty fields match any.
func isFor(img *image.Image, want *v1.Platform) bool {
	c := img.Config
	return c.OS == want.OS && c.Architecture == want.Architecture && (want.Variant == "" || c.Variant == want.Variant)
}

// reader returns a reader of inventories under the operator's policy.
func (s *source) reader() *base.Reader {
	return &base.Reader{
		Images: &s.images, Policy: s.policy.RunSBOM, Fresh: s.fresh, Mapping: s.mapping, Log: s.log(), Scan: s.scan,
		Finder: &attach.Finder{Platform: s.file, Trust: s.trust, Registry: s.images.Registry},
	}
}

// log returns a logger whose messages begin with the platform if several are read.
func (s *source) log() *slog.Logger {
	if s.about == "" {
		return s.console.log()
	}
	return slog.New(logHandler{s.console, s.about + ": "})
}

// other returns the source for images that --sbom does not describe.
func (s *source) other() *source {
	o := *s
	o.file = ""
	return &o
}

// read opens an image and reads its inventory: the given file, or an attached SBOM, or a generated
// one.
func (s *source) read(ctx context.Context, ref reference.Reference) (base.Image, error) {
	img, err := s.open(ctx, ref)
	if err != nil {
		return base.Image{}, err
	}
	defer img.Close()
	return s.inventory(ctx, img)
}

// lookup reads an image that --sbom does not describe.
func (s *source) lookup(ctx context.Context, ref reference.Reference) (base.Image, error) {
	found, err := s.other().read(ctx, ref)
	found.Reference = ref
	return found, err
}

// inventory reads the inventory of an open image.
func (s *source) inventory(ctx context.Context, img *image.Image) (base.Image, error) {
	found, err := s.searched(ctx, img)
	if err != nil {
		return base.Image{}, err
	}
	if found.Set == nil {
		found, err = s.reader().Generate(ctx, img, found)
	}
	if doc := found.Document(); err == nil && found.Generated() && len(doc.Databases) == 0 && len(doc.Packages) == 0 {
		s.console.warn("%s has no package database (dpkg, apk or rpm), so its packages are unknown; attach an SBOM, or use --sbom", titleOf(img))
	}
	return found, err
}

// searched returns an image with its attached or given SBOM.
func (s *source) searched(ctx context.Context, img *image.Image) (base.Image, error) {
	reader := s.reader()
	if s.file != "" {
		reader.Policy = platform.Auto
		if _, err := os.Stat(s.file); err != nil {
			return base.Image{}, fmt.Errorf("reading --sbom: %w", err)
		}
	}
	done := s.console.progress("looking for an SBOM of %s", titleOf(img))
	found, err := reader.Attached(ctx, img, img.Name)
	done()
	switch {
	case errors.Is(err, attach.ErrNoSBOM):
		return found, &hinted{err, "the policy is run-sbom = \"attached\": attach one with baseplan sbom attach, or use --generate to read the image"}
	case err != nil:
		return found, err
	case s.file != "" && found.Carrier != attach.Platform:
		return found, s.unbelieved(found)
	}
	for _, x := range found.Report.Searched {
		if x.Result == attach.Unreachable && img.Files != nil { // phases expect that, people want to know
			s.console.warn("ignoring an SBOM of %s: %s: %s: %s", titleOf(img), x.Carrier, x.Result, x.Detail)
		}
	}
	return found, nil
}

// unbelieved returns the error for a file of --sbom that is not acceptable.
func (s *source) unbelieved(found base.Image) error {
	for _, x := range found.Report.Searched {
		if x.Carrier == attach.Platform {
			return notOf(s.file, found.Reference, x.Result, x.Detail)
		}
	}
	return notOf(s.file, found.Reference, attach.None, "it was not checked")
}

// notOf returns the error for a file that no build would accept for an image.
func notOf(file string, name fmt.Stringer, outcome attach.Outcome, why string) error {
	return &hinted{fmt.Errorf("the SBOM %s does not describe %s: %s: %s", file, name, outcome, why), "no build would accept it; use one of this image, or omit --sbom"}
}

// scan reads the packages of an image from its file system.
func (s *source) scan(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	defer s.console.progress("reading the package database of %s", titleOf(img))()
	if img.Files != nil {
		return scan.Tree(ctx, img.Files)
	}
	doc, err := scan.Image(ctx, img.Image, scan.Options{Cache: s.cache})
	if err != nil {
		return nil, fmt.Errorf("reading packages of %s: %w", img.Name, err)
	}
	return doc, nil
}
