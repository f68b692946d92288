package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
)

// A secondLook judges again, connected, what the detector had to leave open since it could not look into
// the run image: Dockerfiles that are pending, and after a switch what only the first run image was known to
// provide (DESIGN section 4).
type secondLook struct {
	*bases
	policy    platform.Policy // the stricter of both phases'
	inspector Inspector       // with that policy, and the builder's mapping
	switched  bool
}

// look takes a second look where there is anything to see.
func (x *bases) look(ctx context.Context) error {
	if x.Resolution == nil || x.Inspector == nil {
		return nil
	}
	l := &secondLook{bases: x, policy: x.Policy.Stricter(x.Resolution.Policy), inspector: *x.Inspector}
	if l.policy.RunSBOM == platform.Off {
		return nil
	}
	l.inspector.Policy, l.inspector.Mapping = l.policy.RunSBOM, x.Resolution.Mapping
	l.switched = x.Resolution.Result.RunImage != x.Resolution.RunImage.Image
	pending := slices.ContainsFunc(x.Resolution.Verdicts, func(v platform.Verdict) bool {
		return v.Image == string(extensions.Run) && v.Verdict == string(extensions.Pending)
	})
	promised := l.switched && slices.ContainsFunc(x.Resolution.Requirements, promisedByRunImage)
	if !pending && !promised {
		return nil
	}
	final, err := l.inspect(ctx)
	if err != nil && ctx.Err() == nil && !promised && l.policy.RunSBOM != platform.Attached {
		x.log.Warn(fmt.Sprintf("what the run image %s holds cannot be told, so nothing more is left out for it: %v", x.out.Analyzed.RunImage.Name(), err))
		return nil
	}
	if err != nil {
		return err
	}
	return l.judge(final)
}

// inspect learns what the run image holds. What the analyzer did not find is not looked for again.
func (l *secondLook) inspect(ctx context.Context) (BaseImage, error) {
	img, err := l.runImage(ctx)
	if err != nil {
		return BaseImage{}, err
	}
	var inventory *Inventory
	if s := l.Searched; !l.switched && s != nil && s.SBOM == nil && s.Digest == img.Digest.String() && l.counts(s.Declaration) {
		inventory = &Inventory{Report: *l.Searched}
	} else if inventory, err = l.inspector.Attached(ctx, img, l.switched); err != nil {
		return BaseImage{}, err
	}
	if inventory.Document == nil {
		if l.policy.RunSBOM == platform.Attached {
			return BaseImage{}, fmt.Errorf("%s has no usable SBOM, and none is generated (run-sbom is attached)", l.out.Analyzed.RunImage.Name())
		}
		if inventory, err = l.inspector.Generate(ctx, img, inventory); err != nil {
			return BaseImage{}, err
		}
	}
	inventory.Report.Image = l.out.Analyzed.RunImage.Name()
	l.out.Inventory = inventory
	final := l.inspector.Base(img, inventory)
	final.Reference = inventory.Report.Image
	return final, nil
}

// counts reports whether a declaration that the analyzer found, if it found one, counts for this phase: the analyzer
// may not have known the keys of the builder's policy.
func (l *secondLook) counts(d *attach.Declared) bool {
	return d == nil || l.inspector.Finder.Trust.CheckDeclared(*d) == nil
}

// judge gives the verdicts anew.
func (l *secondLook) judge(final BaseImage) error {
	files, err := l.dockerfiles()
	if err != nil {
		return err
	}
	judged := extensions.Judge(l.judging(files, final))
	run := l.out.Analyzed.RunImage
	run.Extend = run.Extend && judged.ExtendRun
	if _, err := Prune(filepath.Dir(l.Generated), judged.Verdicts); err != nil {
		return err
	}
	r := *l.Resolution
	r.RunImage = final.Resolved()
	r.Result.ExtendRun = run.Extend
	r.Verdicts = slices.Clone(r.Verdicts)
	for _, v := range judged.Verdicts {
		l.log.Info(fmt.Sprintf("  %s: %s", v.Dockerfile.Extension.ID, fate(v)))
		for i, before := range r.Verdicts {
			if before.Dockerfile == v.Dockerfile.Path {
				r.Verdicts[i] = platform.VerdictOf(v)
			}
		}
	}
	relies := platform.Reliances(judged.Relies)
	if !l.switched {
		relies = append(slices.Clone(r.Relies), relies...)
	}
	r.Relies = relies
	var broken []error
	r.Requirements, broken = l.ask(final)
	l.out.Resolution = &r
	if run.Extend {
		return nil // what is promised of the extended image, the extender looks up in that
	}
	return errors.Join(broken...)
}

