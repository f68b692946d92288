package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
)

// resolveFlags are the inputs of `resolve`.
type resolveFlags struct {
	run, build, order, plans, generated, proof, write, output string
}

func (c *Console) resolveCommand() *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:   "resolve --run-image IMAGE --order FILE --plans DIR [--generated DIR]",
		Short: "Resolve real build plans against a run image: what remains of each extension, and why",
		Long: `A dry run of detection: resolves the plans that buildpacks and extensions wrote, with
the run image as a provider, and judges every Dockerfile that the extensions
generated.

--plans is a folder with what each bin/detect wrote to its plan: ID.toml or
ID@VERSION.toml, slashes in the id as underscores. A module without a file did not
pass detection. --generated is the folder that a detector leaves in <layers>.

Exits 0 if nothing is left to apply, 3 if a Dockerfile is, if no group resolves, or if
the final run image lacks what it was counted on for.`,
		Example: `  baseplan resolve --run-image registry.example/run:noble --order order.toml --plans plans --generated layers/generated
  baseplan resolve --run-image run:noble --order order.toml --plans plans --output toml`,
		Args: cobra.NoArgs,
	}
	inventoryFlags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.run, "run-image", "", "the run image")
	fl.StringVar(&f.build, "build-image", "", "the build image, to judge build.Dockerfiles too")
	fl.StringVar(&f.order, "order", "", "order.toml of the builder")
	fl.StringVar(&f.plans, "plans", "", "folder of the plans that detection wrote")
	fl.StringVar(&f.generated, "generated", "", "folder of the Dockerfiles that extensions generated")
	fl.StringVar(&f.proof, "proof", "", "what counts as proof that nothing is left to do: plan, effect or strict (default plan)")
	fl.StringVar(&f.write, "write", "", "also write resolution.toml here")
	for _, name := range []string{"run-image", "order", "plans"} {
		_ = cmd.MarkFlagRequired(name)
	}
	output := outputFlag(cmd, "toml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.output = *output
		return c.resolve(cmd, f)
	}
	return cmd
}

func (c *Console) resolve(cmd *cobra.Command, f resolveFlags) error {
	settings, err := c.settings(cmd)
	if err != nil {
		return err
	}
	policy, err := policyOf(settings.Policy, f.proof)
	if err != nil {
		return err
	}
	s, err := c.source(cmd)
	if err != nil {
		return err
	}
	r := &resolution{source: s, policy: policy, flags: f}
	if err := r.run(cmd.Context()); err != nil {
		return err
	}
	r.out.Mapping = settings.Mapping
	return c.report(r)
}

// policyOf is the operator's policy with the defaults filled in and the flag over it.
func policyOf(p platform.Policy, proof string) (platform.Policy, error) {
	if proof != "" {
		p.Proof = extensions.Proof(proof)
	}
	if err := p.Check(); err != nil {
		return p, &hinted{fmt.Errorf("--proof: %w", err), "plan: either proof is enough; effect: only by effect; strict: both"}
	}
	if p.Proof == "" {
		p.Proof = extensions.ByPlan
	}
	if p.RunSBOM == "" {
		p.RunSBOM = platform.Auto
	}
	return p, nil
}

// A resolution is one run of `resolve`.
type resolution struct {
	source *source
	policy platform.Policy
	flags  resolveFlags

	base     *base
	build    *base // nil: not given
	detected *resolver.Detected
	judged   extensions.Result
	broken   []string // what the final run image lacks
	out      platform.Resolution
}

