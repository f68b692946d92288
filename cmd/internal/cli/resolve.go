package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

const htmlHelp = "also write an HTML page to this file: the plan as a graph, verdicts, instructions, evidence"

// resolveFlags are the inputs of `resolve`.
type resolveFlags struct {
	from, run, build, order, plans, generated, extensions, proof, write, html, output string
}

func (c *Console) resolveCommand() *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve (--run-image IMAGE --order FILE --plans DIR [--generated DIR] | --from PATH)",
		Short: "Resolve build plans against a run image and show which extensions remain to be applied, and why",
		Long: `A dry run of detection: resolves the build plans of buildpacks and extensions with the
run image as a provider, and judges every Dockerfile that the extensions generated.

--plans is a directory with the output of each bin/detect, named ID.toml or
ID@VERSION.toml with slashes in the ID replaced by underscores. A buildpack or extension
without a file did not pass detection. --generated is the directory <layers>/generated
of a detector.

--from shows the result of an earlier build instead, from the resolution.toml and the
other files in its layers directory, or from a resolution.toml alone.

Exits 0 if no Dockerfile needs to be applied. Exits 3 if one does or may, if no group
resolves, or if the final run image lacks something that it was expected to provide.`,
		Example: `  baseplan resolve --run-image registry.example/run:noble --order order.toml --plans plans --generated layers/generated
  baseplan resolve --run-image run:noble --order order.toml --plans plans --output toml
  baseplan resolve --from /layers --html resolution.html
  baseplan resolve --from builds/4711.resolution.toml --output markdown`,
		Args: cobra.NoArgs,
	}
	inventoryFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.run, "run-image", "", "run image")
	builderFlags(fl, &f.build, &f.extensions, "satisfied-by and always-apply")
	fl.StringVar(&f.order, "order", "", "order.toml of the builder")
	fl.StringVar(&f.plans, "plans", "", "directory with the build plans of detection")
	fl.StringVar(&f.generated, "generated", "", "directory of the generated Dockerfiles")
	fl.StringVar(&f.proof, "proof", "", proofHelp)
	fl.StringVar(&f.write, "write", "", "also write resolution.toml to this file")
	fl.StringVar(&f.html, "html", "", htmlHelp)
	fl.StringVar(&f.from, "from", "", "layers directory of a build whose result to show, or its resolution.toml")
	cmd.MarkFlagsOneRequired("run-image", "from")
	for _, name := range []string{"run-image", "build-image", "generated", "extensions", "proof", "sbom", "generate", "key", "identity", "identity-regexp", "issuer", "issuer-regexp", "trusted-root", "allow-unbound", "baseplan"} {
		cmd.MarkFlagsMutuallyExclusive("from", name)
	}
	completeFlag(cmd, "proof", proofs...)
	output := outputFlag(cmd, "toml", "markdown")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.output = *output
		return c.resolve(cmd, f)
	}
	return cmd
}

func (c *Console) resolve(cmd *cobra.Command, f resolveFlags) error {
	if err := errors.Join(checkOutput("write", f.write), checkOutput("html", f.html), checkReferences(f.run, f.build)); err != nil {
		return err
	}
	if f.from != "" {
		o, err := c.left(f.from)
		if err != nil {
			return err
		}
		return c.report(o, f)
	}
	for _, required := range []struct{ name, value string }{{"order", f.order}, {"plans", f.plans}} {
		if required.value == "" {
			return fmt.Errorf("required flag %q not set", required.name)
		}
	}
	s, policy, err := c.judging(cmd, f.proof)
	if err != nil {
		return err
	}
	f.extensions = c.extensionsFolder(f.extensions)
	r := &resolution{source: s, policy: policy, flags: f}
	if err := r.resolve(cmd.Context()); err != nil {
		return err
	}
	return c.report(r.outcome(), f)
}

// A resolution is one run of `resolve`.
type resolution struct {
	source *source
	policy platform.Policy
	flags  resolveFlags

	run, build base.Image // build: empty if not given
	detected   *resolver.Selected
	late       bool // the run image took no part in detection, since its inventory was generated
	judged     *base.Judgement
	broken     []string // what the final run image lacks
	unjudged   []string // extensions whose Dockerfiles are unknown
	out        platform.Resolution
}

