package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

func (c *Console) selectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "select --run IMAGE... --requires NAME...",
		Short: "Which run images are enough, smallest first",
		Long: `Asks several run images whether they meet requirements, and lists those that do
first, the one with the fewest packages at the top. Exits 3 if none does.`,
		Example: "  baseplan select --run run:tiny --run run:base --run run:full --requires curl --requires 'jre >= 17'",
		Args:    cobra.NoArgs,
	}
	inventoryFlags(cmd)
	images := cmd.Flags().StringArray("run", nil, "a run image; give several")
	names := cmd.Flags().StringArray("requires", nil, "a requirement, with a version constraint if wanted; give several")
	_ = cmd.MarkFlagRequired("run")
	_ = cmd.MarkFlagRequired("requires")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkRequirements(*names); err != nil {
			return err
		}
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		if s.file != "" {
			return errors.New("--sbom describes one image, and several are asked: leave it out")
		}
		choices, err := s.choices(cmd.Context(), *images, *names)
		if err != nil {
			return err
		}
		return c.choose(choices, *output)
	}
	return cmd
}

// A choice is one run image and what it has to say.
type choice struct {
	Image    string     `json:"image"`
	Digest   string     `json:"digest"`
	Enough   bool       `json:"enough"`
	Packages int        `json:"packages"`
	Answers  []answered `json:"answers"`
}

// choices asks the images side by side; the best come first.
func (s *source) choices(ctx context.Context, images, names []string) ([]choice, error) {
	all := make([]choice, len(images))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, ref := range images {
		g.Go(func() error {
			b, err := s.base(ctx, ref)
			if err != nil {
				return err
			}
			ch := choice{Image: ref, Digest: b.Digest.String(), Enough: true, Packages: len(b.document.Packages)}
			for _, text := range names {
				a := answerOf(b.set, text)
				ch.Enough = ch.Enough && a.Met
				ch.Answers = append(ch.Answers, a)
			}
			all[i] = ch
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b choice) int {
		return cmp.Or(cmp.Compare(order(a.Enough), order(b.Enough)), cmp.Compare(a.Packages, b.Packages))
	})
	return all, nil
}

func order(enough bool) int {
	if enough {
		return 0
	}
	return 1
}

func (c *Console) choose(choices []choice, output string) error {
	if output == "json" {
		if err := c.json(choices); err != nil {
			return err
		}
	} else {
		t := &table{width: c.width(), head: []string{"RUN IMAGE", "ENOUGH", "PACKAGES", "LACKS"}}
		for _, ch := range choices {
			lacks := ""
			for _, a := range ch.Answers {
				if !a.Met && lacks != "" {
					lacks += "; "
				}
				if !a.Met {
					lacks += a.Reason
				}
			}
			t.row(ch.Image, yesNo(ch.Enough), fmt.Sprint(ch.Packages), lacks)
		}
		t.write(c.Out)
	}
	if !choices[0].Enough {
		return errNotEnough
	}
	return nil
}
