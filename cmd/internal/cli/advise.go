package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver/advise"
)

func (c *Console) adviseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "advise [FILE|DIR...] [--from APP_IMAGE...] [--from-file LIST]",
		Short: "Recommend packages for run images from past builds",
		Long: fmt.Sprintf(`Reads how past builds were resolved, finds what each build lacked in its run image,
and recommends which packages to add to which run images so that the fewest builds need
an extension.

A build is a resolution.toml, or an app image with the label `+platform.ResolutionLabel+`. In a DIR,
every file whose name ends in resolution.toml is read. In --from, the tag of an image may be a
pattern: registry.example/app:* names all images of the repository, each image once. A LIST has an
app image, such a pattern, or a resolution.toml in each line, optionally followed by a number: how
many builds it stands for. What cannot be read is passed over with a warning.

If a Dockerfile does more than install packages, or the label does not record its
instructions, packages are those that provide what the build plan requires: by the mapping
of the build, or of --baseplan for app images, and the distribution of the run image.

The recommendation is optimal if the builds on a run image lack at most %d different sets
of packages. Beyond that it is found greedily, and the answer says by how many builds at most it
is worse than the optimum. Among choices that serve equally many builds, the one that gives builds
the fewest unneeded packages wins. --images limits the number of new run images; fewer are
recommended if more would not help.

Exits 0 if no build would then need an extension, 3 if some still would.`, advise.Exact),
		Example: `  baseplan advise builds/
  baseplan advise --from 'registry.example/shop:*' --from registry.example/blog --images 2 --packages 10
  baseplan advise --from-file apps.txt --output json`,
	}
	a := buildFlags{flag: "from"}
	fl := cmd.Flags()
	images := fl.Int("images", 3, "maximum number of new run images")
	packages := fl.Int("packages", 0, "maximum number of packages to add to each (0: no limit)")
	fl.StringArrayVar(&a.named, "from", nil, "app image of a build, or REPOSITORY:PATTERN for all images whose tag matches (repeatable)")
	fl.StringVar(&a.list, "from-file", "", "file with an app image, a pattern or a resolution.toml in each line, and optionally the number of builds")
	fl.String("baseplan", "", "baseplan.toml of the operator, for app images")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *images < 0 || *packages < 0 {
			return errors.New("--images and --packages cannot be negative")
		}
		a.files = args
		h, err := c.readHistory(cmd, a)
		if err != nil {
			return err
		}
		h.plans = advise.Problem{Builds: h.named(), Images: *images, Packages: *packages}.Plans()
		return c.answer(*output, h.document(), h.text, h.left(h.last()) == 0 && h.files > 0)
	}
	return cmd
}

func (h *history) last() advise.Plan { return h.plans[len(h.plans)-1] }

// left returns how many builds would still need an extension.
func (h *history) left(p advise.Plan) int { return h.files - p.Served }

// An adviseDocument is the output of `advise --output json`.
type adviseDocument struct {
	envelope
	Builds   int          `json:"builds"`
	Unknown  int          `json:"unknown"`     // builds whose run image was unknown
	Labels   int          `json:"labels"`      // builds whose extensions are known by the label of the app image only
	Passed   int          `json:"passed-over"` // files and app images that cannot be used
	Helpless []helpless   `json:"not-helped-by-any-run-image"`
	Plans    []advisePlan `json:"plans"` // with no new run image, with one, and so on
}

type advisePlan struct {
	RunImages     []adviseImage `json:"run-images"`
	NeedExtension int           `json:"need-extension"` // builds
	Spare         int           `json:"spare-packages"` // not needed by a build, summed over builds
	Exact         bool          `json:"exact"`
	AtLeast       int           `json:"at-least"`      // builds that need an extension with any choice of this many run images
	Above         int           `json:"above-optimum"` // need-extension is at most so much more than with the best choice
}

type adviseImage struct {
	Base   string      `json:"base"`
	Add    []*addition `json:"add"`
	Builds int         `json:"builds"`
}

func (h *history) document() adviseDocument {
	d := adviseDocument{envelope: envelopeOf("advice"), Builds: h.files, Unknown: h.unknown, Labels: h.labels, Passed: h.passed, Helpless: append([]helpless{}, h.helpless...)}
	for _, p := range h.plans {
		out := advisePlan{RunImages: []adviseImage{}, NeedExtension: h.left(p), Spare: p.Spare, Exact: p.Exact, AtLeast: h.files - p.AtMost, Above: p.AtMost - p.Served}
		for _, img := range p.Images {
			out.RunImages = append(out.RunImages, adviseImage{img.Base, h.added(img), img.Builds})
		}
		d.Plans = append(d.Plans, out)
	}
	return d
}

func (h *history) text(w io.Writer, width int) {
	t := &table{width: width, head: []string{"NEW RUN IMAGES", "BUILDS THAT NEED AN EXTENSION", "SPARE PACKAGES", "ANSWER"}}
	for k, p := range h.plans {
		answer := "exact"
		if !p.Exact {
			answer = fmt.Sprintf("greedy: at most %d above the optimum", p.AtMost-p.Served)
		}
		t.row(fmt.Sprint(k), fmt.Sprintf("%d of %d", h.left(p), h.files), fmt.Sprint(p.Spare), answer)
	}
	t.write(w)
	t = &table{width: width, head: []string{"RUN IMAGE", "BUILDS", "ADD"}}
	for _, img := range h.last().Images {
		var add []string
		for _, a := range h.added(img) {
			add = append(add, a.String())
		}
		t.row(img.Base, fmt.Sprint(img.Builds), strings.Join(add, ", "))
	}
	t.writeBelow(w)
	t = &table{width: width, head: []string{"NOT HELPED", "BUILDS", "WHY"}}
	for _, x := range h.helpless {
		t.row(x.Extension, fmt.Sprint(x.Builds), x.Why)
	}
	t.writeBelow(w)
	for _, note := range h.notes() {
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(note, width), "\n"))
	}
	fmt.Fprintf(w, "\n%s\n", h.conclusion())
}

// notes says what the advice does not take into account.
func (h *history) notes() (all []string) {
	if h.unknown > 0 {
		all = append(all, fmt.Sprintf("Not counted, because the packages of their run images were unknown (verdict pending): %d. The restorer completes the file; use the one from the end of the build.", h.unknown))
	}
	if h.passed > 0 {
		all = append(all, fmt.Sprintf("Passed over, see the warnings: %s.", counted(h.passed, "build", "builds")))
	}
	if h.labels > 0 {
		all = append(all, fmt.Sprintf("Extensions known only by the label of the app image: %s. The label does not record what a Dockerfile does; it is assumed to install only what the build plan requires.", counted(h.labels, "build", "builds")))
	}
	return all
}

// conclusion returns the summary in a sentence.
func (h *history) conclusion() string {
	none, last := h.left(h.plans[0]), h.last()
	switch {
	case h.files == 0:
		return "The packages of the builds' run images are unknown."
	case none == 0:
		return "No build needs an extension for its run image; there is nothing to add."
	case len(last.Images) == 0:
		return fmt.Sprintf("No run image would help: %s.", need(none))
	case h.left(last) == 0:
		return fmt.Sprintf("With the run images above, no build needs an extension; today %s.", need(none))
	}
	return fmt.Sprintf("With the run images above, %s; today %s.", need(h.left(last)), need(none))
}

func need(builds int) string {
	if builds == 1 {
		return "1 build needs one"
	}
	return fmt.Sprintf("%d builds need one", builds)
}
