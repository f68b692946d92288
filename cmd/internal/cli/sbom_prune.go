package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/scan"
)

func (c *Console) sbomPruneCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prune IMAGE...",
		Short: "Remove SBOMs and declarations that are wrong or that builds do not use",
		Long: `Lists what is attached to images, and to the platforms of an index, and is wrong or not used
by builds, and removes it with --yes or after a question on a terminal:

stale       an SBOM about another image, or with packages that the image lacks, even if builds
            use it: without it, they generate one
unsigned    with --key or --identity: what is not signed or signed by others, if an SBOM that is
            right is signed by one of these
superseded  an SBOM of the same format, signer and place as the one that builds use, or an
            earlier declaration; what is signed only with --key or --identity

It never removes an SBOM that builds use and that is right, SBOMs that cannot be read, other
artifacts, or what is in the image or index itself. The registry must support deletion.

Exits 0 if nothing remains to be removed, and 3 if something was found and not removed.`,
		Example: "  baseplan sbom prune registry.example/run:noble --key cosign.pub\n  baseplan sbom prune registry.example/run:noble registry.example/run:jammy --yes",
		Args:    cobra.MinimumNArgs(1),
	}
	trustFlags(cmd)
	cmd.Flags().String("baseplan", "", "baseplan.toml of the operator, with the trusted signers")
	yes := cmd.Flags().BoolP("yes", "y", false, "remove without a question")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		p := &sbomPruning{source: s}
		for _, image := range args {
			ref, err := s.attachable(image)
			if err != nil {
				return err
			}
			p.images = append(p.images, prunedImage{name: image, ref: ref})
		}
		if err := p.find(cmd.Context()); err != nil {
			return err
		}
		return p.finish(cmd.Context(), *yes, *output)
	}
	return cmd
}

// sbomPruning is one run of `sbom prune`.
type sbomPruning struct {
	source *source
	images []prunedImage
}

type prunedImage struct {
	name  string
	ref   name.Reference
	found []attach.Prunable
	done  []prunedItem
	err   error // why nothing is known
}

// find determines what can be removed.
func (p *sbomPruning) find(ctx context.Context) error {
	s := p.source
	a := &attach.Attacher{Registry: s.images.Registry}
	options := attach.Pruning{Platform: s.onlyPlatform(), Trust: s.trust, Scan: func(ctx context.Context, t attach.Target) (*sbom.Document, error) {
		return scan.Image(ctx, t.Image, scan.Options{Cache: s.cache})
	}}
	var group errgroup.Group
	group.SetLimit(4)
	for i := range p.images {
		x := &p.images[i]
		group.Go(func() error {
			defer s.console.progress("reading the SBOMs of %s", x.name)()
			x.found, x.err = a.Prunable(ctx, x.ref, options)
			return context.Cause(ctx)
		})
	}
	return group.Wait()
}

// onlyPlatform returns the platform of --platform, or nil.
func (s *source) onlyPlatform() *v1.Platform {
	if s.exactly {
		return s.images.Platform
	}
	return nil
}

// A prunedDocument is the output of `sbom prune --output json`.
type prunedDocument struct {
	envelope
	Items []prunedItem `json:"items"`
}

// A prunedItem is something that builds do not use, or an image that could not be read.
type prunedItem struct {
	Image     string         `json:"image"`
	Platform  string         `json:"platform,omitempty"` // absent: of the index, or of the only image
	What      string         `json:"what,omitempty"`     // sbom or provides
	Format    sbom.Format    `json:"format,omitempty"`
	Carrier   attach.Carrier `json:"carrier,omitempty"`
	Reason    attach.Reason  `json:"reason,omitempty"` // stale, unsigned or superseded
	Detail    string         `json:"detail,omitempty"`
	Reference string         `json:"reference,omitempty"`
	Digest    string         `json:"digest,omitempty"`
	Removed   bool           `json:"removed"`
	Error     string         `json:"error,omitempty"`
}

