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
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
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

// inspect opens the one image that a command is about and reads its inventory.
func (c *Console) inspect(cmd *cobra.Command, ref string) (base.Image, error) {
	s, err := c.source(cmd)
	if err != nil {
		return base.Image{}, err
	}
	return s.read(cmd.Context(), ref)
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
	img, err := s.images.Open(ctx, reference.Parse(ref))
	done()
	switch {
	case errors.Is(err, image.ErrNotFound) || errors.Is(err, reference.ErrMalformed):
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

// reader reads what images hold, under the operator's policy.
func (s *source) reader() *base.Reader {
	return &base.Reader{
		Images: &s.images, Policy: s.policy.RunSBOM, Fresh: s.fresh, Mapping: s.mapping, Log: s.console.log(), Scan: s.scan,
		Finder: &attach.Finder{Platform: s.file, Trust: s.trust, Keychain: s.images.Keychain, TransportFor: s.images.RepositoryTransport},
	}
}

// other is the source for any other image than the one that --sbom describes.
func (s *source) other() *source {
	o := *s
	o.file = ""
	return &o
}

// read opens an image and reads its inventory: the file that was given, else
// what is attached, else generated.
func (s *source) read(ctx context.Context, ref string) (base.Image, error) {
	img, err := s.open(ctx, ref)
	if err != nil {
		return base.Image{}, err
	}
	defer img.Close()
	return s.inventory(ctx, img)
}

// lookup reads another image than the one that --sbom describes.
func (s *source) lookup(ctx context.Context, ref string) (base.Image, error) {
	found, err := s.other().read(ctx, ref)
	found.Reference = ref
	return found, err
}

// inventory reads the inventory of an image that is open.
func (s *source) inventory(ctx context.Context, img *image.Image) (base.Image, error) {
	found, err := s.searched(ctx, img)
	if err != nil {
		return base.Image{}, err
	}
	if found.Set == nil {
		found, err = s.reader().Generate(ctx, img, found)
	}
	if doc := found.Document(); err == nil && found.Generated() && len(doc.Databases) == 0 && len(doc.Packages) == 0 {
		s.console.warn("%s has no package database (dpkg, apk or rpm), so nothing is known to be in it; attach an SBOM or give one with --sbom", img.Name)
	}
	return found, err
}

// searched returns an image with what is attached to it, or given for it.
func (s *source) searched(ctx context.Context, img *image.Image) (base.Image, error) {
	reader := s.reader()
	if s.file != "" {
		reader.Policy = platform.Auto
		if _, err := os.Stat(s.file); err != nil {
			return base.Image{}, fmt.Errorf("reading --sbom: %w", err)
		}
	}
	done := s.console.progress("looking for an SBOM of %s", img.Name)
	found, err := reader.Attached(ctx, img, img.Name.String())
	done()
	switch {
	case errors.Is(err, attach.ErrNoSBOM):
		return found, &hinted{err, "the policy is run-sbom = \"attached\": attach one with baseplan sbom attach, or look at the image itself with --generate"}
	case err != nil:
		return found, err
	case s.file != "" && found.Carrier != attach.Platform:
		return found, s.unbelieved(found)
	}
	return found, nil
}

// unbelieved says why the file of --sbom does not count.
func (s *source) unbelieved(found base.Image) error {
	for _, x := range found.Report.Searched {
		if x.Carrier == attach.Platform {
			return notOf(s.file, found.Reference, x.Result, x.Detail)
		}
	}
	return notOf(s.file, found.Reference, attach.None, "it was not looked at")
}

// notOf is the error for a file that a build would not believe of an image.
func notOf(file, name string, outcome attach.Outcome, why string) error {
	return &hinted{fmt.Errorf("the SBOM %s cannot be of %s: %s: %s", file, name, outcome, why), "no build would believe it; give one of this image, or leave --sbom out"}
}

// scan reads the packages of an image out of the image itself.
func (s *source) scan(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	defer s.console.progress("reading the package database of %s", img.Name)()
	if img.Files != nil {
		return scan.Tree(ctx, img.Files)
	}
	doc, err := scan.Image(ctx, img.Image, scan.Options{Cache: s.cache})
	if err != nil {
		return nil, fmt.Errorf("reading packages of %s: %w", img.Name, err)
	}
	return doc, nil
}
