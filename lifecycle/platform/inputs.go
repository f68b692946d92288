package platform

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A Phase is a set of phases; most often of one.
type Phase uint16

// The phases (platform.md, "Usage").
const (
	Analyze Phase = 1 << iota
	Detect
	Restore
	Extend
	Build
	Export
	Create
	Rebase
)

// phaseNames are the names of the phases' executables, in the order of a build.
var phaseNames = []struct {
	phase Phase
	name  string
}{
	{Analyze, "analyzer"}, {Detect, "detector"}, {Restore, "restorer"}, {Extend, "extender"},
	{Build, "builder"}, {Export, "exporter"}, {Create, "creator"}, {Rebase, "rebaser"},
}

// PhaseOf is the phase that an executable is named for.
func PhaseOf(name string) (Phase, bool) {
	for _, p := range phaseNames {
		if p.name == name {
			return p.phase, true
		}
	}
	return 0, false
}

// PhaseNames are the names of all phases.
func PhaseNames() []string {
	var names []string
	for _, p := range phaseNames {
		names = append(names, p.name)
	}
	return names
}

// String is the name of the phase's executable.
func (p Phase) String() string {
	for _, known := range phaseNames {
		if known.phase == p {
			return known.name
		}
	}
	return "lifecycle"
}

// Inputs are what a platform tells a phase, by flags and environment. What does not belong to the phase, or to the
// version of the Platform API, has its zero value.
type Inputs struct {
	Images []string // output image and more names of it: the arguments, then -tag

	App, Layers, Platform, BuildConfig         string
	Buildpacks, Extensions, Generated          string
	Analyzed, Group, Plan, Order, System       string // Order may be empty: then see [Inputs.Orders]
	Run, Stack, ProjectMetadata, Report        string
	Extended, Kind                             string
	CacheDir, CacheImage, LaunchCache          string
	KanikoDir                                  string
	KanikoCacheTTL                             time.Duration
	PreviousImage, RunImage, BuildImage        string
	Launcher, LauncherSBOM                     string
	ProcessType, ExecEnv, LogLevel             string
	Daemon, Layout, Parallel, Force, NoColor   bool
	SkipLayers, SkipRestore, SkipSBOM, Version bool
	LayoutDir                                  string
	UID, GID                                   int // -1: not given
	Insecure                                   []string
	RegistryAuth                               string
	Epoch                                      *time.Time // SOURCE_DATE_EPOCH; nil: not given
	Experimental                               api.ExperimentalMode

	// Baseplan's own (docs/design.md, "Policy"). Empty: neither flag nor variable says anything, and
	// /cnb/baseplan.toml or the default counts.
	RunSBOM        RunSBOM
	RunSBOMPath    string
	RunSBOMKeys    []string
	TrustedRoot    string
	RunImageProof  string
	Settings       string // path of baseplan.toml
	Selection      string
	ExtendInCreate string
	RebaseCheck    string

	Early []string // what is to be told of flags that are given before the version of the Platform API that has them

	given map[string]string // see Given
}

// ErrHelp is the error of [Parse] for -help.
var ErrHelp = flag.ErrHelp

// Parse reads the inputs of a phase: a flag wins over the environment, that over the default. An empty flag or variable
// counts as not given; one that a flag overrides is not looked at.
// Errors have code 3 and name flag or variable, its value, and what it may be.
func Parse(p Phase, v api.Version, args []string, getenv func(string) string) (Inputs, error) {
	in := Inputs{UID: -1, GID: -1, given: map[string]string{}}
	fs := flag.NewFlagSet(p.String(), flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, r := range table {
		switch {
		case !r.in.has(p):
		case r.since(v):
			r.define(fs, &in)
		case r.early && v.Minor < r.from:
			r.defineEarly(fs, &in, v)
		case r.flag != "":
			r.refuse(fs, v)
		}
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return in, ErrHelp
		}
		return in, fail.As(fail.InvalidArgs, "reading flags", err)
	}
	for _, r := range table {
		if r.in.has(p) && r.since(v) {
			if err := r.lookUp(&in, getenv); err != nil {
				return in, fail.As(fail.InvalidArgs, "", err)
			}
		}
	}
	in.Images = append(append([]string{}, fs.Args()...), in.Images...)
	in.expand()
	return in, fail.As(fail.InvalidArgs, "", in.check(p, fs.Args()))
}

// Given is what gave an input its value: its flag ("-run-image") or its variable ("CNB_RUN_IMAGE"); empty: neither,
// and the default holds, or what a file says. Inputs are named by their variable, those without one by their flag ("-tag").
func (in *Inputs) Given(key string) string { return in.given[key] }

