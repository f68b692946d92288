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

// A Phase is a set of phases, usually of one.
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

// phaseNames lists the phases' executables in build order.
var phaseNames = []struct {
	phase Phase
	name  string
}{
	{Analyze, "analyzer"}, {Detect, "detector"}, {Restore, "restorer"}, {Extend, "extender"},
	{Build, "builder"}, {Export, "exporter"}, {Create, "creator"}, {Rebase, "rebaser"},
}

// PhaseOf returns the phase of an executable.
func PhaseOf(name string) (Phase, bool) {
	for _, p := range phaseNames {
		if p.name == name {
			return p.phase, true
		}
	}
	return 0, false
}

// PhaseNames returns the names of all phases.
func PhaseNames() []string {
	var names []string
	for _, p := range phaseNames {
		names = append(names, p.name)
	}
	return names
}

// String returns the name of the phase's executable.
func (p Phase) String() string {
	for _, known := range phaseNames {
		if known.phase == p {
			return known.name
		}
	}
	return "lifecycle"
}

// Inputs are the flags and environment variables of a phase. Inputs that do not belong to the
// phase or to the Platform API version have the zero value.
type Inputs struct {
	// The output image and its additional names: the arguments, then -tag. These and the other images are as they are
	// spelled; [Inputs.Locate] says where they are.
	Images []reference.Reference

	App, Layers, Platform, BuildConfig         string
	Buildpacks, Extensions, Generated          string
	Analyzed, Group, Plan, Order, System       string // Order may be empty; see [Inputs.Orders]
	Run, Stack, ProjectMetadata, Report        string
	Extended, Kind                             string
	CacheDir, LaunchCache                      string
	KanikoDir                                  string
	KanikoCacheTTL                             time.Duration
	PreviousImage, RunImage, BuildImage        reference.Reference
	CacheImage                                 reference.Reference
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

	// baseplan's own inputs (docs/design.md, "Policy"). Empty: not given, so /cnb/baseplan.toml or
	// the default applies.
	RunSBOM        RunSBOM
	RunSBOMPath    string
	RunSBOMKeys    []string
	TrustedRoot    string
	RunImageProof  string
	Settings       string // path of baseplan.toml
	Selection      string
	Catalog        reference.Reference // of run images
	ExtendInCreate string
	ExtendNetwork  string
	ExtendDisk     int64 // bytes
	ExtendMemory   int64 // bytes; 0: unlimited
	RebaseCheck    string
	MetricsFile    string // of -report-file

	EarlyFlags []string // messages about accepted flags of a later Platform API version

	// setBy has the flag ("-run-image") or variable ("CNB_RUN_IMAGE") that set an input, by the input's key.
	setBy map[string]string
}

// SetBy returns the flag ("-run-sbom-key") or variable ("CNB_RUN_SBOM_KEY") that set the input with this variable,
// or "" if it has its default.
func (in *Inputs) SetBy(variable string) string { return in.setBy[variable] }

// ErrHelp is returned by [Parse] for -help.
var ErrHelp = flag.ErrHelp

// Parse reads the inputs of a phase. Flags take precedence over environment variables, and
// these over defaults. An empty flag or variable counts as not given, and a variable that a
// flag overrides is not checked. Errors have code 3 and name the flag or variable, its value,
// and the allowed values.
func Parse(p Phase, v api.Version, args []string, getenv func(string) string) (Inputs, error) {
	in := Inputs{UID: -1, GID: -1, setBy: map[string]string{}}
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
			r.defineRejected(fs, v)
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
	var images []reference.Reference
	for _, arg := range fs.Args() {
		images = append(images, reference.Parse(arg))
	}
	in.Images = append(images, in.Images...)
	in.expand(p)
	return in, fail.As(fail.InvalidArgs, "", in.check(p, fs.Args()))
}

// key identifies an input: two flags with the same variable are one input.
func (r input) key() string {
	if r.env != "" {
		return r.env
	}
	return "-" + r.flag
}