// judging is what decides about the Dockerfiles. A switch is not to be undone, so nothing is known of the image
// that was switched from.
func (l *secondLook) judging(files []*extensions.Dockerfile, final BaseImage) extensions.Case {
	c := extensions.Case{Dockerfiles: files, Resolution: l.recorded(), Run: final.Stand()}
	l.policy.Rule(&c, l.Built)
	if l.switched {
		stand := final.Stand()
		c.Run = extensions.Base{Reference: l.Resolution.RunImage.Image}
		c.Lookup = func(ref string) *extensions.Base {
			if ref != final.Reference {
				return nil
			}
			return &stand
		}
	}
	return c
}

// dockerfiles are those of the run image that are not left out yet.
func (l *secondLook) dockerfiles() ([]*extensions.Dockerfile, error) {
	modules := []resolver.Module{}
	for _, m := range l.Group.Extensions {
		modules = append(modules, m.Resolver(resolver.Extension))
	}
	files, err := extensions.Read(os.DirFS(filepath.Dir(l.Generated)), filepath.Base(l.Generated), modules)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the generated Dockerfiles: %w", err)
	}
	files = slices.DeleteFunc(files, func(d *extensions.Dockerfile) bool { return d.Image != extensions.Run })
	for _, d := range files {
		d.AlwaysApply = true // unless the detector knew better
		for _, v := range l.Resolution.Verdicts {
			if v.Dockerfile == d.Path {
				d.AlwaysApply, d.SatisfiedBy = v.AlwaysApply, v.SatisfiedBy
			}
		}
	}
	return files, nil
}

// recorded is the resolution of the plan as far as verdicts need it.
func (l *secondLook) recorded() *resolver.Resolution {
	r := &resolver.Resolution{}
	for _, req := range l.Resolution.Requirements {
		out := resolver.Requirement{Name: req.Name, Version: req.Version, By: l.module(req.RequiredBy)}
		for _, key := range req.Asks {
			if out.Metadata == nil {
				out.Metadata = map[string]any{}
			}
			out.Metadata[key] = []any{}
		}
		for _, c := range req.Contexts {
			out.Contexts = append(out.Contexts, resolver.Context(c))
		}
		for _, by := range req.MetBy {
			if isModule(by) {
				out.Providers = append(out.Providers, l.module(by))
			}
		}
		r.Requirements = append(r.Requirements, out)
	}
	return r
}

// module is id@version as one of the group's. What could be either kind counts as a buildpack, since
// only what extensions provide can leave a Dockerfile out.
func (l *secondLook) module(text string) resolver.Module {
	is := func(m platform.Module) bool { return m.String() == text }
	if i := slices.IndexFunc(l.Group.Extensions, is); i >= 0 && !slices.ContainsFunc(l.Group.Buildpacks, is) {
		return l.Group.Extensions[i].Resolver(resolver.Extension)
	}
	m := resolver.Module{Kind: resolver.Buildpack, ID: text}
	if n := strings.LastIndex(text, "@"); n > 0 {
		m.ID, m.Version = text[:n], text[n+1:]
	}
	return m
}

func isModule(metBy string) bool {
	return metBy != platform.RunImageProvider && metBy != platform.BuildImageProvider
}

// promisedByRunImage reports whether nothing but the run image meets a requirement at launch.
func promisedByRunImage(r platform.Requirement) bool {
	return slices.Contains(r.MetBy, platform.RunImageProvider) && !slices.ContainsFunc(r.MetBy, isModule)
}

// ask asks the final run image about all requirements, and says which of them it fails.
func (l *secondLook) ask(final BaseImage) ([]platform.Requirement, []error) {
	var broken []error
	all := slices.Clone(l.Resolution.Requirements)
	for i, req := range all {
		if len(req.Contexts) > 0 && !slices.Contains(req.Contexts, string(resolver.Launch)) {
			continue
		}
		answer := final.Set.Answer(req.Name, req.Version)
		if !answer.Met && promisedByRunImage(req) {
			broken = append(broken, l.broken(req, final, answer))
			continue
		}
		req.MetBy = slices.DeleteFunc(slices.Clone(req.MetBy), func(by string) bool { return by == platform.RunImageProvider })
		if answer.Met {
			best := answer.By[0]
			req.MetBy = slices.Insert(req.MetBy, 0, platform.RunImageProvider)
			req.Rule, req.Evidence = string(best.Rule), nil
			for _, e := range best.Evidence {
				req.Evidence = append(req.Evidence, e.Pattern)
			}
		}
		all[i] = req
	}
	return all, broken
}

func (l *secondLook) broken(req platform.Requirement, final BaseImage, answer provides.Answer) error {
	return fmt.Errorf("%s requires %s, which %s of the run image %s met, but an extension switched to %s, which %s",
		req.RequiredBy, strings.TrimSpace(req.Name+" "+req.Version), strings.Join(req.Evidence, " and "), l.Resolution.RunImage.Image, final.Reference, answer.Reason)
}
