//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cnbUser is the user and group ID that phases run as. It is recorded in layers.
const cnbUser = 1000

// A Side is one lifecycle and how to run it.
type Side struct {
	Name      string // repository name
	Lifecycle string // the binary with all phases
	Launcher  string
	Exported  string // the launcher that the exporter adds to the image
	Daemon    bool   // use images in the docker daemon instead of a registry
}

// A Runner runs cases one at a time in a work directory.
type Runner struct {
	Work       string // /tmp/observed/w
	Log        string // file for the output of all commands; empty: none
	Prefix     string // prefix of repositories, such as 127.0.0.1:5000/x
	Run1, Run2 string // run images
}

// Observe runs the case and returns all of its results as data.
func (r *Runner) Observe(ctx context.Context, c *Case, side *Side) (map[string]any, error) {
	for _, dir := range []string{r.Work, r.Work + ".x"} {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(r.Work, 0o755); err != nil {
		return nil, err
	}
	if err := c.write(r.Work); err != nil {
		return nil, err
	}
	b := &build{Runner: r, ctx: ctx, c: c, side: side, image: fmt.Sprintf("%s/%s:%d", r.Prefix, side.Name, c.Seed)}
	defer b.removeImages()
	result := map[string]any{}
	for no := 1; no <= 2; no++ {
		o, err := b.run(no)
		if err != nil {
			return nil, fmt.Errorf("build %d: %w", no, err)
		}
		result["b"+strconv.Itoa(no)] = o
		if b.failed {
			break
		}
	}
	if !b.failed {
		o, err := b.rebase()
		if err != nil {
			return nil, fmt.Errorf("rebase: %w", err)
		}
		result["rebase"] = o
	}
	return r.normalize(result, side)
}

// A build is a case being run.
type build struct {
	*Runner
	ctx    context.Context
	c      *Case
	side   *Side
	image  string
	made   []string // IDs of images in the daemon
	failed bool
}

// prepare creates the inputs of each build.
func (b *build) prepare(no int) error {
	w := &writer{root: b.Work}
	if no > 1 {
		for _, dir := range []string{"layers", "dump"} {
			if err := os.RemoveAll(filepath.Join(b.Work, dir)); err != nil {
				return err
			}
			w.dir(dir)
		}
	}
	if b.c.Project != nil {
		w.toml("layers/project-metadata.toml", b.c.Project)
	}
	w.file("buildno", strconv.Itoa(no))
	run := map[string]any{"image": b.Run1, "mirrors": []string{b.Run2}}
	w.toml("run.toml", map[string]any{"images": []any{run}})
	w.toml("stack.toml", map[string]any{"run-image": run})
	if w.err != nil {
		return w.err
	}
	return chownTree(b.Work)
}

// chownTree changes the owner of everything in a directory to the CNB user.
func chownTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, cnbUser, cnbUser)
	})
}

// env returns the environment of the phases.
func (b *build) env() []string {
	env := maps.Clone(b.c.Env)
	env["CNB_PLATFORM_API"] = b.c.PlatformAPI
	env["CNB_NO_COLOR"] = "true"
	env["CNB_LAYERS_DIR"] = b.Work + "/layers"
	return list(env)
}

