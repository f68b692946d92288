package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

func (c *Console) explainCommand() *cobra.Command {
	var f resolveFlags
	var since string
	cmd := &cobra.Command{
		Use:   "explain APP_IMAGE",
		Short: "Show which extensions were applied to an app image or skipped, and why",
		Long: `An app image that was built with baseplan records how its build plan was resolved
(label ` + platform.ResolutionLabel + `). This command shows it like resolve --from shows the
layers directory of a build. Of a Dockerfile, the label names only packages;
… stands for words that are not recorded.

--since shows what changed between an older app image and this one instead: the run
image, the group, the verdicts on extensions, what meets the requirements, and the
packages that the app relies on.

Exits 0 if no extension had to be applied, and 3 if one had to. With --since, exits 0.`,
		Example: `  baseplan explain registry.example/app
  baseplan explain docker://app --html explanation.html
  baseplan explain registry.example/app:2 --since registry.example/app:1 --output markdown`,
		Args: cobra.ExactArgs(1),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.html, "html", "", htmlHelp)
	fl.StringVar(&since, "since", "", "older app image to compare with")
	cmd.MarkFlagsMutuallyExclusive("html", "since")
	output := outputFlag(cmd, "markdown")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(checkOutput("html", f.html), checkReferences(args[0], since)); err != nil {
			return err
		}
		s, err := c.source(cmd)
		if err != nil {
			return err
		}
		app, err := s.explained(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if since == "" {
			f.output = *output
			return c.report(app.outcome(), f)
		}
		before, err := s.explained(cmd.Context(), since)
		if err != nil {
			return fmt.Errorf("reading --since: %w", err)
		}
		return c.compared(compareApps(before, app), *output)
	}
	return cmd
}

// An explainedApp is an app image with what it says about its build.
type explainedApp struct {
	image  page.App
	build  *platform.Explanation
	relies []platform.RunImageRequirement
	run    string // the run image that it is based on now, with its digest
	distro string // ID of its distribution; empty: unknown
}

// explained opens an app image and reads its labels.
func (s *source) explained(ctx context.Context, name string) (*explainedApp, error) {
	img, err := s.open(ctx, reference.Parse(name))
	if err != nil {
		return nil, err
	}
	defer img.Close()
	labels := img.Config.Config.Labels
	label, found := labels[platform.ResolutionLabel]
	switch {
	case !found && labels[platform.LifecycleMetadataLabel] == "":
		return nil, &hinted{fmt.Errorf("%s is not an app image: it has no label %s", img.Name, platform.LifecycleMetadataLabel), "use an image that was built with buildpacks"}
	case !found:
		err := fmt.Errorf("%s does not record how it was built: it has no label %s", img.Name, platform.ResolutionLabel)
		return nil, &hinted{err, "another lifecycle or an older version built it, neither extensions nor an SBOM took part, or CNB_RUN_SBOM was off; build it again, or use baseplan resolve --from LAYERS_DIR"}
	}
	app := &explainedApp{image: appOf(img), distro: cmp.Or(labels[platform.DistroNameLabel], labels[platform.StackLabels+"distro.name"])}
	if app.build, err = platform.DecodeExplanation(label); err != nil {
		return nil, fmt.Errorf("reading label %s of %s: %w", platform.ResolutionLabel, img.Name, err)
	}
	if label := labels[platform.RequirementsLabel]; label != "" {
		if app.relies, err = platform.DecodeRequirements(label); err != nil {
			return nil, fmt.Errorf("reading label %s of %s: %w", platform.RequirementsLabel, img.Name, err)
		}
	}
	m, err := platform.DecodeAppMetadata(labels[platform.LifecycleMetadataLabel], img.Name.String())
	if err != nil {
		return nil, err
	}
	app.run = app.runImage(reference.DigestIn(m.RunImage.Reference))
	return app, nil
}

// appOf describes an app image. Labels that only say more about it may be missing or malformed.
func appOf(img *image.Image) page.App {
	app := page.App{Name: img.Name.String()}
	if img.Digest.Hex != "" {
		app.Digest = img.Digest.String()
	}
	if created := img.Config.Created.Time; created.After(layers.Epoch) {
		app.Created = created
	}
	var label struct {
		Launcher platform.LauncherLabel `json:"launcher"`
	}
	if json.Unmarshal([]byte(img.Config.Config.Labels[platform.BuildMetadataLabel]), &label) == nil {
		app.Version = label.Launcher.Version
	}
	return app
}

// runImage returns the run image of the app. The label has only the digest of the image before a switch; now is the
// recorded one.
func (a *explainedApp) runImage(now string) string {
	run := a.build.RunImage
	switch final := a.build.Result.RunImage; {
	case a.build.Rebased != nil:
		run = *a.build.Rebased
	case final != "" && final != run.Name:
		run = platform.ExplainedImage{Name: final, Digest: now}
	}
	if run.Digest == "" || reference.DigestIn(run.Name) != "" {
		return run.Name
	}
	return run.Name + "@" + run.Digest
}

// outcome returns the build for display.
func (a *explainedApp) outcome() *outcome {
	o := &outcome{kind: "explanation", app: a.image, record: a.build.Resolution(), group: a.group(), inventory: a.build.Inventory, cut: a.build.Cut}
	if a.build.Rebased != nil {
		o.app.Rebased = a.run
	}
	return o
}

func (a *explainedApp) group() []resolver.Module {
	var all []resolver.Module
	for _, m := range a.build.Group {
		all = append(all, m.Module())
	}
	return all
}

// cutNote says what the label does not have because of its size; empty: nothing.
func cutNote(cut *platform.ExplanationCut) string {
	if cut == nil {
		return ""
	}
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{cut.Reasons, "reason", "reasons"}, {cut.Evidence, "package", "packages"}, {cut.Requirements, "requirement", "requirements"},
		{cut.Verdicts, "verdict", "verdicts"}, {cut.Group, "buildpack or extension", "buildpacks and extensions"},
	} {
		switch p.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+p.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.many))
		}
	}
	return "not recorded, because of the label's size: " + strings.Join(parts, ", ")
}