func (r *resolution) run(ctx context.Context) error {
	order, err := readOrder(r.flags.order)
	if err != nil {
		return err
	}
	plans, err := readPlans(r.flags.plans)
	if err != nil {
		return err
	}
	if r.base, err = r.source.base(ctx, r.flags.run); err != nil {
		return err
	}
	d := resolver.Detection{Order: order.Order, Extensions: order.Extensions, Detect: plans.detect}
	if r.flags.build != "" {
		if r.build, err = r.source.other().base(ctx, r.flags.build); err != nil {
			return err
		}
	}
	if err := r.detect(d); err != nil {
		return r.undetected(err, plans)
	}
	if err := r.judge(ctx); err != nil {
		return err
	}
	r.out = platform.Outcome(r.detected.Resolution, r.judged)
	r.out.Policy = r.policy
	r.out.RunImage = platform.ResolvedImage{Image: r.base.Name, Digest: r.base.Digest.String(), Inventory: string(r.base.carrier)}
	return nil
}

// detect chooses the group as a build would. Under the policy auto, an inventory that has to
// be generated takes no part in that, so that what is detected never depends on
// a cache; it is asked afterwards. Only if no group resolves without it is it
// tried with it, as the creator does.
func (r *resolution) detect(d resolver.Detection) (err error) {
	var run, build resolver.Base
	if r.policy.RunSBOM != platform.Off {
		run = r.base.set
		if r.build != nil {
			build = r.build.set
		}
	}
	d.Run, d.Build = run, build
	if r.policy.RunSBOM == platform.Auto && r.base.carrier == attach.Generated {
		d.Run = nil
		if r.detected, err = d.Select(); err == nil {
			r.detected.Ask(run, build)
			return nil
		}
		d.Run = run
	}
	r.detected, err = d.Select()
	if err == nil && r.policy.RunSBOM == platform.Auto && r.base.carrier == attach.Generated {
		r.source.console.warn("this resolves only with what the run image holds, and no SBOM says so: the creator generates one then, " +
			"platforms that run the phases apart need an attached SBOM (baseplan sbom attach) or CNB_RUN_SBOM=generate")
	}
	return err
}