// key names an input: two flags with one variable are one input.
func (r input) key() string {
	if r.env != "" {
		return r.env
	}
	return "-" + r.flag
}

// define gives an input its default, and defines its flag.
func (r input) define(fs *flag.FlagSet, in *Inputs) {
	value := r.to(in)
	if r.def != "" {
		_ = value.Set(r.def) // a test holds that it is one
	}
	if r.flag != "" {
		fs.Var(optional{value, func() { in.given[r.key()] = "-" + r.flag }}, r.flag, r.help)
	}
}

// defineEarly defines a flag of a later version that means the same in this one.
func (r input) defineEarly(fs *flag.FlagSet, in *Inputs, v api.Version) {
	fs.Var(optional{r.to(in), func() {
		in.given[r.key()] = "-" + r.flag
		in.Early = append(in.Early, fmt.Sprintf("-%s is not part of Platform API %s, but of %s; it is used all the same", r.flag, v, r.versions()))
	}}, r.flag, r.help)
}

// refuse defines a flag of another version, to say so.
func (r input) refuse(fs *flag.FlagSet, v api.Version) {
	no := func(value string) error {
		if value == "" {
			return nil
		}
		return fmt.Errorf("it is not part of Platform API %s; it is of %s", v, r.versions())
	}
	if _, takesNoValue := r.to(&Inputs{}).(boolean); takesNoValue {
		fs.BoolFunc(r.flag, r.help, no)
		return
	}
	fs.Func(r.flag, r.help, no)
}

// lookUp takes from the environment what no flag gave.
func (r input) lookUp(in *Inputs, getenv func(string) string) error {
	if r.env == "" || in.given[r.env] != "" {
		return nil
	}
	value := getenv(r.env)
	if value == "" {
		return nil
	}
	if err := r.to(in).Set(value); err != nil {
		return fmt.Errorf("reading %s=%q: %w", r.env, value, err)
	}
	in.given[r.env] = r.env
	return nil
}

// has reports whether all phases of q are in p.
func (p Phase) has(q Phase) bool { return p&q == q }

// expand fills <layers> into paths that are relative to it. Platforms put paths together from parts, so that "/workspace/." and
// "/layers/" are to be expected; layers have entries for directories by their clean paths.
func (in *Inputs) expand() {
	for _, dir := range []*string{&in.App, &in.Layers} {
		if *dir != "" {
			*dir = filepath.Clean(*dir)
		}
	}
	for _, path := range []*string{
		&in.Analyzed, &in.Group, &in.Plan, &in.Generated, &in.Extended, &in.ProjectMetadata, &in.Report,
	} {
		*path = strings.Replace(*path, layersPlaceholder, in.Layers, 1)
	}
}

const layersPlaceholder = "<layers>"

// Orders are the paths where order.toml may be; the first that is there counts.
func (in *Inputs) Orders() []string {
	if in.Order != "" {
		return []string{in.Order}
	}
	return []string{filepath.Join(in.Layers, "order.toml"), "/cnb/order.toml"}
}

// Ref spells an image's name for image.Opener: as an image of the docker daemon, of an OCI
// layout, or of a registry, as the platform works with. Images that are named otherwise already stay.
func (in *Inputs) Ref(text string) reference.Reference {
	ref := reference.Parse(text)
	switch {
	case text == "" || ref.Kind == reference.Daemon || ref.Kind == reference.Layout:
		return ref
	case in.Daemon:
		return reference.Parse(string(reference.Daemon) + text)
	case in.Layout && filepath.IsAbs(text):
		return reference.Recorded(text)
	case in.Layout:
		return ref.In(in.LayoutDir)
	}
	return ref
}

// of reports whether p is one of several phases.
func (p Phase) of(several Phase) bool { return several&p != 0 }

// Usage prints the flags of a phase.
func Usage(p Phase, v api.Version, w io.Writer) {
	image := ""
	if p.of(Analyze | Create) {
		image = " IMAGE"
	} else if p.of(Export | Rebase) {
		image = " IMAGE..."
	}
	fmt.Fprintf(w, "Usage: %s [FLAG...]%s\n\n", p, image)
	for _, r := range table {
		if !r.in.has(p) || !r.since(v) {
			continue
		}
		names := r.env
		if r.flag != "" {
			names = strings.TrimSuffix("-"+r.flag+", "+r.env, ", ")
		}
		def := ""
		if r.def != "" {
			def = " (default " + r.def + ")"
		}
		fmt.Fprintf(w, "  %s\n        %s%s\n", names, r.help, def)
	}
}
