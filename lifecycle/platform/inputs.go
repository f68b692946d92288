package platform

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
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

	// Baseplan's own (DESIGN section 9). Empty: neither flag nor variable says anything, and
	// /cnb/baseplan.toml or the default counts.
	RunSBOM        RunSBOM
	RunSBOMPath    string
	RunSBOMKeys    []string
	RunImageProof  string
	Settings       string // path of baseplan.toml
	Selection      string
	ExtendInCreate string
	RebaseCheck    string
}

// ErrHelp is the error of [Parse] for -help.
var ErrHelp = flag.ErrHelp

// Parse reads the inputs of a phase: a flag wins over the environment, that over the default.
// Errors have code 3 and name flag or variable, its value, and what it may be.
func Parse(p Phase, v api.Version, args []string, getenv func(string) string) (Inputs, error) {
	in := Inputs{UID: -1, GID: -1}
	fs := flag.NewFlagSet(p.String(), flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, r := range table {
		if !r.in.has(p) {
			continue
		}
		if !r.since(v) {
			if r.flag != "" && fs.Lookup(r.flag) == nil {
				fs.Func(r.flag, "", func(string) error {
					return fmt.Errorf("it is not part of Platform API %s; it is of %s", v, r.versions())
				})
			}
			continue
		}
		if err := r.preset(&in, getenv); err != nil {
			return in, fail.As(fail.InvalidArgs, "", err)
		}
		r.define(fs, &in)
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return in, ErrHelp
		}
		return in, fail.As(fail.InvalidArgs, "reading flags", err)
	}
	in.Images = append(append([]string{}, fs.Args()...), in.Images...)
	in.expand()
	return in, fail.As(fail.InvalidArgs, "", in.check(p))
}

// has reports whether all phases of q are in p.
func (p Phase) has(q Phase) bool { return p&q == q }

// preset takes a row's value from the environment, else the default.
func (r input) preset(in *Inputs, getenv func(string) string) error {
	if r.env != "" {
		if value := getenv(r.env); value != "" {
			if err := r.to(in).Set(value); err != nil {
				return fmt.Errorf("reading %s=%q: %w", r.env, value, err)
			}
			return nil
		}
	}
	if r.def != "" {
		if err := r.to(in).Set(r.def); err != nil {
			return fmt.Errorf("reading the default of -%s: %w", r.flag, err) // the table is wrong
		}
	}
	return nil
}

// define adds a row's flag. The first -tag, -insecure-registry and so on replaces what the environment gave.
func (r input) define(fs *flag.FlagSet, in *Inputs) {
	if r.flag == "" {
		return
	}
	value := r.to(in)
	if l, ok := value.(*list); ok {
		fs.Func(r.flag, r.help, func(s string) error {
			if !l.flagged {
				*l.to, l.flagged = nil, true
			}
			return l.Set(s)
		})
		return
	}
	fs.Var(value, r.flag, r.help)
}

