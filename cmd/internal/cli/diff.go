package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) diffCommand() *cobra.Command {
	f := buildFlags{flag: "build", both: true}
	cmd := &cobra.Command{
		Use:   "diff OLD_RUN_IMAGE NEW_RUN_IMAGE [--build APP_IMAGE|FILE|DIR...] [--build-file LIST]",
		Short: "Compare two run images: their packages, what they provide, and which past builds would break",
		Long: `Compares what two run images have: packages and provided names that are removed, added or
changed. Use it before you publish a new version of a run image.

--build names past builds: app images, whose label ` + platform.RequirementsLabel + ` says
what they rely on, or the resolution.toml of builds, in a DIR every file whose name ends in
resolution.toml. A name that ends in .toml or / is that of a file. The tag of an image may be a
pattern: registry.example/app:* names all images of the repository, each image once. A LIST has
one of these in each line, but no DIR, optionally followed by a number: how many builds it stands
for. What cannot be read is passed over with a warning.

Every requirement is checked against the new run image, as the rebaser does, and so is the
target that an app image was built for; builds given as files are taken to have the target of
the old run image.

Exits 0 if no given build would break, and 3 if one would, or if that is not known: a build
was passed over, or the packages of its run image were unknown (verdict pending).`,
		Example: `  baseplan diff registry.example/run:1 registry.example/run:2
  baseplan diff registry.example/run:1 oci:run --build 'registry.example/app:*' --build builds/ --output markdown`,
		Args: cobra.ExactArgs(2),
	}
	inventoriesFlags(cmd)
	all := cmd.Flags().BoolP("all", "a", false, "also compare commands, libraries and package URLs")
	cmd.Flags().StringArrayVar(&f.named, "build", nil, "app image, REPOSITORY:PATTERN for all images whose tag matches, resolution.toml, or directory of such files (repeatable)")
	cmd.Flags().StringVar(&f.list, "build-file", "", "file with an app image, a pattern or a resolution.toml in each line, and optionally the number of builds")
	output := outputFlag(cmd, "markdown")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkReferences(args...); err != nil {
			return err
		}
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		d, err := s.diff(cmd.Context(), args[0], args[1], f, *all)
		if err != nil {
			return err
		}
		text := d.text
		if *output == "markdown" {
			text = func(w io.Writer, _ int) { d.markdown(w) }
		}
		return c.answer(*output, d, text, len(d.Broken)+d.Unknown+d.Passed == 0)
	}
	return cmd
}

func (s *source) diff(ctx context.Context, before, now string, f buildFlags, all bool) (*diffDocument, error) {
	listed, err := s.listedBuilds(ctx, f)
	if err != nil {
		return nil, err
	}
	past, passed, err := readBuilds(ctx, s, listed, s.builtApp, leftBuild)
	if err != nil {
		return nil, fmt.Errorf("reading --build: %w", err)
	}
	x := &comparison{source: s, builds: len(past) > 0}
	if err := x.read(ctx, before, now); err != nil {
		return nil, err
	}
	d := compareRunImages(x.before, x.now, all)
	d.Builds, d.Passed = passed, passed
	for _, b := range past {
		d.add(b.read, b.count, x)
	}
	return d, nil
}

// A comparison has two run images as they are compared with past builds.
type comparison struct {
	source *source
	builds bool // past builds are held to the new image

	before, now base.Image
	unmapped    base.Image       // the new image, without the operator's names: the evidence of builds counts
	was, is     *platform.Target // the images' targets
}

func (x *comparison) read(ctx context.Context, before, now string) (err error) {
	for _, r := range []struct {
		name   string
		read   *base.Image
		target **platform.Target
	}{{before, &x.before, &x.was}, {now, &x.now, &x.is}} {
		if err := x.readOne(ctx, r.name, r.read, r.target); err != nil {
			return err
		}
	}
	if x.unmapped = x.now; !x.builds || x.source.mapping == nil {
		return nil
	}
	unmapped := *x.source
	unmapped.mapping = nil
	x.unmapped, err = unmapped.read(ctx, reference.Parse(now))
	return err
}

func (x *comparison) readOne(ctx context.Context, name string, read *base.Image, target **platform.Target) error {
	img, err := x.source.open(ctx, reference.Parse(name))
	if err != nil {
		return err
	}
	defer img.Close()
	if *read, err = x.source.inventory(ctx, img); err != nil || !x.builds {
		return err
	}
	*target, err = lifecycle.TargetOf(ctx, img)
	return err
}

// A pastBuild is what a build relies on in its run image.
type pastBuild struct {
	name       string // of the app image or the file
	relies     []platform.RunImageRequirement
	target     *platform.Target // that it was built for; nil: that of the old run image
	pending    bool             // its run image was unknown
	unrecorded bool             // the app image does not say what it relies on
}

