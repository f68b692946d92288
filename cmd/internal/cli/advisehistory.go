package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/resolver/advise"
)

// A history is what past builds lacked, with the advice.
type history struct {
	files    int             // builds that count
	unknown  int             // builds whose run image was unknown
	labels   int             // builds whose extensions are known by the label of the app image only
	passed   int             // builds that cannot be used
	past     []advisedBuilds // the builds that a run image can help, or that need no help
	helpless []helpless      // builds that none can help, in the order of the files
	plans    []advise.Plan

	families  map[string]family    // by run image
	learned   map[string]string    // packages by family and name of the build plan, as past builds had them
	additions map[string]*addition // by run image and key; see [history.named]
}

// advisedBuilds are builds with what they lacked in their run image.
type advisedBuilds struct {
	base    string
	lacks   []missing
	mapping []provides.Mapping // the operator's
	count   int
}

// A missing is a package, or a name of the build plan with a constraint.
type missing struct{ pkg, name, version string }

// A helpless reason explains why builds need their extension on any run image.
type helpless struct {
	Extension string `json:"extension"`
	Why       string `json:"why"`
	Builds    int    `json:"builds"`
}

func (c *Console) readHistory(cmd *cobra.Command, a buildFlags) (*history, error) {
	s, err := c.source(cmd)
	if err != nil {
		return nil, err
	}
	listed, err := s.listedBuilds(cmd.Context(), a)
	if err == nil && len(listed) == 0 {
		err = &hinted{errors.New("no builds are given"), "name resolution.toml files or directories, or app images with --from or --from-file"}
	}
	if err != nil {
		return nil, err
	}
	found, passed, err := readBuilds(cmd.Context(), s, listed, s.labelledBuild, func(r *platform.Resolution, _ string) foundBuild { return foundBuild{Resolution: r} })
	if err != nil {
		return nil, err
	}
	h := &history{passed: passed, families: map[string]family{}, learned: map[string]string{}, additions: map[string]*addition{}}
	for _, b := range found {
		h.add(b.read, b.count)
		if b.read.labelled && b.read.Result.ExtendRun {
			h.labels += b.count
		}
	}
	return h, s.families(cmd.Context(), h)
}

// A foundBuild is a build with what is known of it beside resolution.toml.
type foundBuild struct {
	*platform.Resolution
	labelled bool   // the label of an app image is all that is known
	distro   string // of the app image; empty: unknown
}

// labelledBuild reads the label of an app image.
func (s *source) labelledBuild(ctx context.Context, name string) (foundBuild, string, error) {
	app, err := s.explained(ctx, name)
	if err != nil {
		return foundBuild{}, "", err
	}
	if cut := app.build.Cut; cut != nil && cut.Requirements+cut.Verdicts+cut.Reasons > 0 {
		return foundBuild{}, "", fmt.Errorf("label %s of %s does not say what the build lacked: %s", platform.ResolutionLabel, name, cutNote(cut))
	}
	r := app.build.Resolution()
	r.Policy, r.Mapping = s.policy, s.mapping
	for i, v := range r.Verdicts { // what the label says only by its reasons
		r.Verdicts[i].AlwaysApply = slices.ContainsFunc(v.Reasons, func(why string) bool { return strings.HasPrefix(why, extensions.AlwaysApplied) })
		r.Verdicts[i].Along = slices.ContainsFunc(v.Reasons, func(why string) bool { return strings.Contains(why, extensions.AppliedAlong) })
	}
	return foundBuild{Resolution: &r, labelled: true, distro: app.distro}, app.image.Digest, nil
}

// add adds a build, which stands for a number of them.
func (h *history) add(r foundBuild, count int) {
	if pending(r.Resolution) {
		h.unknown += count
		return
	}
	h.files += count
	b := advisedBuilds{base: cmp.Or(r.Result.RunImage, r.RunImage.Image), mapping: r.Mapping, count: count}
	h.learn(b.base, r)
	for _, v := range r.Verdicts {
		if v.Image != string(extensions.Run) || !extensions.Outcome(v.Verdict).Left() || !r.Result.ExtendRun || v.Along {
			continue
		}
		lacks, why := lacked(r.Resolution, v)
		if why != "" {
			h.help(helpless{Extension: v.Extension, Why: why}, count)
			return
		}
		b.lacks = append(b.lacks, lacks...)
	}
	h.past = append(h.past, b)
}

func (h *history) help(x helpless, count int) {
	i := slices.IndexFunc(h.helpless, func(y helpless) bool { return x.Extension == y.Extension && x.Why == y.Why })
	if i < 0 {
		h.helpless, i = append(h.helpless, x), len(h.helpless)
	}
	h.helpless[i].Builds += count
}

// lacked returns what a run image needs for a Dockerfile to be skipped, or why none can: the packages that it
// installs, if it does nothing else; otherwise, if proof by plan is enough, what the plan requires of the
// extension.
func lacked(r *platform.Resolution, v platform.Verdict) (lacks []missing, why string) {
	if v.AlwaysApply {
		return nil, "asks to be applied always"
	}
	var lines []string
	installs := true // the Dockerfile does nothing else
	for _, i := range v.Instructions {
		if i.Effect && len(i.Lacks) == 0 {
			lines = append(lines, fmt.Sprintf("line %d: %s", i.Line, i.Reason))
			installs = installs && i.Manager
		}
		for _, pkg := range i.Lacks {
			lacks = append(lacks, missing{pkg: pkg})
		}
	}
	if lines != nil {
		why = "does more than install packages: " + strings.Join(lines, "; ")
	}
	if len(v.Instructions) == 0 {
		why = "was not judged by effect"
	}
	proof := r.Policy.ProofOf(v.Extension, v.SatisfiedBy)
	if proof == extensions.ByEffect || proof == extensions.Installs && !installs || proof != extensions.Strict && why == "" {
		return lacks, why
	}
	if proof == extensions.ByPlan {
		lacks = nil // whatever it installs
	}
	asked := false
	for _, req := range r.Requirements {
		if !askedOf(req, v.Extension) {
			continue
		}
		asked = true
		if !slices.Contains(req.MetBy, platform.RunImageProvider) && (proof != extensions.Installs || len(lacks) == 0) {
			lacks = append(lacks, missing{name: req.Name, version: req.Version})
		}
	}
	if !asked {
		return nil, cmp.Or(why, "nothing that it provides is required at launch, so the plan proves nothing")
	}
	if proof == extensions.Strict {
		return lacks, why
	}
	return lacks, ""
}

// askedOf reports whether an extension was to provide a requirement at launch.
func askedOf(req platform.Requirement, extension string) bool {
	if len(req.Contexts) > 0 && !slices.Contains(req.Contexts, string(resolver.Launch)) {
		return false
	}
	return slices.ContainsFunc(req.MetBy, func(by string) bool { return by == extension || strings.HasPrefix(by, extension+"@") })
}