// expand fills <layers> into paths that are relative to it.
func (in *Inputs) expand() {
	for _, path := range []*string{
		&in.Analyzed, &in.Group, &in.Plan, &in.Generated, &in.Extended, &in.ProjectMetadata, &in.Report,
	} {
		*path = strings.Replace(*path, layersPlaceholder, in.Layers, 1)
	}
	if in.Kind == "" {
		in.Kind = "build"
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
func (in *Inputs) Ref(ref string) string {
	switch {
	case ref == "" || strings.HasPrefix(ref, "docker://") || strings.HasPrefix(ref, "oci:"):
		return ref
	case in.Daemon:
		return "docker://" + ref
	case in.Layout:
		if filepath.IsAbs(ref) {
			return "oci:" + ref
		}
		return "oci:" + in.LayoutPath(ref)
	}
	return ref
}

// LayoutPath is where an image is among OCI layouts (platform.md, "Map an image reference
// to a path in the layout directory").
func (in *Inputs) LayoutPath(ref string) string {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return filepath.Join(in.LayoutDir, ref)
	}
	identifier := strings.Replace(parsed.Identifier(), ":", string(filepath.Separator), 1)
	return filepath.Join(in.LayoutDir, parsed.Context().RegistryStr(), parsed.Context().RepositoryStr(), identifier)
}

// Refs are the output image and its other names, spelled by Ref.
func (in *Inputs) Refs() []string {
	var refs []string
	for _, image := range in.Images {
		refs = append(refs, in.Ref(image))
	}
	return refs
}

// check looks at inputs that depend on one another.
func (in *Inputs) check(p Phase) error {
	if in.Version {
		return nil
	}
	if p.of(Analyze | Export | Create | Rebase) {
		if len(in.Images) == 0 {
			return errors.New("no image is named: give the reference of the app image as the last argument")
		}
		if p.of(Analyze|Create) && len(in.Images) > 1 && in.Images[1] == "" {
			return errors.New("an image's name is empty")
		}
	} else if len(in.Images) > 0 {
		return fmt.Errorf("%s takes no arguments, but got %q", p, in.Images)
	}
	for _, c := range []error{in.checkImages(), in.checkLayout(), in.checkValues(p)} {
		if c != nil {
			return c
		}
	}
	return nil
}

// of reports whether p is one of several phases.
func (p Phase) of(several Phase) bool { return several&p != 0 }

func (in *Inputs) checkImages() error {
	var registry string
	for i, image := range in.Images {
		ref, err := name.ParseReference(image)
		if err != nil {
			return fmt.Errorf("%q is no image reference: %w", image, err)
		}
		host := ref.Context().RegistryStr()
		if i > 0 && host != registry && !in.Daemon && !in.Layout {
			return fmt.Errorf("all names of the app image have to be in one registry, but %q is not in %s", image, registry)
		}
		registry = host
	}
	for _, other := range []struct{ flag, image string }{
		{"cache-image", in.CacheImage}, {"build-image", in.BuildImage},
	} {
		if other.image == "" {
			continue
		}
		if _, err := name.ParseReference(other.image); err != nil {
			return fmt.Errorf("-%s %q is no image reference: %w", other.flag, other.image, err)
		}
	}
	return nil
}

func (in *Inputs) checkLayout() error {
	switch {
	case in.Layout && in.Daemon:
		return errors.New("-layout and -daemon exclude one another")
	case in.Layout && in.LayoutDir == "":
		return errors.New("-layout needs -layout-dir (CNB_LAYOUT_DIR)")
	}
	return nil
}

func (in *Inputs) checkValues(p Phase) error {
	if strings.Contains(in.ExecEnv, "/") {
		return fmt.Errorf("CNB_EXEC_ENV=%q: an execution environment has no \"/\" in its name", in.ExecEnv)
	}
	if p == Extend && in.Kind != "build" && in.Kind != "run" {
		return fmt.Errorf("-kind %q: it is build or run", in.Kind)
	}
	policy := Policy{RunSBOM: in.RunSBOM, Select: in.Selection, ExtendInCreator: in.ExtendInCreate, Proof: proofOf(in.RunImageProof)}
	for _, v := range []struct{ name, key string }{
		{"CNB_RUN_SBOM", "run-sbom"}, {"CNB_RUN_IMAGE_PROOF", "proof"}, {"CNB_RUN_IMAGE_SELECTION", "select"}, {"CNB_EXTEND_IN_CREATOR", "extend-in-creator"},
	} {
		if err := policy.checkKey(v.key); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	switch in.RebaseCheck {
	case "", "fail", "warn", "off":
		return nil
	}
	return fmt.Errorf("CNB_REBASE_CHECK=%q: it is one of fail, warn, off", in.RebaseCheck)
}

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

// The kinds of value that a flag or a variable may have. Each is a flag.Value.
type (
	text     struct{ to *string }
	boolean  struct{ to *bool }
	number   struct{ to *int }
	duration struct{ to *time.Duration }
	moment   struct{ to **time.Time }
	list     struct {
		to      *[]string
		flagged bool
	}
)

func (v text) Set(s string) error { *v.to = s; return nil }
func (v text) String() string     { return "" }

func (v boolean) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("it is neither true nor false")
	}
	*v.to = b
	return nil
}
func (v boolean) String() string   { return "" }
func (v boolean) IsBoolFlag() bool { return true }

func (v number) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return errors.New("it is no number of a user or group")
	}
	*v.to = int(n)
	return nil
}
func (v number) String() string { return "" }

func (v duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errors.New("it is no length of time like 336h")
	}
	*v.to = d
	return nil
}
func (v duration) String() string { return "" }

func (v moment) Set(s string) error {
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return errors.New("it is no number of seconds since 1970")
	}
	t := time.Unix(seconds, 0).UTC()
	*v.to = &t
	return nil
}
func (v moment) String() string { return "" }

// Set adds to the list; commas part elements, but for those within a PEM block.
func (v *list) Set(s string) error {
	for element := range strings.SplitSeq(s, ",") {
		if element = strings.TrimSpace(element); element != "" {
			*v.to = append(*v.to, element)
		}
	}
	return nil
}
func (v *list) String() string { return "" }
