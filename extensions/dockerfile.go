package extensions

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/baseplan/baseplan/resolver"
)

// An Image is one of the two images that extensions extend.
type Image string

// The images.
const (
	Run   Image = "run"
	Build Image = "build"
)

// context is where a dependency counts for the image.
func (i Image) context() resolver.Context {
	if i == Build {
		return resolver.Build
	}
	return resolver.Launch
}

// A Dockerfile is one that an image extension generated. Make one with [Parse]
// or [Read].
type Dockerfile struct {
	Extension resolver.Module
	Image     Image
	Path      string // where it was read, slash-separated
	Content   []byte
	Args      []Arg    // build args of extend-config.toml
	Context   string   // folder of the build context, slash-separated; empty: the app directory
	From      string   // the image of FROM, as written
	SwitchTo  string   // the same with its build args filled in; empty: ${base_image}
	Warnings  []string // what the specification says SHOULD NOT be there

	Wishes // of the extension's author

	commands []instructions.Command
	meta     map[string]string // values of ARG before FROM
	escape   rune
}

// An Arg is a build arg of extend-config.toml.
type Arg struct {
	Name  string `toml:"name"`
	Value string `toml:"value"`
}

// Parse reads a Dockerfile and holds it against image_extension.md,
// "Dockerfile Requirements". Errors name path and line.
func Parse(path string, content []byte, image Image, args ...Arg) (*Dockerfile, error) {
	d := &Dockerfile{Image: image, Path: path, Content: content, Args: args}
	if err := d.parse(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return d, nil
}

// maxDockerfile is far beyond what people or templates write.
const maxDockerfile = 1 << 20

func (d *Dockerfile) parse() error {
	if len(d.Content) > maxDockerfile {
		return fmt.Errorf("it has %d bytes; a Dockerfile has at most %d", len(d.Content), maxDockerfile)
	}
	if i := bytes.IndexByte(d.Content, 0); i >= 0 {
		return fmt.Errorf("line %d: a NUL byte: this is no text file", 1+bytes.Count(d.Content[:i], []byte("\n")))
	}
	for _, a := range d.Args {
		if strings.Contains(a.Value, "\x00") {
			return fmt.Errorf("build arg %s: a NUL byte cannot be passed", a.Name)
		}
	}
	ast, err := parser.Parse(bytes.NewReader(d.Content))
	if err != nil {
		return located(err)
	}
	d.escape = ast.EscapeToken
	stages, meta, err := instructions.Parse(ast.AST, linter.New(&linter.Config{SkipAll: true}))
	if err != nil {
		return located(err)
	}
	switch {
	case len(stages) == 0:
		return errors.New("it has no FROM: begin with ARG base_image and FROM ${base_image}")
	case len(stages) > 1:
		return fmt.Errorf("line %d: a second FROM: an extension's Dockerfile has one", lineOf(stages[1].Location))
	}
	stage := stages[0]
	d.From, d.commands = stage.BaseName, stage.Commands
	if err := d.base(stage, meta); err != nil {
		return fmt.Errorf("line %d: %w", lineOf(stage.Location), err)
	}
	d.warn()
	return nil
}

// base decides whether the Dockerfile stands on the image that it is given or
// switches to another one.
func (d *Dockerfile) base(stage instructions.Stage, meta []instructions.ArgCommand) error {
	given, err := d.metaArgs(meta)
	if err != nil {
		return err
	}
	onBase := d.From == "${base_image}" || d.From == "$base_image"
	if onBase && !given {
		return errors.New("FROM ${base_image} without ARG base_image in front of it")
	}
	if onBase {
		return nil
	}
	if d.Image == Build {
		return fmt.Errorf("FROM %s: a build.Dockerfile begins with ARG base_image and FROM ${base_image}", d.From)
	}
	d.SwitchTo, err = d.expandFrom()
	if err == nil && stage.Platform != "" {
		d.Warnings = append(d.Warnings, fmt.Sprintf("line %d: FROM --platform is not heeded: the run image has the platform of the build", lineOf(stage.Location)))
	}
	return err
}

// metaArgs fills in the build args in front of FROM; given reports whether
// base_image is one.
func (d *Dockerfile) metaArgs(meta []instructions.ArgCommand) (given bool, err error) {
	d.meta = map[string]string{}
	for _, cmd := range meta {
		for _, arg := range cmd.Args {
			if arg.Key == "base_image" {
				given = true
				continue
			}
			if predefined[arg.Key] != "" {
				continue // passed by the extender; not known here
			}
			value, ok := d.passed(arg.Key)
			if !ok && arg.Value != nil {
				value, ok, err = expandWord(d.escape, *arg.Value, mapped(d.meta))
				if err != nil {
					return given, err
				}
			}
			if ok {
				d.meta[arg.Key] = value
			}
		}
	}
	return given, nil
}

func (d *Dockerfile) expandFrom() (string, error) {
	image, known, err := expandWord(d.escape, d.From, mapped(d.meta))
	switch {
	case err != nil:
		return "", err
	case strings.Contains(d.From, "base_image"):
		return "", fmt.Errorf("FROM %s: write ${base_image} alone, or the name of another image", d.From)
	case !known || image == "":
		return "", fmt.Errorf("FROM %s: a build arg of it has no value: give it a default, or one in extend-config.toml", d.From)
	}
	return image, nil
}

// passed is the value of a build arg in extend-config.toml; the last one counts.
func (d *Dockerfile) passed(name string) (string, bool) {
	for i := len(d.Args) - 1; i >= 0; i-- {
		if d.Args[i].Name == name {
			return d.Args[i].Value, true
		}
	}
	return "", false
}

// recommended are the instructions that a Dockerfile of an extension may have.
var recommended = map[string]bool{
	"ADD": true, "ARG": true, "COPY": true, "ENV": true, "LABEL": true, "RUN": true, "SHELL": true, "USER": true, "WORKDIR": true,
}

func (d *Dockerfile) warn() {
	for _, cmd := range d.commands {
		if name := strings.ToUpper(cmd.Name()); !recommended[name] {
			d.Warnings = append(d.Warnings, fmt.Sprintf("line %d: %s should not be in a Dockerfile of an extension", lineOf(cmd.Location()), name))
		}
	}
}

// OnlySwitches reports whether there is nothing behind FROM that does anything.
func (d *Dockerfile) OnlySwitches() bool {
	for _, cmd := range d.commands {
		if _, ok := cmd.(*instructions.ArgCommand); !ok {
			return false
		}
	}
	return true
}

// located puts the line in front of an error of BuildKit's parser.
func located(err error) error {
	if at, ok := errors.AsType[*parser.LocationError](err); ok && len(at.Locations) > 0 && len(at.Locations[0]) > 0 {
		return fmt.Errorf("line %d: %w", at.Locations[0][0].Start.Line, err)
	}
	return err
}

func lineOf(location []parser.Range) int {
	if len(location) == 0 {
		return 0
	}
	return location[0].Start.Line
}

// An environ finds the value of a variable for BuildKit's lexer, and notes
// whether one was asked for that it cannot tell.
type environ struct {
	get     func(name string) (value string, set, known bool)
	unknown bool
}

func (e *environ) Get(name string) (string, bool) {
	value, set, known := e.get(name)
	e.unknown = e.unknown || !known
	return value, set
}

func (*environ) Keys() []string { return nil }

func mapped(values map[string]string) func(string) (string, bool, bool) {
	return func(name string) (string, bool, bool) {
		value, ok := values[name]
		return value, ok, true
	}
}

// expandWord fills in the variables of a word as instructions other than RUN
// have them. Where one has no value, or none that can be told, known is false.
func expandWord(escape rune, word string, get func(string) (string, bool, bool)) (value string, known bool, err error) {
	e := &environ{get: get}
	value, unset, err := shell.NewLex(escape).ProcessWord(word, e)
	return value, !e.unknown && len(unset) == 0, err
}
