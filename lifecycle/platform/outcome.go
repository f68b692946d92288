package platform

import (
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
)

// The names under which base images stand in met-by.
const (
	RunImageProvider   = "run-image"
	BuildImageProvider = "build-image"
)

// Outcome is a resolution and its verdicts as resolution.toml has them. Policy,
// run image and mapping are the caller's to fill in.
func Outcome(resolved *resolver.Resolution, judged extensions.Result) Resolution {
	r := Resolution{
		Version: sbom.FileVersion,
		Relies:  Reliances(judged.Relies),
		Result:  Result{RunImage: judged.RunImage, ExtendRun: judged.ExtendRun, ExtendBuild: judged.ExtendBuild},
	}
	for _, req := range resolved.Requirements {
		r.Requirements = append(r.Requirements, requirement(req))
	}
	for _, v := range judged.Verdicts {
		r.Verdicts = append(r.Verdicts, VerdictOf(v))
	}
	return r
}

// VerdictOf is a verdict as resolution.toml has it.
func VerdictOf(v extensions.Verdict) Verdict {
	d := v.Dockerfile
	out := Verdict{
		Extension: d.Extension.ID, Image: string(d.Image), Dockerfile: d.Path,
		Verdict: string(v.Outcome), SwitchTo: v.SwitchTo, AlwaysApply: d.AlwaysApply, SatisfiedBy: d.SatisfiedBy, Along: v.Along, Reasons: v.Reasons,
	}
	for _, i := range v.Instructions {
		out.Instructions = append(out.Instructions, Instruction{Line: i.Line, Effect: i.Effect, Reason: i.Reason, Lacks: i.Lacks, Manager: i.Manager})
	}
	return out
}

func requirement(req resolver.Requirement) Requirement {
	out := Requirement{Name: req.Name, RequiredBy: req.By.String(), Version: req.Version, Asks: extensions.AsksMore(req.Metadata)}
	for _, c := range req.Contexts {
		out.Contexts = append(out.Contexts, string(c))
	}
	for _, base := range []struct {
		name   string
		answer provides.Answer
	}{{RunImageProvider, req.Run}, {BuildImageProvider, req.Build}} {
		if !base.answer.Met {
			continue
		}
		out.MetBy = append(out.MetBy, base.name)
		if out.Evidence == nil { // the best of the run image, else of the build image: what has to be there again
			best := base.answer.By[0]
			out.Rule = string(best.Rule)
			for _, e := range best.Evidence {
				out.Evidence = append(out.Evidence, e.Pattern)
			}
		}
	}
	for _, m := range req.Providers {
		out.MetBy = append(out.MetBy, m.String())
	}
	return out
}

// EscapeID is a module's id as it stands in file names: slashes become
// underscores (platform.md, "generated").
func EscapeID(id string) string { return strings.ReplaceAll(id, "/", "_") }
