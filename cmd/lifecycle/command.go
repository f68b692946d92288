package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/console"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A command is one phase with its inputs.
type command struct {
	platform.Inputs
	phase          platform.Phase
	api            api.Version
	deprecation    api.DeprecationMode
	log            *slog.Logger
	replay         *slog.Logger // logs failures to stderr, so that they stay in order
	stdout         *os.File
	stderr         *os.File           // equal to stdout if both are the same file
	now            func() time.Time   // called once, for the build time
	settings       platform.Settings  // of baseplan.toml
	transfers      *console.Transfers // nil: not a terminal
	warnedVerifier bool               // the missing verifier of identities has been reported
	meter          meter
	sharesUser     bool // buildpacks run in this container as the same user and can write the same files
}

// phases are the phases: a verb for messages, the exit code of errors that have none, and what runs them.
var phases = map[platform.Phase]struct {
	verb string
	code fail.Code
	run  func(*command, context.Context) error
}{
	platform.Analyze: {"analyze", fail.Analyze, (*command).analyze},
	platform.Detect:  {"detect", fail.DetectOther, (*command).detect},
	platform.Restore: {"restore", fail.Restore, (*command).restore},
	platform.Extend:  {"extend", fail.Extend, (*command).extend},
	platform.Build:   {"build", fail.Build, (*command).build},
	platform.Export:  {"export", fail.Export, (*command).export},
	platform.Create:  {"create", fail.Generic, (*command).create},
	platform.Rebase:  {"rebase", fail.Rebase, (*command).rebase},
}

// run reads what the phase needs, runs it and writes what it returns.
func (c *command) run(ctx context.Context) error {
	if err := errors.Join(c.checkExperimental(), c.absolute(), c.ensureTemp()); err != nil {
		return fail.As(fail.InvalidArgs, "", err)
	}
	return fail.As(phases[c.phase].code, "", phases[c.phase].run(c, ctx))
}

// absolute makes directories absolute, since they end up in images and environments. A
// symbolic link to the app directory is resolved: a layer of a link would have no files.
func (c *command) absolute() error {
	var errs []error
	for _, path := range []*string{&c.App, &c.Layers, &c.Platform, &c.BuildConfig, &c.Buildpacks, &c.Extensions, &c.Generated, &c.Extended, &c.LayoutDir} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		*path = abs
		errs = append(errs, err)
	}
	if c.App != "" {
		if resolved, err := filepath.EvalSymlinks(c.App); err == nil { // the phase reports the error
			c.App = resolved
		}
	}
	return errors.Join(errs...)
}

// checkExperimental reports whether experimental features are enabled.
func (c *command) checkExperimental() error {
	if !c.Layout {
		return nil
	}
	warning, err := c.Experimental.Allow("exporting to OCI layouts")
	if warning != "" {
		c.log.Warn(warning)
	}
	return err
}

// ignoreNotExist ignores the error of a missing file and returns nil.
func ignoreNotExist[T any](value *T, err error) (*T, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return value, err
}

// group reads group.toml and checks the APIs in it.
func (c *command) group() (platform.Group, error) {
	g, err := platform.ReadFileIn(c.Layers, c.Group, platform.DecodeGroup)
	if err != nil {
		return platform.Group{}, err
	}
	for _, m := range append(append([]platform.Module{}, g.Buildpacks...), g.Extensions...) {
		_, warning, err := api.Buildpack.Check(m.API, m.String(), c.deprecation)
		if err != nil {
			return platform.Group{}, err
		}
		if warning != "" {
			c.log.Warn(warning)
		}
	}
	return *g, nil
}

// analyzed reads analyzed.toml. It returns the zero value if the file does not exist.
func (c *command) analyzed() (*platform.Analyzed, error) { return c.analyzedAt(c.Analyzed) }

func (c *command) analyzedAt(path string) (*platform.Analyzed, error) {
	if path == "" {
		return &platform.Analyzed{}, nil
	}
	a, err := ignoreNotExist(platform.ReadFileIn(c.Layers, path, platform.DecodeAnalyzed))
	if a == nil && err == nil {
		a = &platform.Analyzed{}
	}
	return a, err
}

