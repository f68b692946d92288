package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) selectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "select (--run IMAGE... | --catalog REPO) --requires NAME...",
		Short: "List the run images that satisfy requirements, smallest first",
		Long: `Checks requirements against several run images. Lists the images that meet them first,
ordered by number of packages. An image that cannot be read comes last. Exits 3 if no image
meets them, and 1 if none can be read.

With --dockerfile, an image must also make that run.Dockerfile unnecessary. If the
Dockerfile does more than install packages, no image can, and the lines that do more are
shown.

With --catalog, the images of a catalog (see baseplan catalog push) are checked instead, without
reading their inventories. The catalog must be signed if keys or identities are given. Of the
images that meet the requirements, the first one is current: entries with another digest than
the image's are left out before it.`,
		Example: `  baseplan select --run run:tiny --run run:base --run run:full --requires curl --requires 'jre >= 17'
  baseplan select --catalog registry.example/run-images --requires curl`,
		Args: cobra.NoArgs,
	}
	inventoriesFlags(cmd)
	images := cmd.Flags().StringArray("run", nil, "run image (repeatable)")
	fleet := cmd.Flags().String("catalog", "", "catalog of run images in a registry")
	names := cmd.Flags().StringArray("requires", nil, "requirement with an optional version constraint (repeatable)")
	files := cmd.Flags().StringArray("dockerfile", nil, "run.Dockerfile of an extension that provides what is required (repeatable)")
	proof := cmd.Flags().String("proof", "", proofHelp)
	cmd.MarkFlagsOneRequired("run", "catalog")
	for _, other := range []string{"run", "dockerfile", "generate", "proof"} {
		cmd.MarkFlagsMutuallyExclusive("catalog", other)
	}
	_ = cmd.MarkFlagRequired("requires")
	completeFlag(cmd, "proof", proofs...)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(checkRequirements(*names), checkReferences(*images...)); err != nil {
			return err
		}
		s, policy, err := c.judging(cmd, *proof)
		if err != nil {
			return err
		}
		if *fleet != "" {
			choices, err := s.catalogued(cmd.Context(), *fleet, *names)
			if err != nil {
				return err
			}
			return c.choose(choices, *output)
		}
		extended, err := c.extensionQuestion(*files, *names)
		if err != nil {
			return err
		}
		extended.Policy, extended.Built, extended.Log = policy, c.now(), c.log()
		choices, err := s.choices(cmd.Context(), *images, *names, extended)
		if err != nil {
			return err
		}
		return c.choose(choices, *output)
	}
	return cmd
}

// A selectDocument is the output of `select --output json`.
type selectDocument struct {
	envelope
	Choices []choice `json:"choices"` // the best first
}

// A choice is a run image with its answers.
type choice struct {
	Image    string     `json:"image"`
	Digest   string     `json:"digest"`
	Enough   bool       `json:"enough"`
	Packages int        `json:"packages"`
	Answers  []answered `json:"answers"`
	Error    string     `json:"error,omitempty"` // why the image cannot be read
	err      error
	listed   *catalog.Image // its entry in a catalog; nil: there is none

	Dockerfiles []platform.Verdict `json:"dockerfiles,omitempty"`
	Never       []string           `json:"never-enough,omitempty"` // why no run image can satisfy the requirements
}

// extensionQuestion returns the question for the Dockerfiles of one extension that provides everything required.
func (c *Console) extensionQuestion(files, names []string) (base.Question, error) {
	extension := resolver.Module{Kind: resolver.Extension, ID: "the extension"}
	q := base.Question{Resolution: &resolver.Resolution{}}
	for _, file := range files {
		d, err := c.readDockerfile(file, string(extensions.Run), nil)
		if err != nil {
			return q, err
		}
		d.Extension = extension
		q.Dockerfiles = append(q.Dockerfiles, d)
	}
	for _, text := range names {
		name, constraint := splitRequirement(text)
		q.Resolution.Requirements = append(q.Resolution.Requirements, resolver.Requirement{
			Name: name, Version: constraint, By: resolver.Module{Kind: resolver.Buildpack, ID: "the app"}, Providers: []resolver.Module{extension},
		})
	}
	return q, nil
}

// judge adds the verdicts on the Dockerfiles for an image.
func (ch *choice) judge(ctx context.Context, b base.Image, q base.Question) error {
	q.Run = b
	judged, err := base.Judge(ctx, q)
	if err != nil {
		return err
	}
	ch.Enough = ch.Enough && !judged.ExtendRun
	for _, v := range judged.Verdicts {
		ch.Dockerfiles = append(ch.Dockerfiles, platform.VerdictOf(v))
	}
	ch.Never = judged.NeverEnough(extensions.Run)
	return nil
}

// choices examines the images concurrently and returns the best first.
func (s *source) choices(ctx context.Context, images, names []string, q base.Question) ([]choice, error) {
	all := make([]choice, len(images))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, ref := range images {
		g.Go(func() error {
			b, err := s.read(ctx, reference.Parse(ref))
			if err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil { // others may be enough
				all[i] = choice{Image: ref, Error: err.Error(), Answers: []answered{}, err: err}
				return nil
			}
			ch := choice{Image: ref, Digest: b.Digest, Enough: true, Packages: len(b.Document().Packages)}
			for _, text := range names {
				a := answerOf(b.Set, text)
				ch.Enough = ch.Enough && a.Met
				ch.Answers = append(ch.Answers, a)
			}
			err = ch.judge(ctx, b, q)
			all[i] = ch
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b choice) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), cmp.Compare(a.Packages, b.Packages))
	})
	return all, all[0].err
}

// order returns the place among other images: those that are enough come first, those that cannot be read last.
func (ch choice) order() int {
	switch {
	case ch.Enough:
		return 0
	case ch.Error == "":
		return 1
	}
	return 2
}

// lacks returns what the image lacks.
func (ch choice) lacks() []string {
	var all []string
	for _, a := range ch.Answers {
		if !a.Met {
			all = append(all, a.Reason)
		}
	}
	for _, v := range ch.Dockerfiles {
		if all == nil && extensions.Outcome(v.Verdict).Left() {
			all = append(all, v.Dockerfile+": "+strings.Join(v.Reasons, "; "))
		}
	}
	return all
}

func (c *Console) choose(choices []choice, output string) error {
	return c.answer(output, selectDocument{envelopeOf("selection"), choices}, func(w io.Writer, width int) {
		t := &table{width: width, head: []string{"RUN IMAGE", "ENOUGH", "PACKAGES", "LACKS"}}
		for _, ch := range choices {
			if ch.Error != "" {
				t.row(ch.Image, "unknown", "", ch.Error)
				continue
			}
			t.row(ch.Image, yesNo(ch.Enough), fmt.Sprint(ch.Packages), strings.Join(ch.lacks(), "; "))
		}
		t.write(w)
		for _, never := range choices[0].Never {
			fmt.Fprintf(w, "\n%s\n", strings.Join(wrap("No run image is enough: "+never, width), "\n"))
		}
	}, choices[0].Enough)
}
