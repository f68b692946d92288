package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
)

func (c *Console) sbomFindCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "find IMAGE",
		Short: "List the SBOMs attached to an image: location, age, signer, and which one is used",
		Long: `Lists the SBOMs that are attached to an image in any way: referrers, cosign tags, BuildKit
attestations and the SBOM layer. Marks the one that a build would use, and reports where
they differ. With --verify, also compares that SBOM with the image's package databases.

Of an index, it lists those of every platform, or of --platform.

Exits 3 if no SBOM is usable or, with --verify, if the one that a build would use does not
match the image.`,
		Example: "  baseplan sbom find registry.example/run:noble\n  baseplan sbom find registry.example/run:noble --verify --key cosign.pub",
		Args:    cobra.ExactArgs(1),
	}
	verify := cmd.Flags().Bool("verify", false, "compare the SBOM with the image's package databases")
	trustFlags(cmd)
	cmd.Flags().String("baseplan", "", "baseplan.toml of the operator, with the trusted signers")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		all, err := onPlatforms(cmd.Context(), s, args[0], func(ctx context.Context, s *source, img *image.Image) (answerer, error) {
			return s.findAll(ctx, img, *verify)
		})
		if err != nil {
			return err
		}
		return c.answerAll(*output, args[0], all)
	}
	return cmd
}

// carried is everything attached to an image.
type carried struct {
	image    *image.Image
	title    string // its name, and the platform unless a heading has it
	found    *attach.Result
	scanned  *sbom.Document // the image's packages; nil: not compared
	verified bool           // compared with the image
	lies     []string       // in the SBOM, but not in the image
	omits    []string       // in the image, but not in the SBOM
}

func (s *source) findAll(ctx context.Context, img *image.Image, verify bool) (*carried, error) {
	f := &carried{image: img, title: s.titleOf(img), verified: verify}
	done := s.console.progress("reading the SBOMs of %s", titleOf(img))
	reader := s.reader()
	var err error
	f.found, err = reader.Finder.FindAll(ctx, reader.Subject(img))
	done()
	if err != nil || !verify || f.found.Found == nil {
		return f, err
	}
	if f.scanned, err = s.scan(ctx, img); err != nil {
		return nil, err
	}
	f.lies, f.omits = attach.Differ(f.found.Found.Document, f.scanned)
	return f, nil
}

// good reports whether there is an acceptable SBOM that, if compared, matches the image.
func (f *carried) good() bool {
	return f.found.Found != nil && len(f.lies) == 0 && len(f.omits) == 0
}

// A carriedDocument is the output of `sbom find --output json`.
type carriedDocument struct {
	envelope
	Image     string            `json:"image"`
	Digest    string            `json:"digest"`
	Platform  string            `json:"platform,omitempty"`
	Used      string            `json:"used,omitempty"` // reference of the SBOM that a build would use
	Carriers  []carriedCarrier  `json:"carriers"`
	Disagree  []carriedConflict `json:"disagreements"`
	Verified  bool              `json:"verified"`
	NotThere  []string          `json:"claimed-but-not-in-the-image,omitempty"`
	NotListed []string          `json:"in-the-image-but-not-listed,omitempty"`
	Warnings  []string          `json:"warnings,omitempty"` // ignored declarations, and unbound signatures that count
}

type carriedCarrier struct {
	Carrier   attach.Carrier `json:"carrier"`
	Result    attach.Outcome `json:"result"`
	Detail    string         `json:"detail,omitempty"`
	Reference string         `json:"reference,omitempty"`
	Digest    string         `json:"digest,omitempty"`
	Format    sbom.Format    `json:"format,omitempty"`
	Tool      string         `json:"tool,omitempty"`
	Packages  *int           `json:"packages,omitempty"`
	Created   *time.Time     `json:"created,omitempty"`
	attach.Signature
	Unbound bool `json:"unbound,omitempty"`
}

type carriedConflict struct {
	A     string   `json:"a"`
	B     string   `json:"b"`
	OnlyA []string `json:"only-a,omitempty"`
	OnlyB []string `json:"only-b,omitempty"`
}

func (f *carried) on() string { return platformOf(f.image) }

