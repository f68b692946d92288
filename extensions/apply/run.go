//go:build linux

package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// run executes RUN.
func (s *stage) run(ctx context.Context, c *instructions.RunCommand) error {
	argv, script, err := s.command(c)
	if err != nil {
		return err
	}
	mounts, mountKeys, err := s.mounts(c)
	if err != nil {
		return err
	}
	config := &s.b.config
	env, keyed := s.environment(strings.Join(argv, " ") + script.Data)
	user, dir := config.User, s.absolute(".")
	return s.b.step(ctx, step{
		layer: s.layer(c),
		key:   slices.Concat([]string{"RUN", script.Data, user, dir}, argv, []string{"env"}, keyed, mountKeys),
		run:   true, mounts: mounts,
		do: func(ctx context.Context) error {
			return s.b.execute(ctx, user, command{Args: argv, Script: script, Env: env, Dir: dir})
		},
	})
}

// A script is a here-document with a #! line.
type script struct{ Path, Data string }

// command returns what RUN executes: the line for the shell, the words of the exec form, or a
// here-document (Dockerfile reference, "Here-Documents").
func (s *stage) command(c *instructions.RunCommand) (argv []string, inline script, err error) {
	argv = slices.Clone(c.CmdLine)
	if len(c.Files) > 0 {
		if len(argv) != 1 || !c.PrependShell {
			return nil, inline, fmt.Errorf("a here-document together with %q is not supported", argv)
		}
		first := c.Files[0]
		data := first.Data
		if first.Chomp {
			data = parser.ChompHeredocContent(data)
		}
		switch alone := parser.MustParseHeredoc(argv[0]) != nil; {
		case alone && strings.HasPrefix(data, "#!"):
			inline = script{Path: "/dev/pipes/" + path.Base(first.Name), Data: data}
			argv = []string{inline.Path}
		case alone:
			argv = []string{data}
		default: // the shell interprets them
			line := argv[0]
			for _, f := range c.Files {
				line += "\n" + f.Data + f.Name
			}
			argv = []string{line}
		}
	}
	if c.PrependShell {
		shell := s.b.config.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		argv = append(slices.Clone(shell), argv...)
	}
	return argv, inline, nil
}

// environment returns the image's environment and the build args for a command, and the part
// that belongs to the cache key. The build ID and the name of the base image change with every
// build, so they are part of the key only if the instruction refers to them
// (image_extension.md, "Dockerfile Requirements").
func (s *stage) environment(text string) (env, keyed []string) {
	vars := s.variables()
	for _, name := range vars[1:].Keys() {
		if _, ok := vars[0][name]; ok {
			continue
		}
		env = append(env, name+"="+s.args[name])
		if name != "build_id" && name != "base_image" || strings.Contains(text, name) {
			keyed = append(keyed, name+"="+s.args[name])
		}
	}
	env = append(env, s.b.config.Env...)
	return env, append(keyed, s.b.config.Env...)
}

// defaultPath is docker's PATH for images without one.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Inherited returns the variables of this process's environment that a command may see: no
// variables of the platform, no credentials, and none that describe a user session.
func Inherited(env []string) (kept []string) {
	for _, e := range env {
		if name, _, ok := strings.Cut(e, "="); ok && !strings.HasPrefix(name, "CNB_") && !credential(name) && !personal[name] {
			kept = append(kept, e)
		}
	}
	return kept
}

// proxies returns the variables that configure network proxies.
func proxies(env []string) (kept []string) {
	for _, e := range env {
		if name, _, ok := strings.Cut(e, "="); ok && strings.HasSuffix(strings.ToLower(name), "_proxy") {
			kept = append(kept, e)
		}
	}
	return kept
}

var personal = map[string]bool{"HOME": true, "USER": true, "LOGNAME": true, "PWD": true, "OLDPWD": true, "SHLVL": true, "SHELL": true, "MAIL": true, "_": true}

