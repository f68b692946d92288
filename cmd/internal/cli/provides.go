package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
)

func (c *Console) providesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "provides IMAGE [NAME...]",
		Short: "List what an image provides to build plans, with evidence",
		Long: `Lists the names that an image provides to a build plan, each with its evidence. With
NAMEs, checks only these; write a NAME as a buildpack requires it, optionally with a
version constraint ("jre >= 17"). Exits 3 if one of them is not met.

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
		b, err := c.inspect(cmd, args[0])
		if err != nil {
			return err
		}
		if len(args) > 1 {
			return c.answers(b, args[1:], *output)
		}
		return c.list(b, *all, *output)
	}
	return cmd
}

// list prints everything that the image provides.
func (c *Console) list(b base.Image, all bool, output string) error {
	file := platform.RunImageProvidesOf(b.Set, b.Reference.String())
	switch output {
	case "json":
		return c.json(providesDocument{envelopeOf("provides"), file.Image, file.Distro, file.Provides})
	case "toml":
		data, err := file.Encode()
		if err == nil {
			_, err = c.Out.Write(data)
		}
		return err
	}
	counts := map[provides.Kind]int{}
	t := &table{width: c.width(), head: []string{"NAME", "VERSION", "KIND", "EVIDENCE"}}
	for _, p := range b.Set.All() {
		counts[p.Kind]++
		if all || p.Kind != provides.Command && p.Kind != provides.Library && p.Kind != provides.PURL {
			t.row(p.Name, p.Version, string(p.Kind), strings.Join(platform.ProvidedOf(p).Evidence, " "))
		}
	}
	t.write(c.Out)
	if !all && counts[provides.Command]+counts[provides.Library] > 0 {
		fmt.Fprintf(c.Out, "\nand %d commands (cmd:...) and %d libraries (so:...); --all lists them\n", counts[provides.Command], counts[provides.Library])
	}
	return nil
}

// A providesDocument is the output of `provides IMAGE --output json`.
type providesDocument struct {
	envelope
	Image    string                  `json:"image"`
	Distro   platform.ProvidesDistro `json:"distro"`
	Provides []platform.Provided     `json:"provides"`
}

// An answersDocument is the output of `provides IMAGE NAME --output json`.
type answersDocument struct {
	envelope
	Answers []answered `json:"answers"`
}

// An answered requirement is one NAME.
type answered struct {
	Name       string              `json:"name"`
	Constraint string              `json:"constraint,omitempty"`
	Met        bool                `json:"met"`
	Reason     string              `json:"reason"`
	By         []platform.Provided `json:"by,omitempty"`
}

func (c *Console) answers(b base.Image, names []string, output string) error {
	all := []answered{}
	enough := true
	for _, text := range names {
		a := answerOf(b.Set, text)
		enough = enough && a.Met
		all = append(all, a)
	}
	return c.answer(output, answersDocument{envelopeOf("answers"), all}, func(w io.Writer, width int) {
		t := &table{width: width, head: []string{"REQUIRED", "MET", "WHY"}}
		for _, a := range all {
			t.row(strings.TrimSpace(a.Name+" "+a.Constraint), yesNo(a.Met), a.Reason)
		}
		t.write(w)
	}, enough)
}

func answerOf(set *provides.Set, text string) answered {
	name, constraint := splitRequirement(text)
	a := set.Answer(name, constraint)
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
