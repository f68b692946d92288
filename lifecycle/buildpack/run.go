package buildpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/baseplan/baseplan/extensions/apply/program"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/env"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A Host describes how to run the executables of a build.
type Host struct {
	App         string           // directory of the app, absolute; the working directory
	Platform    string           // <platform>, absolute
	BuildConfig string           // <build-config>; empty: none
	Environ     []string         // the lifecycle's own environment, as from os.Environ; see [env.ForBuild]
	Target      *platform.Target // of the run image; nil: unknown
	Container   *platform.Target // of this process's container, used if Target is nil
	ExecEnv     string           // execution environment; empty: the Platform API has none, modules see production
	User        *User            // who runs the executables; nil: the current user

	// RunImageProvides and RunImageSBOM are paths of files for image extensions; empty:
	// the run image has no inventory (docs/design.md, "Resolution").
	RunImageProvides, RunImageSBOM string

	// Unknown is called for keys of a file that the specification does not define; nil: ignored.
	Unknown func(path string, keys []string)

	// Warn is called with warnings, a sentence each; nil: ignored.
	Warn func(text string)

	// Grace is the time between SIGTERM and SIGKILL; 0: 10 s.
	Grace time.Duration
}

func (h Host) warn(format string, args ...any) {
	if h.Warn != nil {
		h.Warn(fmt.Sprintf(format, args...))
	}
}

// A User runs executables.
type User struct {
	UID, GID int
}

// A BrokenError reports an executable that could not be run, or whose output violates the
// specification.
type BrokenError struct {
	Module     resolver.Module
	Executable string // "detect", "build", "generate"
	Exit       int    // exit status, if that is the cause
	Err        error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("running bin/%s of %s %s: %v", e.Executable, e.Module.Kind, e.Module, e.Err)
}

// Unwrap returns the cause.
func (e *BrokenError) Unwrap() error { return e.Err }

// environment returns the environment of an executable, based on the one modified by earlier
// buildpacks.
func (h Host) environment(d *Descriptor, base *env.Env) (*env.Env, error) {
	e := base.Clone()
	if !d.ClearEnv {
		add, dir := e.AddPlatform, filepath.Join(h.Platform, "env")
		if h.User != nil {
			add, dir = e.AddPlatformOf, h.Platform
		}
		if err := add(dir); err != nil {
			return nil, err
		}
	}
	if h.BuildConfig != "" {
		if err := e.AddBuildConfig(filepath.Join(h.BuildConfig, "env")); err != nil {
			return nil, err
		}
	}
	if d.Kind == resolver.Extension {
		e.Set("CNB_EXTENSION_DIR", d.Dir)
		setIf(e, "CNB_RUN_IMAGE_PROVIDES", h.RunImageProvides)
		setIf(e, "CNB_RUN_IMAGE_SBOM", h.RunImageSBOM)
	} else {
		e.Set("CNB_BUILDPACK_DIR", d.Dir)
	}
	if d.Kind == resolver.Extension || api.PathVariables.In(d.API) { // extensions may declare an older API
		e.Set("CNB_PLATFORM_DIR", h.Platform)
	}
	if api.LaunchExecEnv.In(d.API) {
		e.Set("CNB_EXEC_ENV", cmp.Or(h.ExecEnv, "production")) // empty: Platform API before 0.15
	}
	t := h.Target
	if t == nil || t.OS == "" {
		t = h.Container
	}
	if t != nil && api.Targets.In(d.API) {
		setIf(e, "CNB_TARGET_OS", t.OS)
		setIf(e, "CNB_TARGET_ARCH", t.Arch)
		setIf(e, "CNB_TARGET_ARCH_VARIANT", t.Variant)
		if t.Distro != nil {
			setIf(e, "CNB_TARGET_DISTRO_NAME", t.Distro.Name)
			setIf(e, "CNB_TARGET_DISTRO_VERSION", t.Distro.Version)
		}
	}
	return e, nil
}

func setIf(e *env.Env, name, value string) {
	if value != "" {
		e.Set(name, value)
	}
}

// run executes one of the module's executables and returns its exit status. It returns an error if the
// executable could not be started, was killed by a signal, or ctx is done.
func (h Host) run(ctx context.Context, d *Descriptor, executable string, e *env.Env, out, errOut io.Writer, args ...string) (int, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.Dir, "bin", executable), args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.App, e.List(), out, errOut
	cmd.WaitDelay = cmp.Or(h.Grace, 10*time.Second)
	kill, err := h.group(cmd)
	if err != nil {
		return -1, err
	}
	err = cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			kill()
		}
		return -1, context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) { // a child process still holds its output
		return cmd.ProcessState.ExitCode(), nil
	}
	return 0, program.Explain(err, cmd.Path, h.App)
}

// failed is the error of an executable that ended with a status other than 0. Where that comes from the first
// line of a script, it says so.
func (d *Descriptor) failed(executable string, exit int, e *env.Env) error {
	if reason := d.notStarted(executable, exit, e); reason != "" {
		return fmt.Errorf("exit status %d: %s", exit, reason)
	}
	return fmt.Errorf("exit status %d", exit)
}

func (d *Descriptor) notStarted(executable string, exit int, e *env.Env) string {
	return program.NotStarted(exit, filepath.Join(d.Dir, "bin", executable), e.List())
}

// scratch creates a directory for the inputs and outputs of an executable.
func (h Host) scratch() (string, func(), error) {
	dir, err := os.MkdirTemp("", "baseplan-*")
	if err != nil {
		return "", nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	if h.User != nil {
		if err := os.Chown(dir, h.User.UID, h.User.GID); err != nil {
			remove()
			return "", nil, err
		}
	}
	return dir, remove, nil
}

// give writes a file that the executable's user can change.
func (h Host) give(path string, data []byte) error {
	// O_EXCL: the directory belongs to the user, who may have put a link there.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && h.User != nil {
		err = f.Chown(h.User.UID, h.User.GID)
	}
	return errors.Join(err, f.Close())
}