// credential reports whether a variable's name looks like that of a credential.
func credential(name string) bool {
	name = strings.ToUpper(name)
	for _, prefix := range []string{"AWS_", "AZURE_", "ARM_", "GOOGLE_", "GCLOUD_", "GCP_", "CLOUDSDK_", "DOCKER_", "REGISTRY_", "CI_JOB_", "CI_REGISTRY", "GITHUB_", "ACTIONS_", "VAULT_", "COSIGN_", "KUBE"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '_' || r == '-' || r == '.' }) {
		switch word {
		case "TOKEN", "TOKENS", "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "PWD", "SECRET", "SECRETS", "CREDENTIAL", "CREDENTIALS", "AUTH", "AUTHORIZATION", "KEY", "APIKEY", "KEYS", "PAT", "NETRC":
			return true
		}
	}
	return false
}

// execute runs a command in the root as the user that spec names.
func (b *build) execute(ctx context.Context, spec string, c command) error {
	u, err := b.user(ctx, spec)
	if err != nil {
		return fmt.Errorf("looking up user %q: %w", spec, err)
	}
	c.UID, c.GID = uint32(u.Uid), uint32(u.Gid)
	for _, g := range u.Sgids {
		c.Groups = append(c.Groups, uint32(g))
	}
	env := Inherited(b.Env)
	if b.OnlyProxies || b.Root.isolated() {
		env = proxies(env)
	}
	c.Env = mergeEnv(env, c.Env)
	c.Env = mergeEnv([]string{defaultPath, "HOME=" + u.Home}, c.Env)
	if err := errors.Join(b.tree.mkdirAll(c.Dir, 0, 0), b.tree.setDirTimes()); err != nil {
		return err
	}
	defer b.tree.closeDir()
	if !b.Root.isolated() {
		return b.start(ctx, c, false)
	}
	c.Root = b.tree.dir
	back, err := b.addNetworkFiles()
	if err != nil {
		return fmt.Errorf("copying resolv.conf: %w", err)
	}
	err = b.start(ctx, c, !b.noNamespaces)
	if errors.Is(err, errNoNamespace) {
		b.noNamespaces = true
		err = b.start(ctx, c, false)
	}
	b.tree.closeDir()
	return errors.Join(err, back())
}

// mergeEnv returns env overridden by over.
func mergeEnv(env, over []string) []string {
	env = slices.Clone(env)
	for _, e := range over {
		name, value, _ := strings.Cut(e, "=")
		env = setEnv(env, name, value)
	}
	return env
}

// errNoNamespace reports that this container cannot create namespaces.
var errNoNamespace = errors.New("namespaces are not permitted")

// An exitError is returned for a command that failed.
type exitError struct {
	code   int
	reason string
}

func (e *exitError) Error() string { return e.reason }

// killDelay is how long commands have to exit after SIGTERM before they are killed.
const killDelay = 3 * time.Second

// start runs a command in a child process of this program; see [Main]. When ctx or this process
// ends, the child kills everything that the command started.
func (b *build) start(ctx context.Context, c command, namespaces bool) error {
	c.Namespaces = namespaces
	control, toChild, err := os.Pipe()
	if err != nil {
		return err
	}
	defer toChild.Close()
	fromChild, status, err := os.Pipe()
	if err != nil {
		control.Close()
		return err
	}
	defer fromChild.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env = []string{childName}, []string{}
	stdout, stderr := b.outputs()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{control, status}
	cmd.Cancel = toChild.Close
	cmd.WaitDelay = 2 * killDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if namespaces {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	}
	if b.NoNetwork && b.guest == nil { // a sandbox has none
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
	}
	err = cmd.Start()
	control.Close()
	status.Close()
	switch {
	case err != nil && namespaces:
		return errNoNamespace
	case err != nil && b.NoNetwork && errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w without a network: this container may not create a network namespace", ErrNotPermitted)
	case err != nil:
		return fmt.Errorf("starting a command: %w", err)
	}
	var o outcome
	writeErr := writeMessage(toChild, c)
	readErr := readMessage(fromChild, &o)
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := errors.Join(writeErr, readErr); err != nil {
		return fmt.Errorf("running a command: %w", errors.Join(err, waitErr))
	}
	return o.err(c.Root != "" && (stdout.proc || stderr.proc))
}