func list(env map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// A phase is a command of the lifecycle.
type phase struct {
	name string
	args []string
}

// do runs a phase as a platform does: as root if it uses a docker daemon, else as the CNB
// user.
func (b *build) do(p phase) (result, error) {
	args := append([]string{"/cnb/lifecycle/" + p.name}, p.args...)
	if !b.side.usesDaemon(p.name, b.c) {
		return b.command(cnbUser, b.side.Lifecycle, args, b.env(), b.Work)
	}
	env := b.env()
	if p.name != "rebaser" {
		env = append(env, fmt.Sprintf("CNB_USER_ID=%d", cnbUser), fmt.Sprintf("CNB_GROUP_ID=%d", cnbUser))
	}
	args = slices.Insert(args, 1, "-daemon")
	return b.command(0, b.side.Lifecycle, args, append(env, "DOCKER_HOST="+dockerHost()), b.Work)
}

// phases returns the commands of a build.
func (b *build) phases() []phase {
	c, w := b.c, b.Work
	run := []string{"-stack", w + "/stack.toml"}
	if !c.Before(12) {
		run = []string{"-run", w + "/run.toml"}
	}
	var config, system, process, tags, names, cache []string
	if !c.Before(11) {
		config = []string{"-build-config", w + "/build-config"}
	}
	if c.System != nil {
		system = []string{"-system", w + "/system.toml"}
	}
	if c.ProcessType != nil {
		process = []string{"-process-type", *c.ProcessType}
	}
	if c.Tags {
		tags, names = []string{"-tag", b.image + "-t2"}, []string{b.image + "-t2"}
	}
	cache, analyzed := []string{"-cache-dir", w + "/cache"}, []string(nil)
	if c.CacheImage {
		cache = []string{"-cache-image", b.image + "-cache"}
		analyzed = cache
	}
	runImage := []string{"-run-image", b.Run1}
	app := []string{"-app", w + "/app"}
	source := slices.Concat(app, []string{"-buildpacks", w + "/buildpacks", "-platform", w + "/platform"}, config)
	order := append([]string{"-order", w + "/order.toml"}, system...)
	export := slices.Concat(run, []string{"-launcher", b.side.Exported}, process,
		[]string{"-report", w + "/layers/report.toml", "-project-metadata", w + "/layers/project-metadata.toml"})
	if c.Creator {
		return []phase{{"creator", slices.Concat(source, order, runImage, cache, export, tags, []string{b.image})}}
	}
	detect := slices.Concat(source, order)
	if !c.Before(12) {
		detect = append(detect, run...)
	}
	if c.RunTOML {
		runImage = nil
	}
	return []phase{
		{"analyzer", slices.Concat(runImage, run, tags, analyzed, []string{b.image})},
		{"detector", detect},
		{"restorer", cache},
		{"builder", source},
		{"exporter", slices.Concat(app, cache, export, []string{b.image}, names)},
	}
}

// run runs one build and launches its image.
func (b *build) run(no int) (map[string]any, error) {
	if err := b.prepare(no); err != nil {
		return nil, err
	}
	codes, o := map[string]any{}, map[string]any{}
	o["codes"] = codes
	for _, p := range b.phases() {
		res, err := b.do(p)
		if err != nil {
			return nil, err
		}
		codes[p.name] = number(res.code)
		files := map[string]any{"metadata": readTOML(b.Work + "/layers/config/metadata.toml")}
		for _, name := range []string{"analyzed", "group", "plan", "report"} {
			files[name] = readTOML(b.Work + "/layers/" + name + ".toml")
		}
		o["toml@"+p.name] = files
		if p.name == "restorer" {
			o["restored"] = listing(b.Work+"/layers", restored)
		}
		if b.failed = res.code != 0; b.failed {
			break
		}
	}
	dump, err := lines(b.Work + "/dump")
	if err != nil {
		return nil, err
	}
	o["dump"] = dump
	o["layersafter"] = listing(b.Work+"/layers", left)
	o["cache"] = listing(b.Work+"/cache", func(string) bool { return true })
	if b.failed {
		return o, nil
	}
	return o, b.observeImage(o)
}

func restored(path string) bool {
	return strings.Contains(path, "/") && !hasPrefix(path, "config/", "run-image", "generated")
}

func left(path string) bool {
	return !hasPrefix(path, "run-image", "resolution.toml", "provides") && (strings.Contains(path, "/") || !strings.HasSuffix(path, ".toml"))
}

func hasPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// rebase rebases the image onto the second run image.
func (b *build) rebase() (map[string]any, error) {
	args := []string{"-report", b.Work + "/rebase.toml", "-run-image", b.Run2}
	if !b.c.Before(12) && b.c.Force {
		args = append(args, "-force")
	}
	res, err := b.do(phase{"rebaser", append(args, b.image)})
	if err != nil {
		return nil, err
	}
	o := map[string]any{"code": number(res.code), "report": readTOML(b.Work + "/rebase.toml")}
	img, err := b.fetch()
	if err != nil {
		return nil, err
	}
	o["labels"] = img.labels()
	config := img.named()
	delete(config, "history")
	o["config"] = config
	return o, nil
}

// A result is a command's output and exit code.
type result struct {
	code int
	out  string
}

// command runs a binary with the given user ID and the equal group ID.
func (r *Runner) command(id uint32, binary string, args, env []string, dir string) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	var stdout, stderr bytes.Buffer
	cmd.Args, cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = args, env, dir, &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || ctx.Err() != nil) {
		return result{}, fmt.Errorf("running %s: %w", args[0], err)
	}
	res := result{code: cmd.ProcessState.ExitCode(), out: stdout.String()}
	if r.Log == "" {
		return res, nil
	}
	f, err := os.OpenFile(r.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return res, err
	}
	_, err = fmt.Fprintf(f, "$ %s   -> %d\n%s--- stderr\n%s", strings.Join(args, " "), res.code, res.out, stderr.String())
	return res, errors.Join(err, f.Close())
}
