package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"unicode"

	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
)

// MaxExplanation is the maximum size of the label [ResolutionLabel], in bytes.
const MaxExplanation = 8192

// An Explanation is the label baseplan.resolution: the parts of a [Resolution] that everybody who can pull the app
// image may read. It has no build args, environment variables, metadata of the build plan, file paths or times.
type Explanation struct {
	Version      string                 `json:"version"`
	RunImage     ExplainedImage         `json:"run-image"` // that verdicts were judged against, before any switch
	Inventory    string                 `json:"inventory"` // a carrier, "generated" or "unknown"
	Group        []ExplainedModule      `json:"group,omitempty"`
	Requirements []ExplainedRequirement `json:"requirements,omitempty"`
	Verdicts     []ExplainedVerdict     `json:"verdicts,omitempty"`
	Result       ExplainedResult        `json:"result"`
	Cut          *ExplanationCut        `json:"cut,omitempty"`     // absent: the label is complete
	Rebased      *ExplainedImage        `json:"rebased,omitempty"` // the run image of the last rebase; the verdicts are those of the build
}

// An ExplainedImage is a run image.
type ExplainedImage struct {
	Name   string `json:"name"`
	Digest string `json:"digest,omitempty"`
}

func explainedImage(name, digest string) ExplainedImage {
	if !digestWord().MatchString(digest) {
		digest = ""
	}
	return ExplainedImage{maskImage(name), digest}
}

// An ExplainedModule is a buildpack or an extension of the group.
type ExplainedModule struct {
	ID        string `json:"id"`
	Version   string `json:"version,omitempty"`
	Extension bool   `json:"extension,omitempty"`
}

// Module returns the module.
func (m ExplainedModule) Module() resolver.Module {
	kind := resolver.Buildpack
	if m.Extension {
		kind = resolver.Extension
	}
	return resolver.Module{Kind: kind, ID: m.ID, Version: m.Version}
}

// An ExplainedRequirement is a requirement of the build plan and what met it.
type ExplainedRequirement struct {
	Name       string   `json:"name"`
	Version    string   `json:"version,omitempty"` // the constraint
	RequiredBy string   `json:"required-by"`       // id@version
	Contexts   []string `json:"contexts,omitempty"`
	MetBy      []string `json:"met-by,omitempty"`   // run-image, build-image, id@version
	Evidence   []string `json:"evidence,omitempty"` // version-free purl patterns
}

// An ExplainedVerdict is the verdict on one Dockerfile.
type ExplainedVerdict struct {
	Extension string   `json:"extension"`
	Image     string   `json:"image"`   // run or build
	Verdict   string   `json:"verdict"` // superseded, satisfied, no-effect, switch, pending, apply
	SwitchTo  string   `json:"switch-to,omitempty"`
	Reasons   []string `json:"reasons,omitempty"` // the first ones; … stands for words that are not recorded
}

// An ExplainedResult is the outcome.
type ExplainedResult struct {
	RunImage    string `json:"run-image,omitempty"` // after switches
	ExtendRun   bool   `json:"extend-run,omitempty"`
	ExtendBuild bool   `json:"extend-build,omitempty"`
}

// An ExplanationCut counts what is left out of the label because of its size.
type ExplanationCut struct {
	Reasons      int `json:"reasons,omitempty"`
	Evidence     int `json:"evidence,omitempty"`
	Requirements int `json:"requirements,omitempty"`
	Verdicts     int `json:"verdicts,omitempty"`
	Group        int `json:"group,omitempty"`
}

// Explanation returns what the label [ResolutionLabel] says about a build with this group.
func (r *Resolution) Explanation(g Group) Explanation {
	m := r.mask()
	e := Explanation{
		Version: sbom.FileVersion, RunImage: explainedImage(r.RunImage.Image, r.RunImage.Digest), Inventory: maskName(r.RunImage.Inventory),
		Result: ExplainedResult{maskImage(r.Result.RunImage), r.Result.ExtendRun, r.Result.ExtendBuild},
	}
	if e.Inventory == "cache" {
		e.Inventory = "generated" // by an earlier build: the same image either way
	}
	for _, x := range g.ExtensionModules() {
		e.Group = append(e.Group, ExplainedModule{maskName(x.ID), maskName(x.Version), true})
	}
	for _, b := range g.Buildpacks {
		e.Group = append(e.Group, ExplainedModule{maskName(b.ID), maskName(b.Version), false})
	}
	for _, req := range r.Requirements {
		out := ExplainedRequirement{Name: maskName(req.Name), Version: maskConstraint(req.Version), RequiredBy: maskName(req.RequiredBy)}
		for _, c := range req.Contexts {
			out.Contexts = append(out.Contexts, maskName(c))
		}
		for _, by := range req.MetBy {
			out.MetBy = append(out.MetBy, maskName(by))
		}
		for _, pattern := range req.Evidence {
			if isPackage(pattern) {
				out.Evidence = append(out.Evidence, pattern)
			}
		}
		e.Requirements = append(e.Requirements, out)
	}
	for _, v := range r.Verdicts {
		out := ExplainedVerdict{Extension: maskName(v.Extension), Image: maskName(v.Image), Verdict: maskName(v.Verdict), SwitchTo: maskImage(v.SwitchTo)}
		for _, reason := range v.Reasons {
			out.Reasons = append(out.Reasons, m.reason(reason, v))
		}
		e.Verdicts = append(e.Verdicts, out)
	}
	return e
}

// RebasedOn returns the explanation of the same build after a rebase.
func (e Explanation) RebasedOn(name, digest string) Explanation {
	run := explainedImage(name, digest)
	e.Rebased = &run
	return e
}