// judge reads the generated Dockerfiles and gives the verdicts.
func (r *resolution) judge(ctx context.Context) error {
	var files []*extensions.Dockerfile
	if dir := r.flags.generated; dir != "" {
		if info, err := os.Stat(dir); err != nil {
			return fmt.Errorf("reading --generated: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("reading --generated: %s is a file; name the folder that a detector leaves in <layers>", dir)
		}
		var group []resolver.Module
		for _, c := range r.detected.Group {
			if c.Module.Kind == resolver.Extension {
				group = append(group, c.Module)
			}
		}
		var err error
		if files, err = extensions.Read(os.DirFS(filepath.Dir(filepath.Clean(dir))), filepath.Base(filepath.Clean(dir)), group); err != nil {
			return err
		}
	}
	looked := map[string]*base{}
	c := extensions.Case{
		Dockerfiles: files, Resolution: r.detected.Resolution, Run: r.base.stand(), Proof: r.policy.Proof, Off: r.policy.RunSBOM == platform.Off,
		Lookup: func(ref string) *extensions.Base {
			b, err := r.source.other().base(ctx, ref)
			if err != nil {
				r.source.console.warn("the run image that an extension switches to cannot be read, so what stands on it cannot be judged: %v", err)
				return nil
			}
			looked[ref] = b
			stand := b.stand()
			return &stand
		},
	}
	if r.build != nil {
		c.Build = r.build.stand()
	}
	r.judged = extensions.Judge(c)
	if r.judged.Switched {
		r.recheck(looked[r.judged.RunImage])
	}
	return nil
}

// recheck asks the final run image again for what only the first one met; nil
// is one that cannot be read, which is known to have nothing.
func (r *resolution) recheck(final *base) {
	if final == nil {
		final = &base{}
	}
	for _, req := range r.detected.Requirements {
		if len(req.Providers) > 0 || !req.Run.Met {
			continue
		}
		a := final.set.Answer(req.Name, req.Version)
		if a.Met {
			continue
		}
		why := "it " + a.Reason
		if final.set == nil {
			why = a.Reason
		}
		r.broken = append(r.broken, fmt.Sprintf("%s requires %s, which %s met, but the run image is now %s: %s",
			req.By, strings.TrimSpace(req.Name+" "+req.Version), r.base.Name, r.judged.RunImage, why))
	}
}

// stand is the image as Dockerfiles stand on it.
func (b *base) stand() extensions.Base {
	cfg := b.Config.Config
	return extensions.Base{Reference: b.Name, Set: b.set, Config: &extensions.Config{
		User: cfg.User, WorkingDir: cfg.WorkingDir, Env: cfg.Env, Labels: cfg.Labels, Shell: cfg.Shell,
	}}
}

// undetected explains that no group resolves.
func (r *resolution) undetected(err error, p planFolder) error {
	undetected, ok := errors.AsType[*resolver.UndetectedError](err)
	if !ok {
		return err
	}
	c := r.source.console
	fmt.Fprintf(c.Err, "no group of %s resolves on %s\n", r.flags.order, r.base.Name)
	for i, t := range undetected.Tries {
		fmt.Fprintf(c.Err, "\ngroup %d: %v\n", i+1, t.Err)
		for k, e := range t.Group {
			if t.Outcomes[k] != resolver.Pass {
				fmt.Fprintf(c.Err, "  %s has no plan in %s, so it counts as not detected\n", e.Module, p.dir)
			}
		}
	}
	return errNotEnough
}

// A planFolder is a folder with the plan of each module that passed.
type planFolder struct {
	dir string
}

func readPlans(dir string) (planFolder, error) {
	if info, err := os.Stat(dir); err != nil {
		return planFolder{}, fmt.Errorf("reading --plans: %w", err)
	} else if !info.IsDir() {
		return planFolder{}, fmt.Errorf("reading --plans: %s is a file; name the folder of plans", dir)
	}
	return planFolder{dir}, nil
}

// detect reads the plans as if the modules were just detected.
func (p planFolder) detect(modules []resolver.Module) ([]resolver.Outcome, error) {
	var all []resolver.Outcome
	for _, m := range modules {
		o, err := p.outcome(m)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func (p planFolder) outcome(m resolver.Module) (resolver.Outcome, error) {
	for _, name := range []string{platform.EscapeID(m.String()), platform.EscapeID(m.ID)} {
		path := filepath.Join(p.dir, name+".toml")
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return resolver.Outcome{}, fmt.Errorf("reading plan: %w", err)
		}
		sections, err := resolver.DecodePlan(data, path)
		return resolver.Outcome{Plans: sections}, err
	}
	return resolver.Outcome{Status: resolver.Fail}, nil
}

func readOrder(path string) (*resolver.OrderFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading --order: %w", err)
	}
	return resolver.DecodeOrder(data, path)
}

// report prints the outcome and decides about the exit code.
func (c *Console) report(r *resolution) error {
	data, err := r.out.Encode()
	if err != nil {
		return err
	}
	if r.flags.write != "" {
		if err := platform.WriteFile(r.flags.write, data); err != nil {
			return err
		}
	}
	switch r.flags.output {
	case "toml":
		_, err = c.Out.Write(data)
	case "json":
		err = c.json(r.document())
	default:
		r.text(c.Out, c.width())
	}
	if err != nil {
		return err
	}
	if r.judged.ExtendRun || r.judged.ExtendBuild || len(r.broken) > 0 {
		return errNotEnough
	}
	return nil
}

// A resolveDocument is what `resolve --output json` prints: resolution.toml, with group and plan.
type resolveDocument struct {
	Group   []string            `json:"group"`
	Dropped []dropped           `json:"dropped"`
	Plan    []planEntry         `json:"plan"`
	Broken  []string            `json:"broken"`
	Record  platform.Resolution `json:"resolution"`
}

type dropped struct {
	Module string `json:"module"`
	Why    string `json:"why"`
}

type planEntry struct {
	Name       string   `json:"name"`
	Providers  []string `json:"providers"`
	RequiredBy int      `json:"requires"`
}

func (r *resolution) document() resolveDocument {
	d := resolveDocument{Group: []string{}, Dropped: []dropped{}, Plan: []planEntry{}, Broken: append([]string{}, r.broken...), Record: r.out}
	for _, c := range r.detected.Group {
		d.Group = append(d.Group, c.Module.String())
	}
	for _, x := range r.detected.Dropped {
		d.Dropped = append(d.Dropped, dropped{x.Module.String(), x.Why})
	}
	for _, e := range r.detected.Plan {
		entry := planEntry{Name: e.Name, RequiredBy: len(e.Requires)}
		for _, m := range e.Providers {
			entry.Providers = append(entry.Providers, m.String())
		}
		d.Plan = append(d.Plan, entry)
	}
	return d
}

// text prints the outcome for people: what the group is, what meets each
// requirement, what remains of each extension, and the conclusion.
func (r *resolution) text(w io.Writer, width int) {
	var group []string
	for _, c := range r.detected.Group {
		group = append(group, c.Module.String())
	}
	fmt.Fprintf(w, "run image  %s\ninventory  %s, %d packages\ngroup      %s\n", r.base.Name, r.source.console.provenance(r.base),
		len(r.base.document.Packages), strings.Join(group, ", "))
	r.writeRequirements(w, width)
	r.writeVerdicts(w, width)
	for _, d := range r.detected.Dropped {
		fmt.Fprintf(w, "\nleft out: %s %s\n", d.Module, d.Why)
	}
	for _, b := range r.broken {
		fmt.Fprintf(w, "\nbroken: %s\n", b)
	}
	fmt.Fprintf(w, "\n%s\n", r.conclusion())
}

func (r *resolution) writeRequirements(w io.Writer, width int) {
	t := &table{width: width, head: []string{"REQUIRED", "BY", "WHERE", "MET BY"}}
	for _, req := range r.out.Requirements {
		where := strings.Join(req.Contexts, ", ")
		if where == "" {
			where = "any"
		}
		t.row(strings.TrimSpace(req.Name+" "+req.Version), req.RequiredBy, where, strings.Join(req.MetBy, ", "))
	}
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	t.write(w)
}

func (r *resolution) writeVerdicts(w io.Writer, width int) {
	t := verdictTable(r.out.Verdicts, width)
	if len(t.rows) > 0 {
		fmt.Fprintln(w)
	}
	t.write(w)
}

func verdictTable(verdicts []platform.Verdict, width int) *table {
	t := &table{width: width, head: []string{"EXTENSION", "DOCKERFILE", "VERDICT", "WHY"}}
	for _, v := range verdicts {
		t.row(v.Extension, v.Image, v.Verdict, strings.Join(v.Reasons, "; "))
	}
	return t
}

// conclusion is what it all comes to, in a sentence.
func (r *resolution) conclusion() string {
	var left []string
	for _, v := range r.judged.Verdicts {
		if v.Outcome.Left() {
			left = append(left, fmt.Sprintf("%s (%s image)", v.Dockerfile.Extension, v.Dockerfile.Image))
		}
	}
	switch {
	case len(left) > 0:
		return fmt.Sprintf("The run image is not enough: still to be applied: %s.", strings.Join(left, ", "))
	case len(r.broken) > 0:
		return "The run image after the switch is not enough."
	case r.judged.Switched:
		return fmt.Sprintf("Nothing is left to apply; the run image is switched to %s.", r.judged.RunImage)
	case len(r.judged.Verdicts) > 0:
		return "The run image is enough: no extension is left to apply, and the app image stays rebasable."
	}
	for _, c := range r.detected.Group {
		if c.Module.Kind == resolver.Extension && r.flags.generated == "" {
			return "The plan resolves; what remains of its extensions is not known without --generated."
		}
	}
	return "The plan resolves, and no extension has anything to apply."
}
