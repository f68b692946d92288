package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/resolver/advise"
	"github.com/baseplan/baseplan/sbom/reference"
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

// adviseFlags name the builds of `advise`.
type adviseFlags struct {
	files []string
	from  []string
	list  string
}

// A listedBuild is a resolution.toml or an app image, and the number of builds that it stands for.
type listedBuild struct {
	name    string
	image   bool
	pattern string // that the name matches; empty: it was given
	count   int
}

func (c *Console) readHistory(cmd *cobra.Command, a adviseFlags) (*history, error) {
	s, err := c.source(cmd)
	if err != nil {
		return nil, err
	}
	listed, err := s.listedBuilds(cmd.Context(), a)
	if err != nil {
		return nil, err
	}
	h := &history{families: map[string]family{}, learned: map[string]string{}, additions: map[string]*addition{}}
	found, failed, err := s.readBuilds(cmd.Context(), listed)
	if err != nil {
		return nil, err
	}
	var unread error
	seen := map[string]bool{}
	for i, r := range found {
		if image := listed[i].pattern + " " + r.digest; listed[i].pattern != "" && r.digest != "" {
			if seen[image] { // another tag of the same image
				continue
			}
			seen[image] = true
		}
		if failed[i] != nil { // one bad file of thousands must not hide what the others say
			c.warn("ignoring a build: %v", failed[i])
			unread = failed[i]
			h.passed += listed[i].count
			continue
		}
		h.add(r, listed[i].count)
		if r.labelled && r.Result.ExtendRun {
			h.labels += listed[i].count
		}
	}
	if h.files+h.unknown == 0 {
		return nil, unread
	}
	return h, s.families(cmd.Context(), h)
}

// listedBuilds returns the builds that the arguments and flags name, in order.
func (s *source) listedBuilds(ctx context.Context, a adviseFlags) (all []listedBuild, err error) {
	for _, arg := range a.files {
		files, err := resolutionsIn(arg)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			all = append(all, listedBuild{name: file, count: 1})
		}
	}
	lines := []listedBuild{}
	for _, name := range a.from {
		lines = append(lines, listedBuild{name: name, image: true, count: 1})
	}
	if a.list != "" {
		data, err := s.console.readFile(a.list)
		if err != nil {
			return nil, fmt.Errorf("reading --from-file: %w", err)
		}
		more, err := listedIn(string(data))
		if err != nil {
			return nil, fmt.Errorf("reading --from-file %s, %w", a.list, err)
		}
		lines = append(lines, more...)
	}
	for _, l := range lines {
		names := []string{l.name}
		if l.image {
			if names, err = s.matching(ctx, l.name); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			b := l
			if b.name != name {
				b.name, b.pattern = name, l.name
			}
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, &hinted{errors.New("no builds are given"), "name resolution.toml files or directories, or app images with --from or --from-file"}
	}
	return all, nil
}

// listedIn parses a list of builds.
func listedIn(text string) (all []listedBuild, err error) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		b := listedBuild{name: words[0], count: 1}
		if len(words) > 1 {
			b.count, err = strconv.Atoi(words[1])
		}
		if err != nil || len(words) > 2 || b.count < 1 || b.count > maxCount {
			return nil, fmt.Errorf("line %d: %q is not a build; write an app image or a file, and optionally a number of builds up to %d", i+1, strings.TrimSpace(line), maxCount)
		}
		_, missing := os.Stat(b.name)
		b.image = missing != nil
		all = append(all, b)
	}
	return all, nil
}

// maxCount is the maximum number of builds that one stands for.
const maxCount = 1_000_000

// ofImages matches the tags of signatures, attestations and referrers, which are not images of apps.
var ofImages = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\..*)?$`)

// matching returns the images of a repository whose tag matches the pattern in a name, or the name if it has none.
func (s *source) matching(ctx context.Context, name string) ([]string, error) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || !strings.ContainsAny(name[i:], "*?[") || strings.Contains(name[i:], "/") {
		return []string{name}, nil
	}
	repository, pattern := name[:i], name[i+1:]
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("--from %s: %q is not a pattern: %w", name, pattern, err)
	}
	ref, err := s.images.Registry.Reference(reference.Parse(repository))
	if err != nil {
		return nil, fmt.Errorf("--from %s: %w", name, err)
	}
	done := s.console.progress("listing the tags of %s", repository)
	tags, err := s.images.Registry.Tags(ctx, ref.Context())
	done()
	if err != nil {
		return nil, fmt.Errorf("--from %s: %w", name, err)
	}
	var all []string
	for _, tag := range tags {
		if matched, _ := path.Match(pattern, tag); matched && !ofImages.MatchString(tag) {
			all = append(all, repository+":"+tag)
		}
	}
	if len(all) == 0 {
		return nil, &hinted{fmt.Errorf("--from %s: none of %s matches", name, counted(len(tags), "tag", "tags")), "* matches any characters; quote the pattern for the shell"}
	}
	return all, nil
}

// A foundBuild is a build with what is known of it beside resolution.toml.
type foundBuild struct {
	*platform.Resolution
	labelled bool   // the label of an app image is all that is known
	distro   string // of the app image; empty: unknown
	digest   string // likewise
}

// readBuilds reads builds concurrently. The error of a build does not end it.
func (s *source) readBuilds(ctx context.Context, listed []listedBuild) (found []foundBuild, failed []error, err error) {
	found, failed = make([]foundBuild, len(listed)), make([]error, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, l := range listed {
		g.Go(func() error {
			if l.image {
				found[i], failed[i] = s.labelledBuild(ctx, l.name)
			} else {
				found[i].Resolution, failed[i] = platform.ReadFile(l.name, platform.DecodeResolution)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		})
	}
	return found, failed, g.Wait()
}

// labelledBuild reads the label of an app image.
func (s *source) labelledBuild(ctx context.Context, name string) (foundBuild, error) {
	app, err := s.explained(ctx, name)
	if err != nil {
		return foundBuild{}, err
	}
	if cut := app.build.Cut; cut != nil && cut.Requirements+cut.Verdicts > 0 {
		return foundBuild{}, fmt.Errorf("label %s of %s does not say what the build lacked: %s", platform.ResolutionLabel, name, cutNote(cut))
	}
	r := app.build.Resolution()
	r.Policy, r.Mapping = s.policy, s.mapping
	for i, v := range r.Verdicts { // what the label says only by its reasons
		r.Verdicts[i].AlwaysApply = slices.ContainsFunc(v.Reasons, func(why string) bool { return strings.HasPrefix(why, "always-apply is set") })
		r.Verdicts[i].Along = slices.ContainsFunc(v.Reasons, func(why string) bool { return strings.Contains(why, ", but is applied together with: ") })
	}
	return foundBuild{Resolution: &r, labelled: true, distro: app.distro, digest: app.image.Digest}, nil
}

// resolutionsIn returns the files that an argument stands for, in order.
func resolutionsIn(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, fmt.Errorf("reading past builds: %w", err)
	}
	if !info.IsDir() {
		return []string{arg}, nil
	}
	var files []string
	err = filepath.WalkDir(arg, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(e.Name(), "resolution.toml") {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = &hinted{fmt.Errorf("reading past builds: no file in %s is a resolution.toml", arg), "a build leaves it in its layers directory; keep one for each build, as NAME.resolution.toml"}
	}
	return files, err
}

// add adds a build, which stands for a number of them.
func (h *history) add(r foundBuild, count int) {
	if slices.ContainsFunc(r.Verdicts, func(v platform.Verdict) bool {
		return v.Image == string(extensions.Run) && extensions.Outcome(v.Verdict) == extensions.Pending
	}) {
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