// Encode encodes the label. What does not fit is cut: first the last reasons of each verdict, then evidence, then
// requirements, verdicts and the group, from the end.
func (e Explanation) Encode() (string, error) {
	e.Version = sbom.FileVersion
	var text string
	var err error
	fits := func(try Explanation) bool {
		if err == nil {
			text, err = EncodeLabel(try)
		}
		return err != nil || len(text) <= MaxExplanation
	}
	if fits(e) {
		return text, err
	}
	for _, step := range []struct {
		most int
		cut  func(e Explanation, keep int) Explanation
	}{
		{e.mostReasons(), Explanation.cutReasons},
		{len(e.Requirements), Explanation.cutEvidence},
		{len(e.Requirements), Explanation.cutRequirements},
		{len(e.Verdicts), Explanation.cutVerdicts},
		{len(e.Group), Explanation.cutGroup},
	} {
		drop := sort.Search(step.most, func(n int) bool { return fits(step.cut(e, step.most-n)) })
		if e = step.cut(e, step.most-drop); fits(e) {
			return text, err
		}
	}
	return "", fmt.Errorf("encoding label %s: the name of the run image is too long", ResolutionLabel)
}

// cut returns the counts of what is already cut, to be added to.
func (e Explanation) cut() *ExplanationCut {
	if e.Cut == nil {
		return &ExplanationCut{}
	}
	c := *e.Cut
	return &c
}

func (e Explanation) mostReasons() int {
	most := 0
	for _, v := range e.Verdicts {
		most = max(most, len(v.Reasons))
	}
	return most
}

func (e Explanation) cutReasons(keep int) Explanation {
	c := e.cut()
	e.Verdicts = slices.Clone(e.Verdicts)
	for i := range e.Verdicts {
		v := &e.Verdicts[i]
		n := min(keep, len(v.Reasons))
		c.Reasons += len(v.Reasons) - n
		v.Reasons = v.Reasons[:n]
	}
	e.Cut = c.orNil()
	return e
}

func (e Explanation) cutEvidence(keep int) Explanation {
	c := e.cut()
	e.Requirements = slices.Clone(e.Requirements)
	for i := keep; i < len(e.Requirements); i++ {
		c.Evidence += len(e.Requirements[i].Evidence)
		e.Requirements[i].Evidence = nil
	}
	e.Cut = c.orNil()
	return e
}

func (e Explanation) cutRequirements(keep int) Explanation {
	c := e.cut()
	c.Requirements += len(e.Requirements) - keep
	e.Requirements, e.Cut = e.Requirements[:keep], c.orNil()
	return e
}

func (e Explanation) cutVerdicts(keep int) Explanation {
	c := e.cut()
	c.Verdicts += len(e.Verdicts) - keep
	e.Verdicts, e.Cut = e.Verdicts[:keep], c.orNil()
	return e
}

func (e Explanation) cutGroup(keep int) Explanation {
	c := e.cut()
	c.Group += len(e.Group) - keep
	e.Group, e.Cut = e.Group[:keep], c.orNil()
	return e
}

func (c *ExplanationCut) orNil() *ExplanationCut {
	if *c == (ExplanationCut{}) {
		return nil
	}
	return c
}

// DecodeExplanation decodes the label [ResolutionLabel]. Anybody may have written it, so it is limited in size and has
// no characters that a terminal acts upon.
func DecodeExplanation(label string) (*Explanation, error) {
	if len(label) > MaxExplanation {
		return nil, fmt.Errorf("larger than the limit of %d bytes", MaxExplanation)
	}
	var e Explanation
	if err := json.Unmarshal([]byte(label), &e); err != nil {
		return nil, err
	}
	if err := sbom.CheckFileVersion(e.Version); err != nil {
		return nil, err
	}
	if err := checkPrintable(e); err != nil {
		return nil, err
	}
	return &e, nil
}

// checkPrintable returns an error if a text in v does not consist of graphic characters.
func checkPrintable(v any) error {
	data, err := json.Marshal(v) // all texts at once
	if err != nil {
		return err
	}
	var texts any
	if err := json.Unmarshal(data, &texts); err != nil {
		return err
	}
	if !printable(texts) {
		return errors.New("it has control characters")
	}
	return nil
}

// printable reports whether all texts of a JSON value consist of graphic characters.
func printable(v any) bool {
	switch v := v.(type) {
	case string:
		return isPrintable(v)
	case []any:
		return !slices.ContainsFunc(v, func(v any) bool { return !printable(v) })
	case map[string]any:
		for _, v := range v {
			if !printable(v) {
				return false
			}
		}
	}
	return true
}

func isPrintable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Resolution returns the explanation in the form of resolution.toml. What the label does not have is empty.
func (e *Explanation) Resolution() Resolution {
	r := Resolution{
		Version: e.Version, Requirements: []Requirement{}, Verdicts: []Verdict{}, RunImage: ResolvedImage{e.RunImage.Name, e.RunImage.Digest, e.Inventory},
		Result: Result{e.Result.RunImage, e.Result.ExtendRun, e.Result.ExtendBuild},
	}
	for _, req := range e.Requirements {
		r.Requirements = append(r.Requirements, Requirement{
			Name: req.Name, Version: req.Version, RequiredBy: req.RequiredBy, Contexts: req.Contexts, MetBy: req.MetBy, Evidence: req.Evidence,
		})
	}
	for _, v := range e.Verdicts {
		r.Verdicts = append(r.Verdicts, Verdict{Extension: v.Extension, Image: v.Image, Verdict: v.Verdict, SwitchTo: v.SwitchTo, Reasons: v.Reasons})
	}
	return r
}
