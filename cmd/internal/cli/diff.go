package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) diffCommand() *cobra.Command {
	var builds []string
	cmd := &cobra.Command{
		Use:   "diff OLD_RUN_IMAGE NEW_RUN_IMAGE [--build APP_IMAGE|FILE|DIR...]",
		Short: "Compare two run images: their packages, what they provide, and which past builds would break",
		Long: `Compares what two run images have: packages and provided names that are removed, added or
changed. Use it before you publish a new version of a run image.

--build names past builds: app images, whose label ` + platform.RequirementsLabel + ` says
what they rely on, or the resolution.toml of builds, in a DIR every file whose name ends in
resolution.toml. Every requirement is checked against the new run image, as the rebaser does.

Exits 0 if no given build would break, and 3 if one would.`,
		Example: `  baseplan diff registry.example/run:1 registry.example/run:2
  baseplan diff registry.example/run:1 oci:run --build registry.example/app --build builds/ --output markdown`,
		Args: cobra.ExactArgs(2),
	}
	inventoriesFlags(cmd)
	all := cmd.Flags().BoolP("all", "a", false, "also compare commands, libraries and package URLs")
	cmd.Flags().StringArrayVar(&builds, "build", nil, "app image, resolution.toml, or directory of such files (repeatable)")
	output := outputFlag(cmd, "markdown")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		past, err := s.pastBuilds(cmd.Context(), builds)
		if err != nil {
			return err
		}
		before, err := s.read(cmd.Context(), reference.Parse(args[0]))
		if err != nil {
			return err
		}
		now, err := s.read(cmd.Context(), reference.Parse(args[1]))
		if err != nil {
			return err
		}
		d := compareRunImages(before, now, *all)
		d.Builds = len(past)
		if len(past) > 0 && s.mapping != nil { // the evidence of builds counts, not the names used here
			s.mapping = nil
			if now, err = s.read(cmd.Context(), reference.Parse(args[1])); err != nil {
				return err
			}
		}
		for _, b := range past {
			d.Broken = append(d.Broken, b.broken(now)...)
		}
		text := d.text
		if *output == "markdown" {
			text = func(w io.Writer, _ int) { d.markdown(w) }
		}
		return c.answer(*output, d, text, len(d.Broken) == 0)
	}
	return cmd
}

// A pastBuild is what a build relies on in its run image.
type pastBuild struct {
	name   string // of the app image or the file
	relies []platform.RunImageRequirement
}

// pastBuilds reads builds from files and app images. A name that is not a file is an image.
func (s *source) pastBuilds(ctx context.Context, names []string) ([]pastBuild, error) {
	var all []pastBuild
	for _, name := range names {
		if _, err := os.Stat(name); err != nil {
			b, err := s.builtApp(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("reading --build: %w", err)
			}
			all = append(all, b)
			continue
		}
		files, err := resolutionsIn(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			r, err := platform.ReadFile(file, platform.DecodeResolution)
			if err != nil {
				return nil, err
			}
			b := pastBuild{name: file}
			if required := r.RunImageRequirements(); required != nil {
				b.relies = required.Requirements
			}
			all = append(all, b)
		}
	}
	return all, nil
}

// builtApp reads the label of an app image. Without it, the app relies on nothing.
func (s *source) builtApp(ctx context.Context, name string) (pastBuild, error) {
	img, err := s.open(ctx, reference.Parse(name))
	if err != nil {
		return pastBuild{}, err
	}
	defer img.Close()
	b := pastBuild{name: img.Name.String()}
	labels := img.Config.Config.Labels
	if labels[platform.LifecycleMetadataLabel] == "" {
		return b, &hinted{fmt.Errorf("%s is not an app image: it has no label %s", img.Name, platform.LifecycleMetadataLabel), "use an image that was built with buildpacks"}
	}
	if label := labels[platform.RequirementsLabel]; label != "" {
		if b.relies, err = platform.DecodeRequirements(label); err != nil {
			err = fmt.Errorf("reading label %s of %s: %w", platform.RequirementsLabel, img.Name, err)
		}
	}
	return b, err
}

// A brokenBuild is a requirement of a past build that the new run image does not meet.
type brokenBuild struct {
	Build      string `json:"build"`
	Name       string `json:"name"`
	Constraint string `json:"constraint,omitempty"`
	For        string `json:"for"` // the buildpack that requires it, or the skipped extension
	Reason     string `json:"reason"`
}

func (b pastBuild) broken(now base.Image) []brokenBuild {
	var all []brokenBuild
	for _, req := range base.RecheckRequirements(now, b.relies) {
		if !req.Answer.Met {
			all = append(all, brokenBuild{b.name, req.Name, req.Constraint, cmp.Or(req.RequiredBy, req.ProvedByEffect), req.Answer.Reason})
		}
	}
	return all
}