// outputs returns the writers for a command's output. They are the same if both streams go to
// the same writer, since os/exec then uses one pipe, which keeps the order of lines.
func (b *build) outputs() (stdout, stderr *watched) {
	stdout = &watched{to: b.Stdout}
	if reflect.ValueOf(b.Stdout).Comparable() && b.Stdout == b.Stderr {
		return stdout, stdout
	}
	return stdout, &watched{to: b.Stderr}
}

// A watched writer records whether a command mentions /proc. It is not an *os.File, so os/exec
// does not pass the file itself to the command.
type watched struct {
	to   io.Writer
	tail []byte // possibly the beginning of a mention
	proc bool
}

const procDir = "/proc"

func (w *watched) Write(p []byte) (int, error) {
	if !w.proc {
		seen := slices.Concat(w.tail, p)
		w.proc = bytes.Contains(seen, []byte(procDir))
		w.tail = bytes.Clone(seen[max(0, len(seen)-len(procDir)+1):])
	}
	return w.to.Write(p)
}

// err returns the error for the way a command ended. wantsProc says that its output mentions
// /proc.
func (o *outcome) err(wantsProc bool) error {
	var reason string
	switch {
	case o.NoNamespace:
		return errNoNamespace
	case o.NotPermitted:
		return fmt.Errorf("%w: %s", ErrNotPermitted, o.Failure)
	case o.NotFound:
		reason = o.Failure
	case o.Failure != "":
		return errors.New(o.Failure)
	case o.Signal != 0:
		reason = fmt.Sprintf("ended by signal %d (%s)", o.Signal, syscall.Signal(o.Signal))
	case o.Exit != 0:
		reason = fmt.Sprintf("exit code %d", o.Exit)
	default:
		return nil
	}
	if wantsProc && o.NoProc {
		reason += " (the isolated root has no /proc, since this container is not permitted to mount it; a command that needs it must be applied by an extender in its own container)"
	}
	return &exitError{code: o.code(), reason: reason}
}

// code returns the exit code as a shell reports it.
func (o *outcome) code() int {
	if o.Signal != 0 {
		return 128 + o.Signal
	}
	return o.Exit
}

// networkFiles are the files of this container that commands in an isolated root need for network
// access. They are copied in while a command runs.
var networkFiles = map[string]bool{"/etc/resolv.conf": true, "/etc/hosts": true}

// addNetworkFiles copies the network files into an isolated root. back removes them and restores the image's
// own.
func (b *build) addNetworkFiles() (back func() error, err error) {
	if !b.tree.isDir("/etc") {
		return func() error { return nil }, nil
	}
	var undo []func() error
	back = func() error {
		var errs []error
		for _, f := range slices.Backward(undo) {
			errs = append(errs, f())
		}
		return errors.Join(append(errs, b.tree.setDirTimes())...)
	}
	for _, name := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		content, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, back())
		}
		own, err := b.saveFile(name)
		if err != nil {
			return nil, errors.Join(err, back())
		}
		undo = append(undo, func() error { return b.restoreFile(name, own) })
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, ModTime: abi.Epoch}
		if err := b.tree.put(h, bytes.NewReader(content)); err != nil {
			return nil, errors.Join(err, back())
		}
	}
	return back, b.tree.setDirTimes()
}

// saveFile moves a file out of an isolated root and reports whether it existed.
func (b *build) saveFile(name string) (existed bool, err error) {
	dir, err := b.tree.open(path.Dir(name))
	if err != nil {
		return false, err
	}
	if err := b.tree.saveDirTime(dir); err != nil {
		return false, err
	}
	err = unix.Renameat(dir.fd, path.Base(name), unix.AT_FDCWD, b.savedPath(name))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

func (b *build) savedPath(name string) string {
	return path.Join(b.Root.Dir, "aside-"+path.Base(name))
}

// restoreFile undoes saveFile and replaces whatever exists there now.
func (b *build) restoreFile(name string, existed bool) error {
	if !b.tree.isDir(path.Dir(name)) {
		return nil // the command removed the directory, and the file with it
	}
	b.tree.closeDir()
	if err := b.tree.remove(name); err != nil || !existed {
		return err
	}
	dir, err := b.tree.open(path.Dir(name))
	if err != nil {
		return err
	}
	return unix.Renameat(unix.AT_FDCWD, b.savedPath(name), dir.fd, path.Base(name))
}
