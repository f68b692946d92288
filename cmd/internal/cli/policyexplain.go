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

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func (c *Console) policyExplainCommand() *cobra.Command {
	var f policyFlags
	cmd := &cobra.Command{
		Use:   "explain [--builder IMAGE] [--lifecycle IMAGE] [--baseplan FILE]",
		Short: "Show which policy holds in each phase, and where each value comes from",
		Long: `Shows the policy that holds in each phase, and where each value comes from: a flag, an
environment variable, /cnb/baseplan.toml of the image in which the phase runs, or the default.

The detector, the extender and the creator run in the builder; the other phases run in the
lifecycle image, or in the builder if there is none. The restorer takes the stricter of its
own policy and the detector's, which resolution.toml records. Variables in the configuration
of an image count, too. Of an image, only the layers that decide about its policy are read.

--baseplan stands for the baseplan.toml of the builder. --env and --flag are what the platform
passes to every phase that knows them.`,
		Example: `  baseplan policy explain --builder registry.example/builder
  baseplan policy explain --builder registry.example/builder --lifecycle registry.example/lifecycle --env CNB_RUN_SBOM=attached
  baseplan policy explain --baseplan baseplan.toml --flag run-sbom-policy=generate --output json`,
		Args: cobra.NoArgs,
	}
	fl := cmd.Flags()
	fl.StringVar(&f.builder, "builder", "", "builder image")
	fl.StringVar(&f.lifecycle, "lifecycle", "", "lifecycle image")
	fl.String("baseplan", "", "baseplan.toml to use for that of the builder")
	fl.StringArrayVar(&f.env, "env", nil, "environment variable NAME=VALUE of the phases (repeatable)")
	fl.StringArrayVar(&f.flags, "flag", nil, "flag NAME=VALUE of the phases that have it (repeatable)")
	completeFlag(cmd, "env", inputNames(func(r platform.InputRow) string { return r.Env }, "=")...)
	completeFlag(cmd, "flag", inputNames(func(r platform.InputRow) string { return r.Flag }, "=")...)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(f.check(), checkReferences(f.builder, f.lifecycle)); err != nil {
			return err
		}
		x, err := c.policies(cmd, f)
		if err != nil {
			return err
		}
		d := policyDocument{envelopeOf("policy"), x.settings()}
		return c.answer(*output, d, d.text, true)
	}
	return cmd
}

// policyFlags are the flags of `policy explain`.
type policyFlags struct {
	builder, lifecycle string
	env, flags         []string
}

// check rejects variables and flags that no phase reads for its policy.
func (f policyFlags) check() error {
	for _, x := range []struct {
		flag  string
		given []string
		known []string
	}{
		{"--env", f.env, inputNames(func(r platform.InputRow) string { return r.Env }, "")},
		{"--flag", f.flags, inputNames(func(r platform.InputRow) string { return r.Flag }, "")},
	} {
		for _, text := range x.given {
			name, _, ok := strings.Cut(text, "=")
			if !ok {
				return &hinted{fmt.Errorf("%s %q has no value", x.flag, text), "use the form NAME=VALUE"}
			}
			if !slices.Contains(x.known, strings.TrimLeft(name, "-")) {
				return &hinted{fmt.Errorf("%s: no phase reads %s for its policy", x.flag, name), "use one of " + strings.Join(x.known, ", ")}
			}
		}
	}
	return nil
}

// policyPhases are the phases that have a policy, in order, and whether they run in the builder.
var policyPhases = []struct {
	phase   platform.Phase
	builder bool
}{
	{platform.Analyze, false}, {platform.Detect, true}, {platform.Restore, false}, {platform.Extend, true}, {platform.Create, true}, {platform.Rebase, false},
}

// policyInputs returns baseplan's inputs of a phase.
func policyInputs(p platform.Phase) []platform.InputRow {
	return slices.DeleteFunc(platform.InputRows(p), func(r platform.InputRow) bool { return !r.Own })
}