func (f *carried) document() any {
	d := carriedDocument{
		envelope: envelopeOf("sboms"), Image: f.image.Name.String(), Digest: f.image.Digest.String(), Platform: platformOf(f.image), Carriers: []carriedCarrier{}, Disagree: []carriedConflict{},
		Verified: f.verified, NotThere: f.lies, NotListed: f.omits, Warnings: f.found.Warnings,
	}
	if f.found.Found != nil {
		d.Used = f.found.Found.Reference
	}
	for _, x := range f.found.Searched {
		one := carriedCarrier{Carrier: x.Carrier, Result: x.Result, Detail: x.Detail, Reference: x.Reference, Signature: x.Signature, Unbound: x.Unbound}
		if x.Digest.Hex != "" {
			one.Digest = x.Digest.String()
		}
		if doc := x.Document; doc != nil {
			n := len(doc.Packages)
			one.Format, one.Tool, one.Packages = doc.Format, doc.Tool, &n
			if !doc.Created.IsZero() {
				one.Created = &doc.Created
			}
		}
		d.Carriers = append(d.Carriers, one)
	}
	for _, x := range f.found.Disagreements() {
		d.Disagree = append(d.Disagree, carriedConflict{x.A.Reference, x.B.Reference, x.OnlyA, x.OnlyB})
	}
	return d
}

// text prints the SBOMs as a tree.
func (f *carried) text(w io.Writer, width int) {
	fmt.Fprintf(w, "%s\n%s\n", f.title, f.image.Digest)
	for i, x := range f.found.Searched {
		branch, stem := "├─ ", "│  "
		if i == len(f.found.Searched)-1 {
			branch, stem = "└─ ", "   "
		}
		mark := ""
		if f.found.Found != nil && x.Reference == f.found.Found.Reference && x.Result == attach.Found && x.Carrier == f.found.Found.Carrier {
			mark = "  ← used"
		}
		fmt.Fprintf(w, "%s%s: %s%s\n", branch, x.Carrier, x.Result, mark)
		for _, line := range describe(x) {
			for _, part := range wrap(line, width-6) {
				fmt.Fprintf(w, "%s   %s\n", stem, part)
			}
		}
	}
	for _, warning := range f.found.Warnings {
		fmt.Fprintf(w, "\nwarning: %s\n", warning)
	}
	for _, x := range f.found.Disagreements() {
		fmt.Fprintf(w, "\n%s and %s disagree:\n", x.A.Carrier, x.B.Carrier)
		writeList(w, "only "+string(x.A.Carrier), x.OnlyA)
		writeList(w, "only "+string(x.B.Carrier), x.OnlyB)
	}
	f.conclude(w)
}

// describe returns the facts of one carrier, a line each.
func describe(x attach.Finding) []string {
	var lines []string
	if doc := x.Document; doc != nil {
		facts := []string{string(doc.Format) + " " + doc.Spec, fmt.Sprintf("%d packages", len(doc.Packages))}
		if doc.Tool != "" {
			facts = append(facts, "by "+doc.Tool)
		}
		if !doc.Created.IsZero() {
			facts = append(facts, fmt.Sprintf("made %s (%d days ago)", doc.Created.Format(time.DateOnly), int(time.Since(doc.Created).Hours())/24))
		}
		signed := "signature not checked (--key, --identity)"
		if by := x.By(); by != "" {
			signed = "signed by " + by
		}
		if x.Unbound {
			signed += ", which does not name the image"
		}
		lines = append(lines, strings.Join(facts, ", "), signed)
	}
	if x.Detail != "" {
		lines = append(lines, x.Detail)
	}
	if x.Reference != "" {
		lines = append(lines, x.Reference)
	}
	return lines
}

func writeList(w io.Writer, what string, packages []string) {
	for _, p := range packages[:min(len(packages), listed)] {
		fmt.Fprintf(w, "  %s: %s\n", what, p)
	}
	if more := len(packages) - listed; more > 0 {
		fmt.Fprintf(w, "  %s: and %d more\n", what, more)
	}
}

// listed is the maximum length of a list in text output; JSON has everything.
const listed = 20

// Differences between an SBOM and an image.
const (
	claimed  = "claimed, but not in the image"
	unlisted = "in the image, but not listed"
)

func (f *carried) conclude(w io.Writer) {
	fmt.Fprintln(w)
	switch {
	case f.found.Found == nil && slices.ContainsFunc(f.found.Searched, func(x attach.Finding) bool { return x.Result != attach.None && x.Result != attach.UnknownType }):
		fmt.Fprintln(w, "None of these is acceptable, so a build generates the inventory when it needs one.")
	case f.found.Found == nil:
		fmt.Fprintln(w, "Nothing is attached. Use `baseplan sbom attach` to attach an SBOM.")
	case !f.verified:
		fmt.Fprintln(w, "A build uses the marked one. Use --verify to compare it with the image.")
	case f.good():
		fmt.Fprintln(w, "The used SBOM matches the image's package databases.")
	default:
		fmt.Fprintln(w, "The used SBOM does not match the image:")
		writeList(w, claimed, f.lies)
		writeList(w, unlisted, f.omits)
	}
}