// A diffDocument is the output of `diff --output json`.
type diffDocument struct {
	envelope
	Before   platform.ResolvedImage `json:"before"`
	Now      platform.ResolvedImage `json:"now"`
	Distro   []change               `json:"distro"`
	Packages []change               `json:"packages"`
	Provides []change               `json:"provides"`
	Builds   int                    `json:"builds"` // checked
	Broken   []brokenBuild          `json:"broken"`
}

func compareRunImages(before, now base.Image, all bool) *diffDocument {
	return &diffDocument{
		envelope: envelopeOf("diff"), Before: before.Resolved(), Now: now.Resolved(),
		Distro:   differ(distroOf(before), distroOf(now)),
		Packages: differ(packagesOf(before), packagesOf(now)),
		Provides: differ(providesOf(before, all), providesOf(now, all)),
		Broken:   []brokenBuild{},
	}
}

func distroOf(b base.Image) []change {
	return []change{{What: "distro", Now: distroName(b.Document().Distro)}}
}

func packagesOf(b base.Image) []change {
	var all []change
	for _, p := range b.Document().Packages {
		what := string(p.Type) + " " + p.Name
		if p.Arch != "" {
			what += " (" + p.Arch + ")"
		}
		all = append(all, change{What: what, Now: cmp.Or(p.Version, "unknown version")})
	}
	return all
}

// providesOf returns the names that an image provides, each once.
func providesOf(b base.Image, all bool) []change {
	var names []change
	for _, p := range b.Set.All() {
		if !all && (p.Kind == provides.Command || p.Kind == provides.Library || p.Kind == provides.PURL) {
			continue
		}
		if n := len(names); n > 0 && names[n-1].What == p.Name { // sorted by name and rank
			continue
		}
		names = append(names, change{What: p.Name, Now: cmp.Or(p.Version, "any version")})
	}
	return names
}

func (d *diffDocument) tables() []*table {
	compared := func(head string, all []change) *table {
		t := &table{head: []string{head, "BEFORE", "NOW"}}
		for _, x := range all {
			t.row(x.What, cmp.Or(x.Before, "-"), cmp.Or(x.Now, "-"))
		}
		return t
	}
	broken := &table{head: []string{"BREAKS", "RELIES ON", "FOR", "WHY"}}
	for _, b := range d.Broken {
		broken.row(b.Build, strings.TrimSpace(b.Name+" "+b.Constraint), b.For, b.Reason)
	}
	return []*table{compared("DISTRIBUTION", d.Distro), compared("PACKAGE", d.Packages), compared("PROVIDES", d.Provides), broken}
}

func (d *diffDocument) text(w io.Writer, width int) {
	fmt.Fprintf(w, "before  %s\nnow     %s\n", d.Before.Image, d.Now.Image)
	for _, t := range d.tables() {
		t.width = width
		t.writeBelow(w)
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(d.conclusion(), width), "\n"))
}

func (d *diffDocument) markdown(w io.Writer) {
	fmt.Fprintf(w, "**%s**\n\n- before: %s\n- now: %s\n", markdownText(d.conclusion()), markdownText(d.Before.Image), markdownText(d.Now.Image))
	for _, t := range d.tables() {
		if len(t.rows) > 0 {
			fmt.Fprintln(w)
			t.markdown(w)
		}
	}
}

// conclusion returns the summary in a sentence.
func (d *diffDocument) conclusion() string {
	text := "The images have the same packages and provide the same names."
	if len(d.Distro)+len(d.Packages)+len(d.Provides) > 0 {
		text = fmt.Sprintf("Packages: %s. Provided names: %s.", counts(d.Packages), counts(d.Provides))
	}
	var broken []string
	for _, b := range d.Broken {
		if !slices.Contains(broken, b.Build) {
			broken = append(broken, b.Build)
		}
	}
	switch {
	case d.Builds == 0:
		return text
	case len(broken) == 0:
		return text + fmt.Sprintf(" None of the %d builds would break.", d.Builds)
	}
	return text + fmt.Sprintf(" %d of %d builds would break.", len(broken), d.Builds)
}

// counts describes how many entries were added, removed and changed.
func counts(all []change) string {
	var added, removed, changed int
	for _, x := range all {
		switch {
		case x.Before == "":
			added++
		case x.Now == "":
			removed++
		default:
			changed++
		}
	}
	return fmt.Sprintf("%d added, %d removed, %d changed", added, removed, changed)
}