// define sets an input to its default and defines its flag.
func (r input) define(fs *flag.FlagSet, in *Inputs) {
	value := r.to(in)
	if r.def != "" {
		_ = value.Set(r.def) // defaults are valid, see the tests
	}
	if r.flag != "" {
		fs.Var(optional{value, func() { in.setBy[r.key()] = "-" + r.flag }}, r.flag, r.help)
	}
}

// defineEarly defines a flag of a later API version that already has the same meaning.
func (r input) defineEarly(fs *flag.FlagSet, in *Inputs, v api.Version) {
	fs.Var(optional{r.to(in), func() {
		in.setBy[r.key()] = "-" + r.flag
		in.EarlyFlags = append(in.EarlyFlags, fmt.Sprintf("-%s is in Platform API %s; accepting it for %s as well", r.flag, r.versions(), v))
	}}, r.flag, r.help)
}

// defineRejected defines a flag of another API version, which returns an error that says so.
func (r input) defineRejected(fs *flag.FlagSet, v api.Version) {
	no := func(value string) error {
		if value == "" {
			return nil
		}
		return fmt.Errorf("not in Platform API %s, only in %s", v, r.versions())
	}
	if _, takesNoValue := r.to(&Inputs{}).(boolean); takesNoValue {
		fs.BoolFunc(r.flag, r.help, no)
		return
	}
	fs.Func(r.flag, r.help, no)
}

// lookUp reads inputs that no flag gave from the environment.
func (r input) lookUp(in *Inputs, getenv func(string) string) error {
	if r.env == "" || in.setBy[r.env] != "" {
		return nil
	}
	value := getenv(r.env)
	if value == "" {
		return nil
	}
	if err := r.to(in).Set(value); err != nil {
		return fmt.Errorf("reading %s=%q: %w", r.env, value, err)
	}
	in.setBy[r.env] = r.env
	return nil
}

// has reports whether p contains all phases of q.
func (p Phase) has(q Phase) bool { return p&q == q }

// expand expands <layers> and <phase> in paths and cleans them: platforms pass paths such as
// "/workspace/." and "/layers/", and layers have clean paths for directories.
func (in *Inputs) expand(p Phase) {
	for _, dir := range []*string{&in.App, &in.Layers} {
		if *dir != "" {
			*dir = filepath.Clean(*dir)
		}
	}
	for _, path := range []*string{
		&in.Analyzed, &in.Group, &in.Plan, &in.Generated, &in.Extended, &in.ProjectMetadata, &in.Report, &in.MetricsFile,
	} {
		*path = strings.Replace(*path, layersPlaceholder, in.Layers, 1)
	}
	in.MetricsFile = strings.Replace(in.MetricsFile, phasePlaceholder, p.String(), 1)
}

const (
	layersPlaceholder = "<layers>"
	phasePlaceholder  = "<phase>"
)

// Orders returns the possible paths of order.toml. The first that exists is used.
func (in *Inputs) Orders() []string {
	if in.Order != "" {
		return []string{in.Order}
	}
	return []string{filepath.Join(in.Layers, "order.toml"), "/cnb/order.toml"}
}

// Locate is a [reference.Locator]: it returns where an image is, in the docker daemon, an OCI layout or a registry,
// depending on the inputs. A name that states its location is kept.
func (in *Inputs) Locate(ref reference.Reference) reference.Reference {
	switch text := ref.String(); {
	case ref.IsZero() || ref.Kind == reference.Daemon || ref.Kind == reference.Layout:
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

// intersects reports whether p and q have a phase in common.
func (p Phase) intersects(q Phase) bool { return p&q != 0 }

// Usage prints the flags of a phase.
func Usage(p Phase, v api.Version, w io.Writer) {
	image := ""
	if p.intersects(Analyze | Create) {
		image = " IMAGE"
	} else if p.intersects(Export | Rebase) {
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
