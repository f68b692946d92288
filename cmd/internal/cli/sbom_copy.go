package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) sbomCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy SRC DST",
		Short: "Copy what is attached to an image to the same image in another repository",
		Long: `Copies the SBOMs, declarations, attestations and signatures that are attached to an image, or
to an index and all its platforms, to a mirror of it: referrers, cosign's tags, and the
signatures of these. DST must have the same digest; if it has neither tag nor digest, the
digest of SRC is taken. --with-image copies the image as well, and at the end lets the tag of
DST point to it.

What DST has already stays. SBOMs in the image's last layer and in BuildKit's attestations
are part of the image or index.

Exits 0 if DST has all that was found, and 3 if nothing is attached to SRC or something was
not copied.`,
		Example: "  baseplan sbom copy registry.example/run:noble mirror.example/base/run:noble\n  baseplan sbom copy registry.example/run:noble mirror.example/base/run:noble --with-image",
		Args:    cobra.ExactArgs(2),
	}
	withImage := cmd.Flags().Bool("with-image", false, "copy the image as well")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		from, err := s.attachable(args[0])
		if err != nil {
			return err
		}
		to, err := s.copyTo(cmd, from, args)
		if err != nil {
			return err
		}
		done := c.progress("copying what is attached to %s", args[0])
		a := attach.Attacher{Registry: s.images.Registry}
		copied, err := a.Copy(cmd.Context(), from, to, attach.Copying{Platform: s.onlyPlatform(), Image: *withImage})
		done()
		if err != nil {
			if len(copied) > 0 {
				_ = c.copied(copied, from, to, *output) // before the error
			}
			return copyHint(err, from, to)
		}
		return c.copied(copied, from, to, *output)
	}
	return cmd
}

// copyTo returns the reference of the destination: without tag and digest, by the digest of the source.
func (s *source) copyTo(cmd *cobra.Command, from name.Reference, args []string) (name.Reference, error) {
	to, err := s.attachable(args[1])
	parsed := reference.Parse(args[1])
	if err != nil || parsed.Tag != "" || parsed.Digest != "" {
		return to, err
	}
	if d, ok := from.(name.Digest); ok {
		return to.Context().Digest(d.DigestStr()), nil
	}
	img, err := s.images.OpenAll(cmd.Context(), reference.Parse(args[0]))
	if err != nil {
		return nil, openHint(err)
	}
	return to.Context().Digest(topDigest(img[0])), nil
}

// topDigest returns the digest that a reference has: of the index, if the image is in one.
func topDigest(img *image.Image) string {
	if img.Parent != nil {
		return img.Index.String()
	}
	return img.Digest.String()
}

func copyHint(err error, from, to name.Reference) error {
	switch {
	case errors.Is(err, attach.ErrNotThere):
		return &hinted{err, fmt.Sprintf("copy the image first, or use --with-image (such as crane copy %s %s)", from, to)}
	case errors.Is(err, attach.ErrOtherImage):
		return &hinted{err, "SBOMs are about one digest: copy the same image with all platforms to DST first or use --with-image, or name by its digest what DST is a copy of"}
	}
	return openHint(err)
}

// A copiedDocument is the output of `sbom copy --output json`.
type copiedDocument struct {
	envelope
	Source      string       `json:"source"`
	Destination string       `json:"destination"`
	Copied      []copiedItem `json:"copied"`
}

type copiedItem struct {
	Subject   string `json:"subject"` // digest of the image, the index or the artifact that it belongs to
	Platform  string `json:"platform,omitempty"`
	What      string `json:"what"` // image, sbom, attestation, signature, provides or artifact
	Type      string `json:"type,omitempty"`
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	State     string `json:"state" jsonschema:"enum=copied,enum=there already,enum=not copied"`
	Reason    string `json:"reason,omitempty"` // why it was not copied
}

func (c *Console) copied(all []attach.Copied, from, to name.Reference, output string) error {
	d := copiedDocument{envelopeOf("copied"), from.String(), to.String(), []copiedItem{}}
	for _, x := range all {
		item := copiedItem{
			Subject: x.Subject.String(), Platform: spelledPlatform(x.Platform), What: x.What, Type: x.Type, Reference: x.Reference, Digest: x.Digest.String(),
			State: thereAlready, Reason: x.Left,
		}
		switch {
		case x.Left != "":
			item.State = "not copied"
		case x.Changed:
			item.State = "copied"
		}
		d.Copied = append(d.Copied, item)
	}
	attached := slices.ContainsFunc(all, func(x attach.Copied) bool { return x.What != "image" })
	good := attached && !slices.ContainsFunc(all, func(x attach.Copied) bool { return x.Left != "" })
	return c.answer(output, d, func(w io.Writer, width int) {
		t := &table{width: width, head: []string{"WHAT", "PLATFORM", "STATE", "WHERE"}}
		for _, i := range d.Copied {
			where := i.Reference
			if i.Reason != "" {
				where += ": " + i.Reason
			}
			t.row(i.What, i.Platform, i.State, where)
		}
		t.write(w)
		if !attached {
			fmt.Fprintf(w, "Nothing is attached to %s. Use `baseplan sbom attach` to attach an SBOM.\n", from)
		}
	}, good)
}