func (r *resolution) resolve(ctx context.Context) error {
	order, err := r.source.console.readOrder(r.flags.order)
	if err != nil {
		return err
	}
	plans, err := readPlans(r.flags.plans)
	if err != nil {
		return err
	}
	if r.run, err = r.source.read(ctx, reference.Parse(r.flags.run)); err != nil {
		return err
	}
	d := resolver.Selection{Order: order.Order, Extensions: order.Extensions, Detect: plans.detect}
	if r.flags.build != "" {
		if r.build, err = r.source.lookup(ctx, reference.Parse(r.flags.build)); err != nil {
			return err
		}
	}
	if err := r.detect(d); err != nil {
		return r.undetected(err, plans)
	}
	if err := r.judge(ctx); err != nil {
		return err
	}
	r.out = r.judged.Record()
	r.out.Policy.RunSBOM = r.source.policy.RunSBOM // defaults are not recorded
	return nil
}

// detect selects the group as a build would. Under the policy auto, a generated inventory takes no
// part, so that detection never depends on a cache. Only if no group resolves without it is it
// used, as in the creator.
func (r *resolution) detect(d resolver.Selection) (err error) {
	if r.policy.RunSBOM != platform.Off {
		d.Run = r.run.Provider() // as in a build, whose detector reads the build image only for the verdicts
	}
	generated := r.policy.RunSBOM == platform.Auto && r.run.Generated()
	if generated {
		without := d
		without.Run = nil
		if r.detected, err = without.Select(); err == nil {
			r.late = true
			return nil
		}
	}
	r.detected, err = d.Select()
	if err == nil && generated {
		r.source.console.warn("this resolves only with the run image's packages, and it has no SBOM: the creator generates one, " +
			"platforms that run the phases apart need an attached SBOM (baseplan sbom attach) or CNB_RUN_SBOM=generate")
	}
	return err
}

// undetected reports that no group resolves.
func (r *resolution) undetected(err error, p planFolder) error {
	undetected, ok := errors.AsType[*resolver.UndetectedError](err)
	if !ok {
		return err
	}
	c := r.source.console
	fmt.Fprintf(c.Err, "no group of %s resolves on %s\n", r.flags.order, r.run.Reference)
	for i, t := range undetected.Tries {
		fmt.Fprintf(plainWriter{c.Err}, "\ngroup %d: %v\n", i+1, t.Err)
		for k, e := range t.Group {
			if t.Outcomes[k] != resolver.Pass {
				fmt.Fprintf(c.Err, "  %s has no plan in %s, so it counts as not detected\n", e.Module, p.dir)
			}
		}
	}
	return errNotEnough
}

// A planFolder is a directory with the plan of each module that passed.
type planFolder struct {
	dir string
}

func readPlans(dir string) (planFolder, error) {
	if info, err := os.Stat(dir); err != nil {
		return planFolder{}, fmt.Errorf("reading --plans: %w", err)
	} else if !info.IsDir() {
		return planFolder{}, fmt.Errorf("reading --plans: %s is a file; use the directory of plans", dir)
	}
	return planFolder{dir}, nil
}

// detect reads the plans as the results of detection.
func (p planFolder) detect(modules []resolver.Module) ([]resolver.Detection, error) {
	var all []resolver.Detection
	for _, m := range modules {
		o, err := p.outcome(m)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (p planFolder) outcome(m resolver.Module) (resolver.Detection, error) {
	for _, name := range []string{platform.EscapeID(m.String()), platform.EscapeID(m.ID)} {
		path := filepath.Join(p.dir, name+".toml")
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return resolver.Detection{}, fmt.Errorf("reading plan: %w", err)
		}
		sections, err := resolver.DecodePlan(data, path)
		return resolver.Detection{Plans: sections}, err
	}
	return resolver.Detection{Status: resolver.Fail}, nil
}

func (c *Console) readOrder(path string) (*resolver.OrderFile, error) {
	data, err := c.readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading --order: %w", err)
	}
	return resolver.DecodeOrder(data, path)
}

// outcome returns the outcome for display.
func (r *resolution) outcome() *outcome {
	o := &outcome{
		record: r.out, plan: r.detected.Plan, broken: r.broken, unjudged: r.unjudged,
		inventory: r.source.console.provenance(r.run), source: r.run.Report.SBOM, searched: r.run.Report.Searched,
	}
	for _, c := range r.detected.Group {
		o.group = append(o.group, c.Module)
	}
	for _, x := range r.detected.Dropped {
		o.dropped = append(o.dropped, page.Dropped{Module: x.Module.String(), Why: x.Why})
	}
	o.dockerfiles = map[string][]extensions.Instruction{}
	for _, v := range r.judged.Verdicts {
		o.dockerfiles[v.Dockerfile.Path] = v.Dockerfile.Instructions()
	}
	return o
}
