//go:build linux

package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/baseplan/baseplan/extensions"
)

// A stage is one Dockerfile and its state: build args are in scope from their ARG to the end of
// the file.
type stage struct {
	b        *build
	d        *extensions.Dockerfile
	index    int // of the Dockerfile
	commands []instructions.Command
	meta     []instructions.ArgCommand
	lex      *shell.Lex

	argValues  map[string]string // values passed for build args
	args       map[string]string // declared build args with a value
	globalArgs map[string]string // build args declared before FROM
	files      *buildContext
}

// newStage parses a Dockerfile and rejects what cannot be applied.
func newStage(b *build, d *extensions.Dockerfile) (*stage, error) {
	ast, err := parser.Parse(bytes.NewReader(d.Content))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", d.Path, err)
	}
	stages, meta, err := instructions.Parse(ast.AST, linter.New(&linter.Config{SkipAll: true}))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", d.Path, err)
	}
	if len(stages) != 1 {
		return nil, fmt.Errorf("reading %s: %d FROM instructions; an extension's Dockerfile must have exactly one", d.Path, len(stages))
	}
	s := &stage{b: b, d: d, commands: stages[0].Commands, meta: meta, lex: shell.NewLex(ast.EscapeToken), args: map[string]string{}, globalArgs: map[string]string{}}
	for _, cmd := range s.commands {
		if err := supported(cmd); err != nil {
			return nil, s.fail(cmd, err)
		}
	}
	return s, nil
}

// supported returns an error for an instruction, or an option of one, that is not supported in
// an extension's Dockerfile.
func supported(cmd instructions.Command) error {
	switch c := cmd.(type) {
	case *instructions.ArgCommand, *instructions.EnvCommand, *instructions.LabelCommand, *instructions.UserCommand, *instructions.WorkdirCommand, *instructions.ShellCommand,
		*instructions.ExposeCommand, *instructions.VolumeCommand, *instructions.StopSignalCommand, *instructions.HealthCheckCommand, *instructions.MaintainerCommand:
		return supportedConfig(cmd)
	case *instructions.RunCommand:
		return supportedRun(c)
	case *instructions.CopyCommand:
		switch {
		case c.From != "":
			return errors.New("COPY --from is not supported; copy from the build context")
		case c.Parents:
			return errors.New("COPY --parents is not supported")
		case len(c.ExcludePatterns) > 0:
			return errors.New("COPY --exclude is not supported; use a .dockerignore")
		}
		return nil
	case *instructions.AddCommand:
		switch {
		case c.KeepGitDir != nil:
			return errors.New("ADD --keep-git-dir is not supported")
		case len(c.ExcludePatterns) > 0:
			return errors.New("ADD --exclude is not supported; use a .dockerignore")
		}
		return nil
	}
	return fmt.Errorf("%s is not supported in an extension's Dockerfile; the supported instructions are ADD, ARG, COPY, ENV, EXPOSE, HEALTHCHECK, LABEL, MAINTAINER, RUN, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR", strings.ToUpper(cmd.Name()))
}

// supportedRun returns an error for flags of RUN that are not supported.
func supportedRun(c *instructions.RunCommand) error {
	for _, flag := range c.FlagsUsed {
		if flag != "mount" {
			return fmt.Errorf("RUN --%s is not supported", flag)
		}
	}
	if err := c.Expand(func(word string) (string, error) { return word, nil }); err != nil {
		return nil // it may be right once variables are filled in
	}
	for _, m := range instructions.GetMounts(c) {
		if err := supportedMount(m); err != nil {
			return err
		}
	}
	return nil
}

// fail returns an [*Error] for an instruction.
func (s *stage) fail(cmd instructions.Command, err error) error {
	e := &Error{Path: s.d.Path, Instruction: text(cmd), Err: err}
	if at := cmd.Location(); len(at) > 0 {
		e.Line = at[0].Start.Line
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		e.ExitCode = exit.code
	}
	return e
}

func text(cmd instructions.Command) string {
	if c, ok := cmd.(fmt.Stringer); ok {
		return c.String()
	}
	return strings.ToUpper(cmd.Name())
}

// apply executes the instructions. i is the index of the Dockerfile.
func (s *stage) apply(ctx context.Context, i int) error {
	if err := s.begin(ctx, i); err != nil {
		return fmt.Errorf("applying %s: %w", s.d.Path, err)
	}
	for _, cmd := range s.commands {
		if err := ctx.Err(); err != nil {
			return s.fail(cmd, err)
		}
		if err := s.dispatch(ctx, cmd); err != nil {
			return s.fail(cmd, err)
		}
	}
	return nil
}

