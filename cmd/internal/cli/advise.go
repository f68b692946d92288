package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/resolver/advise"
)

func (c *Console) adviseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "advise FILE|DIR...",
		Short: "Recommend packages for run images from past builds",
		Long: fmt.Sprintf(`Reads the resolution.toml of past builds, finds what each build lacked in its run image,
and recommends which packages to add to which run images so that the fewest builds need
an extension. In a DIR, every file whose name ends in resolution.toml is read.

The recommendation is optimal if the builds on a run image lack at most %d different sets
of packages. Beyond that it is found greedily, and an upper bound on the number of builds
that any choice could serve is printed as well. Among choices that serve equally many
builds, the one that gives builds the fewest unneeded packages wins. --images limits the
number of new run images; fewer are recommended if more would not help.

Exits 0 if no build would then need an extension, 3 if some still would.`, advise.Exact),
		Example: "  baseplan advise builds/\n  baseplan advise builds/ --images 2 --packages 10 --output json",
		Args:    cobra.MinimumNArgs(1),
	}
	images := cmd.Flags().Int("images", 3, "maximum number of new run images")
	packages := cmd.Flags().Int("packages", 0, "maximum number of packages to add to each (0: no limit)")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *images < 0 || *packages < 0 {
			return errors.New("--images and --packages cannot be negative")
		}
		h, err := c.readHistory(args)
		if err != nil {
			return err
		}
		h.plans = advise.Problem{Builds: h.builds, Images: *images, Packages: *packages}.Plans()
		return c.answer(*output, h.document(), h.text, h.left(h.last()) == 0 && h.files > 0)
	}
	return cmd
}

// A history is what past builds lacked, with the advice.
type history struct {
	files    int
	unknown  int            // files of builds whose run image was unknown
	builds   []advise.Build // one for each build that a run image can help
	helpless []helpless     // builds that none can help, in the order of the files
	plans    []advise.Plan
}

// A helpless reason explains why builds need their extension on any run image.
type helpless struct {
	Extension string `json:"extension"`
	Why       string `json:"why"`
	Builds    int    `json:"builds"`
}

func (c *Console) readHistory(args []string) (*history, error) {
	h := &history{}
	var unread error
	for _, arg := range args {
		files, err := resolutionsIn(arg)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			r, err := platform.ReadFile(file, platform.DecodeResolution)
			if err != nil { // one bad file of thousands must not hide what the others say
				c.warn("ignoring a build: %v", err)
				unread = err
				continue
			}
			h.add(r)
		}
	}
	if h.files+h.unknown == 0 {
		return nil, unread
	}
	return h, nil
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

func (h *history) add(r *platform.Resolution) {
	if slices.ContainsFunc(r.Verdicts, func(v platform.Verdict) bool {
		return v.Image == string(extensions.Run) && extensions.Outcome(v.Verdict) == extensions.Pending
	}) {
		h.unknown++
		return
	}
	h.files++
	b := advise.Build{Base: cmp.Or(r.Result.RunImage, r.RunImage.Image), Count: 1}
	for _, v := range r.Verdicts {
		if v.Image != string(extensions.Run) || !extensions.Outcome(v.Verdict).Left() || !r.Result.ExtendRun || v.Along {
			continue
		}
		lacks, why := lacked(r, v)
		if why != "" {
			h.help(helpless{Extension: v.Extension, Why: why})
			return
		}
		b.Lacks = append(b.Lacks, lacks...)
	}
	h.builds = append(h.builds, b)
}

func (h *history) help(x helpless) {
	i := slices.IndexFunc(h.helpless, func(y helpless) bool { return x.Extension == y.Extension && x.Why == y.Why })
	if i < 0 {
		h.helpless, i = append(h.helpless, x), len(h.helpless)
	}
	h.helpless[i].Builds++
}