func (x *prunedImage) items() []prunedItem {
	if x.done != nil {
		return x.done
	}
	var all []prunedItem
	for _, f := range x.found {
		all = append(all, prunedItem{
			Image: x.name, Platform: spelledPlatform(f.Platform), What: f.What, Format: f.Format, Carrier: f.Carrier, Reason: f.Reason,
			Detail: f.Detail, Reference: f.Reference, Digest: f.Digest.String(),
		})
	}
	if x.err != nil {
		all = append(all, prunedItem{Image: x.name, Error: x.err.Error()})
	}
	return all
}

func (p *sbomPruning) document() prunedDocument {
	d := prunedDocument{envelopeOf("pruned"), []prunedItem{}}
	for i := range p.images {
		d.Items = append(d.Items, p.images[i].items()...)
	}
	return d
}

// finish removes what was found if that is wanted, and prints it.
func (p *sbomPruning) finish(ctx context.Context, yes bool, output string) error {
	c := p.source.console
	found := 0
	for _, x := range p.images {
		found += len(x.found)
	}
	asked := false
	if !yes && found > 0 && output == "text" && c.interactive() {
		p.text(c.Out, c.width())
		asked = true
		yes = c.confirm(fmt.Sprintf("\nRemove these %d?", found))
	}
	if yes {
		p.remove(ctx)
	}
	if !asked || yes {
		text := p.text
		if found > 0 && !yes {
			text = func(w io.Writer, width int) {
				p.text(w, width)
				fmt.Fprintln(w, "\nNothing was removed. Use --yes to remove these.")
			}
		}
		if err := c.answer(output, p.document(), text, true); err != nil {
			return err
		}
	}
	if failures := p.failures(); failures != nil {
		return failures
	}
	if found > 0 && !yes {
		return errNotEnough
	}
	return nil
}

// remove removes what was found.
func (p *sbomPruning) remove(ctx context.Context) {
	defer p.source.console.progress("removing SBOMs")()
	a := &attach.Attacher{Registry: p.source.images.Registry}
	for i := range p.images {
		x := &p.images[i]
		items := x.items()
		for k, f := range x.found {
			if err := a.Remove(ctx, f); err != nil {
				items[k].Error = err.Error()
				x.err = errors.Join(x.err, err)
				continue
			}
			items[k].Removed = true
		}
		x.done = items
	}
}

// failures returns an error if an image could not be read or something could not be removed.
func (p *sbomPruning) failures() error {
	n := 0
	var all error
	for _, x := range p.images {
		if x.err != nil {
			n++
			all = errors.Join(all, x.err)
		}
	}
	if n == 0 {
		return nil
	}
	err := fmt.Errorf("%d of %s failed", n, counted(len(p.images), "image", "images"))
	if errors.Is(all, attach.ErrCannotDelete) {
		return &hinted{err, "allow deletion in the registry (docker's: REGISTRY_STORAGE_DELETE_ENABLED=true), or remove the listed digests with the registry's own interface"}
	}
	return err
}

func (p *sbomPruning) text(w io.Writer, width int) {
	t := &table{width: width, head: []string{"IMAGE", "PLATFORM", "WHAT", "CARRIER", "REASON", "STATE", "DETAIL"}}
	for _, i := range p.document().Items {
		state := "not removed"
		switch {
		case i.Error != "":
			state = failed
		case i.Removed:
			state = "removed"
		}
		detail := strings.TrimPrefix(strings.Join(slices.DeleteFunc([]string{i.Reference, i.Detail, i.Error}, func(s string) bool { return s == "" }), ": "), ": ")
		t.row(i.Image, i.Platform, i.What, string(i.Carrier), string(i.Reason), state, detail)
	}
	if len(t.rows) == 0 {
		fmt.Fprintln(w, "There is nothing to remove.")
	}
	t.write(w)
}

// interactive reports whether a question can be asked.
func (c *Console) interactive() bool {
	in, ok := c.In.(*os.File)
	return ok && c.status.terminal != nil && term.IsTerminal(int(in.Fd()))
}

// confirm asks a question on the terminal; only yes is yes.
func (c *Console) confirm(question string) bool {
	fmt.Fprintf(c.Err, "%s [y/N] ", question)
	line, _ := bufio.NewReader(c.In).ReadString('\n') // an incomplete line counts as well
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