// plan reads plan.toml.
func (c *command) plan() (*platform.Plan, error) {
	p, err := platform.ReadFileIn(c.Layers, c.Plan, platform.DecodePlan)
	if err != nil {
		return nil, err
	}
	for _, text := range p.Warnings {
		c.log.Warn(text)
	}
	return p, nil
}

// runFile reads run.toml, or stack.toml in older versions. It returns an empty RunFile if the
// file does not exist.
func (c *command) runFile() (*platform.RunFile, error) {
	path, decode := c.Run, platform.DecodeRun
	if c.Stack != "" {
		path, decode = c.Stack, platform.DecodeStack
	}
	if path == "" {
		return &platform.RunFile{}, nil
	}
	r, err := ignoreNotExist(platform.ReadFile(path, decode))
	if r == nil && err == nil {
		r = &platform.RunFile{}
		c.log.Debug(path + " does not exist")
	}
	return r, err
}

// resolution reads resolution.toml. It returns nil if the file does not exist or is another
// lifecycle's.
func (c *command) resolution() *platform.Resolution {
	r, err := ignoreNotExist(platform.ReadFileIn(c.Layers, c.ownFile("resolution.toml"), platform.DecodeResolution))
	if err != nil {
		c.log.Warn(fmt.Sprintf("ignoring resolution.toml: %v", err))
		return nil
	}
	return r
}

// ownFile returns the path of one of baseplan's files.
func (c *command) ownFile(name string) string { return filepath.Join(c.Layers, name) }

// An encoder is a file of the Platform Interface.
type encoder interface{ Encode() ([]byte, error) }

// write writes a file of the Platform Interface. It follows no links below <layers>, where
// buildpacks can write.
func (c *command) write(path string, v encoder) error {
	data, err := v.Encode()
	if err != nil {
		return err
	}
	return files.WriteWithin(c.Layers, path, data)
}

// readSettings reads the operator's baseplan.toml, if it exists.
func (c *command) readSettings() error {
	if c.Settings == "" {
		return nil
	}
	s, err := ignoreNotExist(platform.ReadFile(c.Settings, platform.DecodeSettings))
	if s != nil {
		c.settings = *s
	}
	return err
}

// policy returns this phase's own policy.
func (c *command) policy() platform.Policy { return c.Inputs.Policy(c.settings.Policy) }

// store returns the store of buildpacks.
func (c *command) store() buildpack.Store {
	return buildpack.Store{
		Buildpacks: c.Buildpacks, Extensions: c.Extensions, Deprecation: c.deprecation,
		Warn: func(text string) { c.log.Warn(text) }, Unknown: c.unknown,
	}
}

// unknown logs keys that the specification does not define.
func (c *command) unknown(path string, keys []string) {
	c.log.Debug(fmt.Sprintf("%s has unknown keys: %s", path, strings.Join(keys, ", ")))
}

// host returns the settings shared by all executables of buildpacks.
func (c *command) host(target *platform.Target) buildpack.Host {
	if !api.TargetData.In(c.api) {
		target = nil
	}
	return buildpack.Host{
		App: c.App, Platform: c.Platform, BuildConfig: c.BuildConfig, Environ: c.environ(),
		Target: target, Container: lifecycle.ContainerTarget(os.DirFS("/")), ExecEnv: c.ExecEnv, Unknown: c.unknown,
		Warn: func(text string) { c.log.Warn(text) },
	}
}

// environ returns this process's environment, with the home directory of the user that
// buildpacks and extensions run as.
func (c *command) environ() []string {
	environ := os.Environ()
	uid := os.Geteuid()
	if uid == 0 {
		uid = c.UID
	} else if c.phase != platform.Create {
		return environ
	}
	if uid <= 0 {
		return environ
	}
	return append(environ, "HOME="+homeOf(uid, os.Getenv("HOME")))
}

// homeOf returns a user's home directory from the image's passwd. For an unknown user it
// returns the given one, or / if that is empty.
func homeOf(uid int, given string) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && u.HomeDir != "" {
		return u.HomeDir
	}
	return cmp.Or(given, "/")
}

// refuseRoot returns an error if buildpacks would run as root.
func refuseRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	name := "root"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Errorf("buildpacks must not run as %s; run as the build image's user", name)
}

// target returns the run image's target, as far as it is known.
func target(a *platform.Analyzed) *platform.Target {
	if a == nil || a.RunImage == nil {
		return nil
	}
	return a.RunImage.Target
}
