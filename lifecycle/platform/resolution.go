package platform

import (
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// The names of base images in met-by.
const (
	RunImageProvider   = "run-image"
	BuildImageProvider = "build-image"
)

// A Resolution is <layers>/resolution.toml: how the build plan was resolved and the verdicts
// on the extensions' Dockerfiles, for later phases and for people.
type Resolution struct {
	Version      string             `toml:"version" json:"version"`
	Policy       Policy             `toml:"policy" json:"policy"`
	Extensions   []ExtensionProof   `toml:"extensions,omitempty" json:"extensions,omitempty"` // also in Policy
	Identities   []attach.Identity  `toml:"identities,omitempty" json:"-"`                    // also in Policy
	RunImage     ResolvedImage      `toml:"run-image" json:"run-image"`
	Requirements []Requirement      `toml:"requirements,omitempty" json:"requirements"`
	Verdicts     []Verdict          `toml:"verdicts,omitempty" json:"verdicts"`
	Mapping      []provides.Mapping `toml:"mapping,omitempty" json:"mapping,omitempty"`

	// Relies is what the run image must have for the skipped Dockerfiles; see [Reliances].
	Relies []RunImageRequirement `toml:"relies,omitempty" json:"relies,omitempty"`

	Result Result `toml:"result" json:"result"`
}

// A ResolvedImage is the run image that requirements were resolved against.
type ResolvedImage struct {
	Image     string `toml:"image" json:"image"`
	Digest    string `toml:"digest,omitempty" json:"digest,omitempty"`
	Inventory string `toml:"inventory" json:"inventory"` // a carrier, "generated" or "unknown"
}

// A Requirement is one requirement of the chosen trial.
type Requirement struct {
	Name       string   `toml:"name" json:"name"`
	RequiredBy string   `toml:"required-by" json:"required-by"`               // id@version
	Version    string   `toml:"version,omitempty" json:"version,omitempty"`   // the constraint
	Asks       []string `toml:"asks,omitempty" json:"asks,omitempty"`         // metadata keys that require more than a name and a version
	Contexts   []string `toml:"contexts,omitempty" json:"contexts,omitempty"` // build, launch; absent: neither is flagged
	MetBy      []string `toml:"met-by,omitempty" json:"met-by,omitempty"`     // run-image, build-image, id@version
	Rule       string   `toml:"rule,omitempty" json:"rule,omitempty"`         // deb, rpm, apk, semver
	Evidence   []string `toml:"evidence,omitempty" json:"evidence,omitempty"` // version-free purl patterns

	// A buildpack and an extension may share id@version, so phases read these fields instead.
	By        *ResolvedModule  `toml:"by,omitempty" json:"-"`        // the module in required-by
	Providers []ResolvedModule `toml:"providers,omitempty" json:"-"` // the modules in met-by, in order
}

// OnlyRunImage reports whether only the run image meets a requirement, in the context in which
// it can.
func (r Requirement) OnlyRunImage() bool {
	module := func(by string) bool { return by != RunImageProvider && by != BuildImageProvider }
	return slices.Contains(r.MetBy, RunImageProvider) && !slices.ContainsFunc(r.MetBy, module)
}

// Requirer returns the module in required-by. If its parts are not recorded, it is a buildpack
// with the text as its ID.
func (r Requirement) Requirer() resolver.Module {
	if r.By == nil || r.By.module().String() != r.RequiredBy {
		return resolver.Module{Kind: resolver.Buildpack, ID: r.RequiredBy}
	}
	return r.By.module()
}

// Modules returns the modules in met-by, which follow the images there, or nil if their parts
// are not recorded.
func (r Requirement) Modules() []resolver.Module {
	first := len(r.MetBy) - len(r.Providers)
	if first < 0 {
		return nil
	}
	var all []resolver.Module
	for i, p := range r.Providers {
		if p.module().String() != r.MetBy[first+i] {
			return nil
		}
		all = append(all, p.module())
	}
	return all
}

// A ResolvedModule is a buildpack or an extension of the group.
type ResolvedModule struct {
	Kind    string `toml:"kind"` // buildpack or extension
	ID      string `toml:"id"`
	Version string `toml:"version,omitempty"`
}

// ResolvedModuleOf returns a module in the form of resolution.toml.
func ResolvedModuleOf(m resolver.Module) *ResolvedModule {
	return &ResolvedModule{string(m.Kind), m.ID, m.Version}
}

// Module is the inverse of [ResolvedModuleOf].
func (m ResolvedModule) module() resolver.Module {
	return resolver.Module{Kind: resolver.Kind(m.Kind), ID: m.ID, Version: m.Version}
}

// A Verdict is the verdict on one Dockerfile.
type Verdict struct {
	Extension    string        `toml:"extension" json:"extension"`
	Image        string        `toml:"image" json:"image"`           // run or build
	Dockerfile   string        `toml:"dockerfile" json:"dockerfile"` // relative to <layers>
	Verdict      string        `toml:"verdict" json:"verdict"`       // superseded, satisfied, no-effect, switch, pending, apply
	SwitchTo     string        `toml:"switch-to,omitempty" json:"switch-to,omitempty"`
	AlwaysApply  bool          `toml:"always-apply,omitempty" json:"always-apply,omitempty"` // set by the extension
	SatisfiedBy  string        `toml:"satisfied-by,omitempty" json:"satisfied-by,omitempty"` // set by the extension
	Along        bool          `toml:"goes-along,omitempty" json:"goes-along,omitempty"`     // applied only because other Dockerfiles for its image are
	Reasons      []string      `toml:"reasons,omitempty" json:"reasons,omitempty"`
	Instructions []Instruction `toml:"instructions,omitempty" json:"instructions,omitempty"` // if proved by effect
}

// VerdictOf returns a verdict in the form of resolution.toml.
func VerdictOf(v extensions.Verdict) Verdict {
	d := v.Dockerfile
	out := Verdict{
		Extension: d.Extension.ID, Image: string(d.Image), Dockerfile: d.Path,
		Verdict: string(v.Outcome), SwitchTo: v.SwitchTo, AlwaysApply: d.AlwaysApply, SatisfiedBy: d.SatisfiedBy, Along: v.Along, Reasons: v.Reasons,
	}
	for _, i := range v.Instructions {
		out.Instructions = append(out.Instructions, Instruction{Line: i.Line, Effect: i.Effect, Reason: i.Reason, Lacks: i.Lacks, Manager: i.Manager, Expanded: i.Expanded})
	}
	return out
}

// Judged is the inverse of [VerdictOf], without the Dockerfile's content.
func (v Verdict) Judged() extensions.Verdict {
	out := extensions.Verdict{
		Dockerfile: &extensions.Dockerfile{
			Extension: resolver.Module{Kind: resolver.Extension, ID: v.Extension}, Image: extensions.ImageKind(v.Image), Path: v.Dockerfile,
			Options: extensions.Options{AlwaysApply: v.AlwaysApply, SatisfiedBy: v.SatisfiedBy},
		},
		Outcome: extensions.Outcome(v.Verdict), SwitchTo: v.SwitchTo, Along: v.Along, Reasons: v.Reasons,
	}
	for _, i := range v.Instructions {
		out.Instructions = append(out.Instructions, extensions.Instruction{Line: i.Line, Effect: i.Effect, Reason: i.Reason, Lacks: i.Lacks, Manager: i.Manager, Expanded: i.Expanded})
	}
	return out
}

// An Instruction is one line of a Dockerfile and whether it has an effect.
type Instruction struct {
	Line   int      `toml:"line" json:"line"`
	Effect bool     `toml:"effect" json:"effect"`
	Reason string   `toml:"reason" json:"reason"`
	Lacks  []string `toml:"lacks,omitempty" json:"lacks,omitempty"` // packages, if their absence is the only effect

	// Manager reports whether the effect is entirely that of a package manager.
	Manager bool `toml:"package-manager,omitempty" json:"package-manager,omitempty"`

	// Expanded reports whether Lacks has values of variables, such as build args.
	Expanded bool `toml:"expanded,omitempty" json:"expanded,omitempty"`
}

// A Result is the outcome for the platform.
type Result struct {
	RunImage    string `toml:"run-image" json:"run-image"`
	ExtendRun   bool   `toml:"extend-run" json:"extend-run"`
	ExtendBuild bool   `toml:"extend-build" json:"extend-build"`
}

// Encode encodes the file as deterministic TOML.
func (r Resolution) Encode() ([]byte, error) {
	r.Version, r.Extensions, r.Identities = sbom.FileVersion, r.Policy.Extensions, r.Policy.Identities
	return tomlfile.Encode(r, "resolution.toml")
}

// DecodeResolution decodes resolution.toml. The name is used in errors.
func DecodeResolution(data []byte, name string) (*Resolution, error) {
	var r Resolution
	if err := tomlfile.DecodeVersioned(data, name, &r, &r.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	for _, err := range checkIdentities(r.Identities) {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	r.Policy.Extensions, r.Policy.Identities = r.Extensions, r.Identities
	return &r, nil
}