// leftBuild returns what a build relies on according to its resolution.toml.
func leftBuild(r *platform.Resolution, name string) pastBuild {
	b := pastBuild{name: name, pending: pending(r)}
	if required := r.RunImageRequirements(); required != nil {
		b.relies = required.Requirements
	}
	return b
}

// builtApp reads the label of an app image. Without it, only the target is known.
func (s *source) builtApp(ctx context.Context, name string) (b pastBuild, digest string, err error) {
	img, err := s.open(ctx, reference.Parse(name))
	if err != nil {
		return b, "", err
	}
	defer img.Close()
	labels := img.Config.Config.Labels
	if labels[platform.LifecycleMetadataLabel] == "" {
		return b, "", &hinted{fmt.Errorf("%s is not an app image: it has no label %s", img.Name, platform.LifecycleMetadataLabel), "use an image that was built with buildpacks"}
	}
	check := lifecycle.RebaseCheck{App: img}
	required, err := check.Required()
	if img.Digest.Hex != "" {
		digest = img.Digest.String()
	}
	return pastBuild{name: img.Name.String(), relies: required, target: lifecycle.AppTarget(img), unrecorded: required == nil}, digest, err
}

// A brokenBuild is a requirement of a past build that the new run image does not meet.
type brokenBuild struct {
	Build      string `json:"build"`
	Name       string `json:"name"` // of the requirement, or "target"
	Constraint string `json:"constraint,omitempty"`
	For        string `json:"for,omitempty"` // the buildpack that requires it, or the skipped extension
	Reason     string `json:"reason"`
}

// broken returns what the new run image does not meet.
func (b pastBuild) broken(x *comparison) []brokenBuild {
	var all []brokenBuild
	for _, err := range lifecycle.TargetsDiffer(cmp.Or(b.target, x.was), x.is, x.now.Reference) {
		all = append(all, brokenBuild{Build: b.name, Name: "target", Reason: err.Error()})
	}
	for _, req := range base.RecheckRequirements(x.unmapped, b.relies) {
		if !req.Answer.Met {
			all = append(all, brokenBuild{b.name, req.Name, req.Constraint, cmp.Or(req.RequiredBy, req.ProvedByEffect), req.Answer.Reason})
		}
	}
	return all
}

// A diffDocument is the output of `diff --output json`.
type diffDocument struct {
	envelope
	Before     platform.ResolvedImage `json:"before"`
	Now        platform.ResolvedImage `json:"now"`
	Distro     []change               `json:"distro"`
	Packages   []change               `json:"packages"`
	Provides   []change               `json:"provides"`
	Builds     int                    `json:"builds"`      // all that are given
	Unknown    int                    `json:"unknown"`     // builds whose run image was unknown
	Passed     int                    `json:"passed-over"` // files and app images that cannot be used
	Unrecorded int                    `json:"unrecorded"`  // app images that do not say what they rely on
	Broken     []brokenBuild          `json:"broken"`

	breaking int // builds
}

// add holds a build, which stands for a number of them, to the new run image.
func (d *diffDocument) add(b pastBuild, count int, x *comparison) {
	d.Builds += count
	broken := b.broken(x)
	switch {
	case len(broken) > 0:
		d.breaking += count
		d.Broken = append(d.Broken, broken...)
	case b.pending:
		d.Unknown += count
	}
	if b.unrecorded {
		d.Unrecorded += count
	}
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
	for _, note := range d.notes() {
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(note, width), "\n"))
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(d.conclusion(), width), "\n"))
}

func (d *diffDocument) markdown(w io.Writer) {
	fmt.Fprintf(w, "**%s**\n\n- before: %s\n- now: %s\n", markdownText(d.conclusion()), markdownText(d.Before.Image), markdownText(d.Now.Image))
	for _, note := range d.notes() {
		fmt.Fprintf(w, "- %s\n", markdownText(note))
	}
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
	switch {
	case d.Builds == 0:
		return text
	case d.breaking > 0:
		return text + fmt.Sprintf(" Of %s, %d would break.", counted(d.Builds, "build", "builds"), d.breaking)
	case d.Unknown+d.Passed > 0:
		return text + " It is not known whether a build would break."
	}
	return text + fmt.Sprintf(" Of %s, none would break.", counted(d.Builds, "build", "builds"))
}

// notes says which builds are not held to the new run image, or only in part.
func (d *diffDocument) notes() (all []string) {
	if d.Unknown > 0 {
		all = append(all, fmt.Sprintf("Not known, because the packages of their run images were unknown (verdict pending): %s. The restorer completes the file; use the one from the end of the build.", counted(d.Unknown, "build", "builds")))
	}
	if d.Passed > 0 {
		all = append(all, fmt.Sprintf("Passed over, see the warnings: %s.", counted(d.Passed, "build", "builds")))
	}
	if d.Unrecorded > 0 {
		all = append(all, fmt.Sprintf("Without the label %s, so that only the target is compared: %s.", platform.RequirementsLabel, counted(d.Unrecorded, "build", "builds")))
	}
	return all
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
