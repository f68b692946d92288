package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
)

func (c *Console) providesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "provides IMAGE [NAME...]",
		Short: "List what an image provides to build plans, with evidence",
		Long: `Lists the names that an image provides to a build plan, each with its evidence. With
NAMEs, checks only these; write a NAME as a buildpack requires it, optionally with a
version constraint ("jre >= 17"). Exits 3 if one of them is not met, of an index by any
platform; --platform selects one.

Names are declared by the publisher, mapped (node, jre, ...), packages, virtual packages,
package URLs (pkg:deb/debian/curl), commands (cmd:curl) or libraries (so:libssl.so.3).
Commands, libraries and package URLs are listed only with --all.`,
		Example: "  baseplan provides registry.example/run:noble\n  baseplan provides registry.example/run:noble curl cmd:tree 'jre >= 17'",
		Args:    cobra.MinimumNArgs(1),
	}
	inventoryFlags(cmd)
	all := cmd.Flags().BoolP("all", "a", false, "also list commands, libraries and package URLs")
	output := outputFlag(cmd, "toml")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkRequirements(args[1:]); err != nil {
			return err
		}
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		answers, err := onPlatforms(cmd.Context(), s, args[0], func(ctx context.Context, s *source, img *image.Image) (answerer, error) {
			b, err := s.inventory(ctx, img)
			if err != nil {
				return nil, err
			}
			if len(args) > 1 {
				return answersOf(b, platformOf(img), args[1:]), nil
			}
			return &provided{Image: b, platform: platformOf(img), all: *all}, nil
		})
		switch {
		case err != nil:
			return err
		case len(args) == 1 && *output == "toml":
			return c.providesFile(answers, args[0])
		case len(args) > 1 && *output != "json":
			return c.answerTable(answers)
		}
		if p, ok := answers[0].(*provided); ok && len(answers) == 1 {
			p.alone = true
		}
		return c.answerAll(*output, args[0], answers)
	}
	return cmd
}

// provided is everything that an image provides.
type provided struct {
	base.Image
	platform string
	alone    bool // no other platform is shown, so its text names the platform
	all      bool // show commands, libraries and package URLs
}

func (p *provided) on() string { return p.platform }
func (p *provided) good() bool { return true }

func (p *provided) document() any {
	file := platform.RunImageProvidesOf(p.Set, p.Reference.String())
	return providesDocument{envelopeOf("provides"), file.Image, p.platform, file.Distro, file.Provides}
}

// providesFile prints run-image.provides.toml, which is about one image.
func (c *Console) providesFile(all []answerer, name string) error {
	if len(all) > 1 {
		return &hinted{fmt.Errorf("%s has %d platforms, and the file is about one", name, len(all)), "select one with --platform, or use --output json"}
	}
	image := all[0].(*provided)
	data, err := platform.RunImageProvidesOf(image.Set, image.Reference.String()).Encode()
	if err == nil {
		_, err = c.Out.Write(data)
	}
	return err
}

func (p *provided) text(w io.Writer, width int) {
	if p.alone && p.platform != "" {
		fmt.Fprintf(w, "platform  %s\n", p.platform)
	}
	counts := map[provides.Kind]int{}
	t := &table{width: width, head: []string{"NAME", "VERSION", "KIND", "EVIDENCE"}}
	for _, x := range p.Set.All() {
		counts[x.Kind]++
		if p.all || x.Kind != provides.Command && x.Kind != provides.Library && x.Kind != provides.PURL {
			t.row(x.Name, x.Version, string(x.Kind), strings.Join(platform.ProvidedOf(x).Evidence, " "))
		}
	}
	t.write(w)
	if !p.all && counts[provides.Command]+counts[provides.Library] > 0 {
		fmt.Fprintf(w, "\nand %d commands (cmd:...) and %d libraries (so:...); --all lists them\n", counts[provides.Command], counts[provides.Library])
	}
}

// A providesDocument is the output of `provides IMAGE --output json`.
type providesDocument struct {
	envelope
	Image    string                  `json:"image"`
	Platform string                  `json:"platform,omitempty"`
	Distro   platform.ProvidesDistro `json:"distro"`
	Provides []platform.Provided     `json:"provides"`
}

// An answersDocument is the output of `provides IMAGE NAME --output json`.
type answersDocument struct {
	envelope
	Platform string     `json:"platform,omitempty"`
	Answers  []answered `json:"answers"`
}

// An answered requirement is one NAME.
type answered struct {
	Name       string              `json:"name"`
	Constraint string              `json:"constraint,omitempty"`
	Met        bool                `json:"met"`
	Reason     string              `json:"reason"`
	By         []platform.Provided `json:"by,omitempty"`
}

func answersOf(b base.Image, platform string, names []string) *answersDocument {
	d := &answersDocument{envelope: envelopeOf("answers"), Platform: platform, Answers: []answered{}}
	for _, text := range names {
		d.Answers = append(d.Answers, answerOf(b.Set, text))
	}
	return d
}

func (d *answersDocument) on() string    { return d.Platform }
func (d *answersDocument) document() any { return d }

func (d *answersDocument) good() bool {
	return !slices.ContainsFunc(d.Answers, func(a answered) bool { return !a.Met })
}

func (d *answersDocument) text(w io.Writer, width int) { answerTable([]answerer{d}, width).write(w) }

// answerTable prints the answers for all platforms in one table.
func (c *Console) answerTable(all []answerer) error {
	answerTable(all, c.width()).write(c.Out)
	return enough(all)
}

// answerTable has a column for the platform of images in an index.
func answerTable(all []answerer, width int) *table {
	t := &table{width: width, head: []string{"REQUIRED", "MET", "WHY"}}
	inIndex := all[0].on() != ""
	if inIndex {
		t.head = slices.Insert(t.head, 1, "PLATFORM")
	}
	for i := range all[0].(*answersDocument).Answers {
		for _, one := range all {
			d := one.(*answersDocument)
			a := d.Answers[i]
			row := []string{strings.TrimSpace(a.Name + " " + a.Constraint), yesNo(a.Met), a.Reason}
			if inIndex {
				row = slices.Insert(row, 1, d.Platform)
			}
			t.row(row...)
		}
	}
	return t
}

func answerOf(set *provides.Set, text string) answered {
	return answeredBy(set.Answer(splitRequirement(text)), text)
}

// answeredBy returns the answer to a requirement.
func answeredBy(a provides.Answer, text string) answered {
	name, constraint := splitRequirement(text)
	out := answered{Name: name, Constraint: constraint, Met: a.Met, Reason: a.Reason}
	if a.Met {
		for _, p := range a.By {
			out.By = append(out.By, platform.ProvidedOf(p))
		}
	}
	return out
}

// splitRequirement splits "jre >= 17" into the name and the constraint, which begins after a space
// or with an operator.
func splitRequirement(text string) (name, constraint string) {
	text = strings.TrimSpace(text)
	i := strings.IndexAny(text, " <>=!~^")
	if strings.HasPrefix(text, "pkg:") { // a package URL may contain operators
		i = strings.IndexByte(text, ' ')
	}
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimSpace(text[i:])
}

// checkRequirements returns an error for an empty requirement.
func checkRequirements(all []string) error {
	for _, text := range all {
		if name, _ := splitRequirement(text); name == "" {
			return &hinted{fmt.Errorf("invalid requirement %q", text), "a requirement is a name with an optional version constraint: curl, 'jre >= 17'"}
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