// inputNames returns the names of baseplan's inputs of all phases, sorted, each with a suffix.
func inputNames(of func(platform.InputRow) string, suffix string) []string {
	var all []string
	for _, p := range policyPhases {
		for _, r := range policyInputs(p.phase) {
			if name := of(r); name != "" {
				all = append(all, name+suffix)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A phasePolicy is what one phase reads.
type phasePolicy struct {
	phase    platform.Phase
	in       platform.Inputs
	given    map[string]string  // values of flags and variables, by variable
	settings *platform.Settings // of its baseplan.toml
	file     string             // where that is, for people; empty: there is none
	image    *policyImage
	own      platform.Policy
	holds    platform.Policy
	recorded *phasePolicy // whose policy this one takes into account, too; nil: none
}

// policies reads what each phase reads, as the phase does.
func (c *Console) policies(cmd *cobra.Command, f policyFlags) (*policies, error) {
	s, err := c.imageSource(cmd)
	if err != nil {
		return nil, err
	}
	builder, err := s.policyImage(cmd.Context(), f.builder, "builder")
	if err != nil {
		return nil, err
	}
	defer builder.close()
	if path := cmd.Flag("baseplan").Value.String(); path != "" {
		if builder.given, err = c.settings(cmd); err != nil {
			return nil, err
		}
		builder.givenName = called(path)
	}
	other := builder
	if f.lifecycle != "" {
		if other, err = s.policyImage(cmd.Context(), f.lifecycle, "lifecycle image"); err != nil {
			return nil, err
		}
		defer other.close()
	}
	x := &policies{}
	for _, p := range policyPhases {
		image := other
		if p.builder {
			image = builder
		}
		one, err := image.policyOf(cmd.Context(), p.phase, f)
		if err != nil {
			return nil, err
		}
		x.all = append(x.all, one)
	}
	x.combine()
	return x, nil
}

// policies are the policies of all phases.
type policies struct{ all []*phasePolicy }

func (x *policies) of(phase platform.Phase) *phasePolicy {
	return x.all[slices.IndexFunc(x.all, func(p *phasePolicy) bool { return p.phase == phase })]
}

// combine gives the restorer the stricter of its policy and that of the detector, which records it.
func (x *policies) combine() {
	for _, p := range x.all {
		p.holds = p.own
	}
	detector, restorer := x.of(platform.Detect), x.of(platform.Restore)
	restorer.recorded, restorer.holds = detector, restorer.own.Stricter(detector.own)
}

// policyOf reads a phase's inputs and its baseplan.toml.
func (i *policyImage) policyOf(ctx context.Context, phase platform.Phase, f policyFlags) (*phasePolicy, error) {
	p := &phasePolicy{phase: phase, image: i, settings: &platform.Settings{}, given: map[string]string{}}
	env, passed := i.environment(f.env), map[string]string{}
	for _, text := range f.flags {
		name, value, _ := strings.Cut(strings.TrimLeft(text, "-"), "=")
		passed[name] = value
	}
	var args []string
	for _, r := range policyInputs(phase) {
		if value := passed[r.Flag]; value != "" && r.Flag != "" {
			args = append(args, "-"+r.Flag+"="+value)
		}
		if value := cmp.Or(passed[r.Flag], env[r.Env]); value != "" {
			p.given[r.Env] = value
		}
	}
	if slices.Contains([]platform.Phase{platform.Analyze, platform.Create, platform.Rebase}, phase) {
		args = append(args, "app") // the policy does not depend on it
	}
	newest := slices.MaxFunc(api.Platform.Supported, api.Version.Compare)
	var err error
	if p.in, err = platform.Parse(phase, newest, args, func(name string) string { return p.given[name] }); err != nil {
		return nil, fmt.Errorf("the %s: %w", phase, err)
	}
	if p.in.Settings != "" {
		if p.settings, p.file, err = i.readSettings(ctx, p.in.Settings); err != nil {
			return nil, fmt.Errorf("the %s: %w", phase, err)
		}
	}
	p.own = p.in.Policy(p.settings.Policy)
	return p, i.readTrust(ctx, &p.own)
}

// A policyDocument is the output of `policy explain --output json`.
type policyDocument struct {
	envelope
	Settings []policySetting `json:"settings"`
}

// A policySetting is the value of a key in some phases.
type policySetting struct {
	Key    string   `json:"key"` // of [policy] in baseplan.toml, else the variable
	Value  string   `json:"value"`
	Phases []string `json:"phases"`
	From   string   `json:"from"`
}

func (d policyDocument) text(w io.Writer, width int) {
	rows := map[string]int{}
	for _, s := range d.Settings {
		rows[s.Key]++
	}
	t := &table{width: width, head: []string{"KEY", "VALUE", "FROM"}}
	for _, s := range d.Settings {
		from := s.From
		if rows[s.Key] > 1 {
			from = strings.Join(s.Phases, ", ") + ": " + from
		}
		t.row(s.Key, s.Value, from)
	}
	t.write(w)
}

// settings returns what holds, by key. Phases with the same value from the same source are together.
func (x *policies) settings() []policySetting {
	all := []policySetting{}
	for _, k := range x.keys() {
		first := len(all)
		for _, p := range x.all {
			if p.phase == k.not || !slices.ContainsFunc(policyInputs(p.phase), func(r platform.InputRow) bool { return r.Env == k.env }) {
				continue
			}
			value, from := p.explain(k)
			i := slices.IndexFunc(all[first:], func(s policySetting) bool { return s.Value == value && s.From == from })
			if i < 0 {
				i = len(all) - first
				all = append(all, policySetting{Key: k.name, Value: value, From: from})
			}
			all[first+i].Phases = append(all[first+i].Phases, p.phase.String())
		}
	}
	return all
}

// explain returns the value of a key in a phase and its source.
func (p *phasePolicy) explain(k policyKey) (value, from string) {
	if p.recorded != nil && k.recorded {
		value, from = p.recorded.source(k)
		return cmp.Or(value, k.def), from
	}
	value, from = p.source(k)
	if p.recorded == nil || k.alone || k.value == nil {
		return cmp.Or(value, k.def), from
	}
	theirs, detectors := p.recorded.source(k)
	holds := k.value(p, p.holds)
	if holds == "" && k.fallback != nil {
		holds = k.fallback.value(p, p.holds)
	}
	switch {
	case theirs == "" || theirs == value:
	case holds == "":
		from += fmt.Sprintf("; not %s from %s, since the phase has keys or identities of its own", theirs, detectors)
	case holds == value && k.stricter:
		from += fmt.Sprintf("; stricter than %s from %s", theirs, detectors)
	case holds == value:
		from += fmt.Sprintf("; instead of %s from %s", theirs, detectors)
	case value == "":
		from = detectors
	default:
		from = detectors + fmt.Sprintf("; stricter than %s from %s", value, from)
	}
	return cmp.Or(holds, k.def), from
}

// source returns a value of a phase's own policy, or "" if it is not set, and its source.
func (p *phasePolicy) source(k policyKey) (value, from string) {
	if k.value == nil {
		value = p.given[k.env]
	} else {
		value = k.value(p, p.own)
	}
	switch by := p.in.SetBy(k.env); {
	case value == "" && k.fallback != nil:
		return p.source(*k.fallback)
	case value == "":
		return "", "default"
	case k.alone && by == "":
		return value, "default"
	case by == "" || k.fileOnly:
		return value, cmp.Or(p.file, "default")
	case strings.HasPrefix(by, "-"):
		return value, "flag " + by
	default:
		return value, p.image.variable(by)
	}
}
