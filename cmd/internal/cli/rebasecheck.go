package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) rebaseCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebase-check APP_IMAGE NEW_RUN_IMAGE",
		Short: "Check whether a new run image has everything that an app image relies on",
		Long: `An app image whose extensions were skipped records what it relies on in its run image
(label ` + platform.RequirementsLabel + `). This command checks those requirements
against another run image, as the rebaser does, and writes nothing. It also reports a
difference of targets and, if both run images have an SBOM attached, the packages that
are added and removed. Without the label there is nothing to check, and the packages of
the new run image are not read.

Exits 0 if a rebase would be safe, 3 if not. For a run image that the app image does not
list, it also reports that the rebaser requires -force.`,
		Example: "  baseplan rebase-check registry.example/app registry.example/run:noble-2\n  baseplan rebase-check docker://app oci:run --output json",
		Args:    cobra.ExactArgs(2),
	}
	inventoryFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkReferences(args...); err != nil {
			return err
		}
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		r := &rebaseCheck{source: s}
		if err := r.run(cmd.Context(), args[0], args[1]); err != nil {
			return err
		}
		return c.answer(*output, r.document(), r.text, r.safe())
	}
	return cmd
}

// A rebaseCheck is one run of `rebase-check`.
type rebaseCheck struct {
	lifecycle.RebaseCheck
	source *source
	base   base.Image // the new run image; without an inventory: not read
	unsafe []error
	judged []base.Rechecked
	change *packageChange         // nil: a run image has no attached SBOM
	names  platform.RunImageNames // the run image names in the app image
}

// A packageChange lists the packages that a rebase changes, each as "deb curl 7.88.1-10".
type packageChange struct {
	Gone []string `json:"gone"`
	Come []string `json:"come"`
}

func (r *rebaseCheck) run(ctx context.Context, app, now string) (err error) {
	if r.App, err = r.source.open(ctx, reference.Parse(app)); err != nil {
		return err
	}
	defer r.App.Close()
	if r.New, err = r.source.open(ctx, reference.Parse(now)); err != nil {
		return err
	}
	defer r.New.Close()
	r.Name = r.New.Name
	r.base = base.Image{Reference: r.Name, Digest: r.New.Digest.String()}
	if r.names, err = r.Recorded(api.Platform.Supported[len(api.Platform.Supported)-1]); err != nil {
		return &hinted{err, "the app image comes first, then the run image"}
	}
	if r.unsafe, err = r.Unsafe(ctx); err != nil {
		return err
	}
	required, err := r.Required()
	if required == nil || err != nil {
		return err
	}
	r.source.mapping = nil // the label's evidence counts, not the names used here
	if r.base, err = r.source.inventory(ctx, r.New); err != nil {
		return err
	}
	r.judged = base.RecheckRequirements(r.base, required)
	if !r.base.Generated() {
		r.compare(ctx)
	}
	return nil
}

// compare compares the packages, if the old run image has an SBOM, too.
func (r *rebaseCheck) compare(ctx context.Context) {
	removed, added, err := r.Changed(ctx, r.base, r.source.reader())
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), "; searched:") // what was found where is `sbom find`'s to tell
		r.source.console.warn("cannot compare the packages of the run images: %s", why)
		return
	}
	r.change = &packageChange{Gone: append([]string{}, removed...), Come: append([]string{}, added...)} // [], not null
}

func (r *rebaseCheck) lacks() bool {
	return slices.ContainsFunc(r.judged, func(x base.Rechecked) bool { return !x.Answer.Met })
}

// foreign reports whether the app image does not have the new run image among its run image names.
func (r *rebaseCheck) foreign() bool {
	return !r.names.Has(r.Name)
}

func (r *rebaseCheck) safe() bool { return len(r.unsafe) == 0 && !r.lacks() }

// A rebaseCheckDocument is the output of `rebase-check --output json`.
type rebaseCheckDocument struct {
	envelope
	App          string                 `json:"app"`
	RunImage     platform.ResolvedImage `json:"run-image"` // the new one; inventory "unknown": not read
	Safe         bool                   `json:"safe"`
	NeedsForce   bool                   `json:"needs-force"` // the rebaser accepts the run image only with -force
	Unsafe       []string               `json:"unsafe"`      // reasons against a rebase, other than requirements
	Requirements []recheckedDocument    `json:"requirements"`
	Packages     *packageChange         `json:"packages,omitempty"` // if both run images have an attached SBOM
}

type recheckedDocument struct {
	platform.RunImageRequirement
	Met    bool   `json:"met"`
	Reason string `json:"reason"`
}

func (r *rebaseCheck) document() rebaseCheckDocument {
	d := rebaseCheckDocument{
		envelope: envelopeOf("rebase-check"), App: r.App.Name.String(), Safe: r.safe(), NeedsForce: !r.safe() || r.foreign(), Packages: r.change, Unsafe: []string{}, Requirements: []recheckedDocument{},
		RunImage: r.base.Resolved(),
	}
	for _, err := range r.unsafe {
		d.Unsafe = append(d.Unsafe, err.Error())
	}
	for _, x := range r.judged {
		d.Requirements = append(d.Requirements, recheckedDocument{x.RunImageRequirement, x.Answer.Met, x.Answer.Reason})
	}
	return d
}

func (r *rebaseCheck) text(w io.Writer, width int) {
	fmt.Fprintf(w, "app image  %s\nrun image  %s\n", r.App.Name, r.Name)
	if r.base.Set != nil {
		fmt.Fprintf(w, "inventory  %s, %d packages\n\n", r.source.console.provenance(r.base), len(r.base.Document().Packages))
	}
	t := &table{width: width, head: []string{"RELIES ON", "FOR", "MET", "WHY"}}
	for _, x := range r.judged {
		who := x.RequiredBy
		if x.ProvedByEffect != "" {
			who = x.ProvedByEffect + " (skipped)"
		}
		t.row(strings.TrimSpace(x.Name+" "+x.Constraint), who, yesNo(x.Answer.Met), x.Answer.Reason)
	}
	t.write(w)
	if r.change != nil {
		writeChange(w, "removed", r.change.Gone, width)
		writeChange(w, "added", r.change.Come, width)
	}
	for _, err := range r.unsafe {
		fmt.Fprintf(w, "\nnot safe: %v\n", err)
	}
	if r.foreign() {
		note := fmt.Sprintf("%s is not the run image recorded in the app image (%s), so the rebaser accepts it only with -force.", r.Name, cmp.Or(r.names.Image, "not recorded"))
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(note, width), "\n"))
	}
	fmt.Fprintf(w, "\n%s\n", r.conclusion())
}

// writeChange lists removed or added packages.
func writeChange(w io.Writer, what string, packages []string, width int) {
	if len(packages) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(fmt.Sprintf("Packages %s (%d): %s", what, len(packages), strings.Join(packages, ", ")), width), "\n"))
	}
}

// conclusion returns the summary in a sentence.
func (r *rebaseCheck) conclusion() string {
	switch {
	case r.lacks():
		return "A rebase would break the app: the new run image lacks what it relies on."
	case len(r.unsafe) > 0:
		return "A rebase would not be safe."
	case r.base.Set == nil:
		return "The app image does not record any requirements, so a rebase is not refused."
	}
	return "A rebase is safe: the new run image has everything that the app image relies on."
}