// lacked returns what a run image needs for a Dockerfile to be skipped, or why none can: the packages that it
// installs, if it does nothing else; otherwise, if proof by plan is enough, what the plan requires of the
// extension.
func lacked(r *platform.Resolution, v platform.Verdict) (lacks []string, why string) {
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
		lacks = append(lacks, i.Lacks...)
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
			lacks = append(lacks, strings.TrimSpace(req.Name+" "+req.Version))
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

func (h *history) last() advise.Plan { return h.plans[len(h.plans)-1] }

// left returns how many builds would still need an extension.
func (h *history) left(p advise.Plan) int { return h.files - p.Served }

// An adviseDocument is the output of `advise --output json`.
type adviseDocument struct {
	envelope
	Builds   int          `json:"builds"`
	Unknown  int          `json:"unknown"` // builds whose run image was unknown
	Helpless []helpless   `json:"not-helped-by-any-run-image"`
	Plans    []advisePlan `json:"plans"` // with no new run image, with one, and so on
}

type advisePlan struct {
	RunImages     []adviseImage `json:"run-images"`
	NeedExtension int           `json:"need-extension"` // builds
	Spare         int           `json:"spare-packages"` // not needed by a build, summed over builds
	Exact         bool          `json:"exact"`
	AtLeast       int           `json:"at-least"` // builds that need an extension with any choice of this many run images
}

type adviseImage struct {
	Base   string   `json:"base"`
	Add    []string `json:"add"`
	Builds int      `json:"builds"`
}

func (h *history) document() adviseDocument {
	d := adviseDocument{envelope: envelopeOf("advice"), Builds: h.files, Unknown: h.unknown, Helpless: append([]helpless{}, h.helpless...)}
	for _, p := range h.plans {
		out := advisePlan{RunImages: []adviseImage{}, NeedExtension: h.left(p), Spare: p.Spare, Exact: p.Exact, AtLeast: h.files - p.AtMost}
		for _, img := range p.Images {
			out.RunImages = append(out.RunImages, adviseImage{img.Base, img.Packages, img.Builds})
		}
		d.Plans = append(d.Plans, out)
	}
	return d
}

func (h *history) text(w io.Writer, width int) {
	t := &table{width: width, head: []string{"NEW RUN IMAGES", "BUILDS THAT NEED AN EXTENSION", "SPARE PACKAGES", "ANSWER"}}
	for k, p := range h.plans {
		answer := "exact"
		if !p.Exact {
			answer = fmt.Sprintf("greedy: with any %d, at least %d", k, h.files-p.AtMost)
		}
		t.row(fmt.Sprint(k), fmt.Sprintf("%d of %d", h.left(p), h.files), fmt.Sprint(p.Spare), answer)
	}
	t.write(w)
	t = &table{width: width, head: []string{"RUN IMAGE", "BUILDS", "ADD"}}
	for _, img := range h.last().Images {
		t.row(img.Base, fmt.Sprint(img.Builds), strings.Join(img.Packages, ", "))
	}
	t.writeBelow(w)
	t = &table{width: width, head: []string{"NOT HELPED", "BUILDS", "WHY"}}
	for _, x := range h.helpless {
		t.row(x.Extension, fmt.Sprint(x.Builds), x.Why)
	}
	t.writeBelow(w)
	if h.unknown > 0 {
		note := fmt.Sprintf("Not counted, because the packages of their run images were unknown (verdict pending): %d. The restorer completes the file; use the one from the end of the build.", h.unknown)
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(note, width), "\n"))
	}
	fmt.Fprintf(w, "\n%s\n", h.conclusion())
}

// conclusion returns the summary in a sentence.
func (h *history) conclusion() string {
	none, last := h.left(h.plans[0]), h.last()
	switch {
	case h.files == 0:
		return "The packages of the builds' run images are unknown."
	case none == 0:
		return "No build needs an extension for its run image; there is nothing to add."
	case len(last.Images) == 0:
		return fmt.Sprintf("No run image would help: %s.", need(none))
	case h.left(last) == 0:
		return fmt.Sprintf("With the run images above, no build needs an extension; today %s.", need(none))
	}
	return fmt.Sprintf("With the run images above, %s; today %s.", need(h.left(last)), need(none))
}

func need(builds int) string {
	if builds == 1 {
		return "1 build needs one"
	}
	return fmt.Sprintf("%d builds need one", builds)
}