// begin sets the values of build args (image_extension.md, "Phase: Extension").
func (s *stage) begin(ctx context.Context, i int) error {
	s.argValues = map[string]string{}
	for _, a := range s.d.Args {
		s.argValues[a.Name] = a.Value
	}
	s.argValues["build_id"] = s.b.BuildID
	s.argValues["base_image"] = s.b.Image
	if i > 0 {
		s.argValues["base_image"] = "sha256:" + string(s.b.key) // the intermediate image has no other name
	}
	if bytes.Contains(s.d.Content, []byte("user_id")) || bytes.Contains(s.d.Content, []byte("group_id")) {
		uid, gid, err := s.b.ids(ctx, s.b.config.User)
		if err != nil {
			return fmt.Errorf("looking up user %q of the image: %w", s.b.config.User, err)
		}
		s.argValues["user_id"], s.argValues["group_id"] = fmt.Sprint(uid), fmt.Sprint(gid)
	}
	for _, cmd := range s.meta {
		for _, a := range cmd.Args {
			if err := s.metaArg(a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) metaArg(a instructions.KeyValuePairOptional) error {
	if v, ok := s.argValues[a.Key]; ok {
		s.globalArgs[a.Key] = v
	} else if a.Value != nil {
		v, _, err := s.lex.ProcessWord(*a.Value, variables{s.globalArgs})
		if err != nil {
			return err
		}
		s.globalArgs[a.Key] = v
	}
	return nil
}

// variables are the variables that an instruction can refer to. The first map that has a name
// wins.
type variables []map[string]string

func (v variables) Get(name string) (string, bool) {
	for _, m := range v {
		if value, ok := m[name]; ok {
			return value, true
		}
	}
	return "", false
}

func (v variables) Keys() []string {
	all := map[string]bool{}
	for _, m := range v {
		for k := range m {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// variables returns the image's environment, then the build args: ENV takes precedence over
// ARG.
func (s *stage) variables() variables {
	env := map[string]string{}
	for _, e := range s.b.config.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	return variables{env, s.args}
}

func (s *stage) dispatch(ctx context.Context, cmd instructions.Command) error {
	if arg, ok := cmd.(*instructions.ArgCommand); ok {
		return s.arg(arg)
	}
	if err := s.expand(cmd); err != nil {
		return err
	}
	switch c := cmd.(type) {
	case *instructions.WorkdirCommand:
		return s.workdir(ctx, c)
	case *instructions.RunCommand:
		return s.run(ctx, c)
	case *instructions.CopyCommand:
		return s.copy(ctx, c, transfer{to: c.SourcesAndDest, chown: c.Chown, chmod: c.Chmod})
	case *instructions.AddCommand:
		return s.copy(ctx, c, transfer{to: c.SourcesAndDest, chown: c.Chown, chmod: c.Chmod, add: true, checksum: c.Checksum, unpack: c.Unpack})
	}
	return s.configure(cmd)
}

// expand expands the variables of an instruction.
func (s *stage) expand(cmd instructions.Command) error {
	vars := s.variables()
	if c, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
		err := c.Expand(func(word string) (string, error) {
			word, _, err := s.lex.ProcessWord(word, vars)
			return word, err
		})
		if err != nil {
			return err
		}
	}
	if c, ok := cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		return c.ExpandRaw(func(word string) (string, error) {
			lex := shell.NewLex('\\')
			lex.SkipProcessQuotes = true
			word, _, err := lex.ProcessWord(word, vars)
			return word, err
		})
	}
	return nil
}

func setEnv(env []string, name, value string) []string {
	entry := name + "=" + value
	for i, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[i] = entry
			return env
		}
	}
	return append(env, entry)
}

// arg declares build args. The value is the one passed, else the default, else the one declared
// before FROM.
func (s *stage) arg(c *instructions.ArgCommand) error {
	for _, a := range c.Args {
		if v, ok := s.argValues[a.Key]; ok {
			s.args[a.Key] = v
			continue
		}
		if a.Value != nil {
			v, _, err := s.lex.ProcessWord(*a.Value, s.variables())
			if err != nil {
				return err
			}
			s.args[a.Key] = v
			continue
		}
		if v, ok := s.globalArgs[a.Key]; ok {
			s.args[a.Key] = v
		} else if v, ok := platformArgs[a.Key]; ok {
			s.args[a.Key] = v
		}
	}
	return nil
}

// platformArgs have a value once they are declared (Dockerfile reference, "Automatic platform
// ARGs"). An extended image has the platform of this program.
var platformArgs = map[string]string{
	"TARGETPLATFORM": "linux/" + runtime.GOARCH, "TARGETOS": "linux", "TARGETARCH": runtime.GOARCH, "TARGETVARIANT": "",
	"BUILDPLATFORM": "linux/" + runtime.GOARCH, "BUILDOS": "linux", "BUILDARCH": runtime.GOARCH, "BUILDVARIANT": "",
}

// workdir sets the working directory and, if it does not exist, creates it, owned by the
// current user.
func (s *stage) workdir(ctx context.Context, c *instructions.WorkdirCommand) error {
	config := &s.b.config
	config.WorkingDir = s.absolute(c.Path)
	dir, owner := config.WorkingDir, config.User
	if dir == "/" {
		return nil
	}
	return s.b.step(ctx, step{
		layer: s.layer(c),
		key:   []string{"WORKDIR", dir, owner},
		do: func(ctx context.Context) error {
			uid, gid, err := s.b.owner(ctx, owner)
			if err != nil {
				return err
			}
			return errors.Join(s.b.tree.mkdirAll(dir, uid, gid), s.b.tree.setDirTimes())
		},
	})
}

// absolute returns a path of the image. Relative paths start at the working directory.
func (s *stage) absolute(p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join("/", s.b.config.WorkingDir, p)
}

func (s *stage) layer(cmd instructions.Command) *Layer {
	return &Layer{Extension: s.d.Extension, Instruction: text(cmd), spool: s.b.Spool}
}
