//go:build e2e && linux

package apply_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// A daemon is docker at DOCKER_HOST, with the tools that these tests need.
type daemon struct {
	t       *testing.T
	build   string // a docker command that builds with BuildKit
	applier string // testdata/applier, linked statically
	sandbox string // cmd/sandbox
	dir     string
	cache   string               // what containers find in /kaniko; empty: a new directory each time
	kind    extensions.ImageKind // empty: run

	disk, memory int64 // of a sandbox; 0: unlimited
	noNetwork    bool
	timeout      time.Duration
	debug        bool // the output has the log too
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	if os.Getenv("DOCKER_HOST") == "" {
		t.Fatal("DOCKER_HOST is not set: start a docker daemon and set it to its socket (unix:///…)")
	}
	if os.Geteuid() != 0 {
		t.Fatal("unpacking images needs root")
	}
	d := &daemon{t: t, dir: t.TempDir()}
	// A newer docker needs a plugin for BuildKit that Debian's does without.
	for _, candidate := range []string{"docker", "/usr/bin/docker"} {
		cmd := exec.Command(candidate, "build", "--help")
		cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
		if out, err := cmd.CombinedOutput(); err == nil && strings.Contains(string(out), "--secret") {
			d.build = candidate
			break
		}
	}
	if d.build == "" {
		t.Fatal("no docker command with BuildKit: install Debian's docker.io, or the buildx plugin")
	}
	d.applier, d.sandbox = compiled(t, "./testdata/applier"), compiled(t, "../../cmd/sandbox")
	return d
}

// programs are the files of programs by package.
var programs struct {
	sync.Mutex
	files map[string]string
}

// compiled returns the file of a program, which is built once.
func compiled(t testing.TB, pkg string) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if file := programs.files[pkg]; file != "" {
		return file
	}
	file := filepath.Join(lifecycletest.Cache(), "apply", filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	if programs.files == nil {
		programs.files = map[string]string{}
	}
	programs.files[pkg] = file
	return file
}

func (d *daemon) docker(stdin io.Reader, args ...string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), d.build, args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A base is an image in the daemon, the tar of its one layer, and its configuration.
type base struct {
	ref, tar string
	image    v1.Image
	config   v1.Config
}

// load gives the daemon an image of a tar of a root file system.
func (d *daemon) load(ref, file string, config v1.Config) *base {
	d.t.Helper()
	layer, err := tarball.LayerFromFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		d.t.Fatal(err)
	}
	b := &base{ref: ref, tar: file, config: config, image: d.configured(img, config)}
	d.loadImage(ref, b.image)
	return b
}

func (d *daemon) configured(img v1.Image, config v1.Config) v1.Image {
	d.t.Helper()
	file, err := img.ConfigFile()
	if err != nil {
		d.t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", "amd64", config
	if img, err = mutate.ConfigFile(img, file); err != nil {
		d.t.Fatal(err)
	}
	return img
}

func (d *daemon) loadImage(ref string, img v1.Image) {
	d.t.Helper()
	tag, err := name.NewTag(ref)
	if err != nil {
		d.t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(tarball.Write(tag, img, w)) }()
	d.docker(r, "load")
	d.t.Cleanup(func() { exec.Command(d.build, "rmi", "-f", ref).Run() })
}

// node is what of a file is compared.
type node struct {
	Type     byte
	Mode     int64
	UID, GID int
	Link     string
	Dev      string
	Size     int64
	Content  string
	Names    string // all that it has, if more than one
}

// Made by docker for a container, or holding times, process numbers or addresses
// of what was cached: different from one run to the next, whoever runs it.
var volatile = []*regexp.Regexp{
	regexp.MustCompile(`^(dev|proc|sys)(/|$)`),
	regexp.MustCompile(`^\.dockerenv$|^etc/(resolv\.conf|hosts|hostname|mtab)$`),
	regexp.MustCompile(`^var/log/(apt/(term|history|eipp)\.log(\.xz)?|dpkg\.log|alternatives\.log)$`),
	regexp.MustCompile(`^var/cache/(ldconfig/aux-cache|apt/(src)?pkgcache\.bin|debconf/.*)$`),
	regexp.MustCompile(`^var/lib/apt/(lists/.*|extended_states|periodic/.*)$`),
}

// tree reads all files of an image, as docker shows them to a container.
func (d *daemon) tree(ref string) map[string]node {
	d.t.Helper()
	container := d.docker(nil, "create", ref, "/bin/true")
	defer d.docker(nil, "rm", container)
	cmd := exec.CommandContext(d.t.Context(), d.build, "export", container)
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	nodes, err := readTree(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		d.t.Fatal(err)
	}
	return nodes
}

func readTree(r io.Reader) (map[string]node, error) {
	nodes, links := map[string]node{}, map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		if skipped(name) {
			continue
		}
		n := node{Type: h.Typeflag, Mode: h.Mode, UID: h.Uid, GID: h.Gid, Link: h.Linkname}
		switch h.Typeflag {
		case tar.TypeLink:
			links[name] = path.Clean(h.Linkname)
			continue
		case tar.TypeReg:
			sum := sha256.New()
			if n.Size, err = io.Copy(sum, tr); err != nil {
				return nil, err
			}
			n.Content = hex.EncodeToString(sum.Sum(nil))[:16]
		case tar.TypeSymlink:
			n.Mode = 0
		case tar.TypeChar, tar.TypeBlock:
			n.Dev = fmt.Sprint(h.Devmajor, ":", h.Devminor)
		}
		for record, value := range h.PAXRecords {
			if strings.HasPrefix(record, "SCHILY.xattr.") {
				n.Content += " " + record + "=" + hex.EncodeToString([]byte(value))
			}
		}
		nodes[name] = n
	}
	// Which of a file's names comes first in a tar is not part of the tree.
	names := map[string][]string{}
	for name, target := range links {
		nodes[name] = nodes[target]
		names[target] = append(names[target], name)
	}
	for target, others := range names {
		all := append(slices.Clone(others), target)
		slices.Sort(all)
		for _, name := range all {
			n := nodes[name]
			n.Names = strings.Join(all, " ")
			nodes[name] = n
		}
	}
	return nodes, nil
}

func skipped(name string) bool {
	for _, v := range volatile {
		if v.MatchString(name) {
			return true
		}
	}
	return false
}

// want builds a Dockerfile with docker.
func (d *daemon) want(b *base, context, dockerfile string) string {
	d.t.Helper()
	ref := strings.ToLower("baseplan-e2e/want-" + strings.Trim(regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(d.t.Name(), "-"), "-") + ":x")
	file := filepath.Join(d.t.TempDir(), "Dockerfile")
	writeFile(d.t, file, dockerfile)
	d.docker(nil, "build", "-q", "--network=host", "--build-arg", "base_image="+b.ref, "--build-arg", "user_id=1000", "--build-arg", "group_id=1000",
		"--build-arg", "build_id=b", "-t", ref, "-f", file, context)
	d.t.Cleanup(func() { exec.Command(d.build, "rmi", "-f", ref).Run() })
	return ref
}

type result struct {
	Config      v1.Config
	Layers      []string
	Executed    int
	Error, Code string
}

// How an applier is run: a way is a function from its input to its output.
type way struct {
	name string
	run  func(d *daemon, b *base, context, dockerfile string) (result, string)
}

var ways = []way{
	{"in place in a container", func(d *daemon, b *base, context, dockerfile string) (result, string) {
		return d.apply(b, context, dockerfile, "/", "--network=host")
	}},
	{"isolated in a container", func(d *daemon, b *base, context, dockerfile string) (result, string) {
		return d.apply(b, context, dockerfile, "/layers/root", "--network=host")
	}},
	{"isolated with namespaces", func(d *daemon, b *base, context, dockerfile string) (result, string) {
		return d.apply(b, context, dockerfile, "/layers/root", "--network=host", "--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined")
	}},
	{"in a sandbox without any privilege", func(d *daemon, b *base, context, dockerfile string) (result, string) {
		return d.apply(b, context, dockerfile, inSandbox, append([]string{"--network=host"}, unprivileged...)...)
	}},
}

// inSandbox is the directory of a root in a sandbox.
const inSandbox = "sandbox"

// unprivileged are docker's options for the least privileged container that platforms use.
var unprivileged = []string{"--user=12345:0", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/tmp"}

// apply runs the applier in a container of the base image, with docker's default
// capabilities and what options add; it gives what was written as well.
func (d *daemon) apply(b *base, context, dockerfile, dir string, options ...string) (result, string) {
	d.t.Helper()
	work, cache, kind := d.t.TempDir(), d.cache, d.kind
	if kind == "" {
		kind = extensions.Run
	}
	if cache == "" {
		cache = filepath.Join(work, "kaniko")
	}
	for _, sub := range []string{"kaniko", "layers"} {
		dir := filepath.Join(work, sub)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o777)); err != nil { // also for other users
			d.t.Fatal(err)
		}
	}
	spec := map[string]any{
		"Dir": dir, "App": "/workspace", "Spool": "/layers", "Cache": "/kaniko", "Out": "/layers/result", "Dockerfile": dockerfile, "Image": kind, "Config": b.config, "NoNetwork": d.noNetwork, "Timeout": d.timeout, "Debug": d.debug,
	}
	if dir != "/" {
		spec["Base"] = "/kaniko/base.tar"
	}
	if dir == inSandbox {
		spec["Sandbox"], spec["Disk"], spec["Memory"] = "/cnb/lifecycle/sandbox", d.disk, d.memory
		giveTo(d.t, 12345, context, work)
	}
	input, err := json.Marshal(spec)
	if err != nil {
		d.t.Fatal(err)
	}
	args := append([]string{"run", "--rm", "-i", "--user=0:0", "-w=/",
		"-v", d.applier + ":/cnb/lifecycle/applier:ro", "-v", d.sandbox + ":/cnb/lifecycle/sandbox:ro", "-v", context + ":/workspace:ro", "-v", work + "/layers:/layers", "-v", cache + ":/kaniko", "-v", b.tar + ":/kaniko/base.tar:ro",
		"-e", "CNB_REGISTRY_AUTH=secret-of-the-platform", "-e", "NPM_TOKEN=secret-of-the-user"}, options...)
	output := d.docker(bytes.NewReader(input), append(args, b.ref, "/cnb/lifecycle/applier")...)
	content, err := os.ReadFile(filepath.Join(work, "layers", "result"))
	if err != nil {
		d.t.Fatalf("%v\n%s", err, output)
	}
	var r result
	if err := json.Unmarshal(content, &r); err != nil {
		d.t.Fatal(err)
	}
	for i, l := range r.Layers {
		r.Layers[i] = filepath.Join(work, "layers", filepath.Base(l))
	}
	return r, output
}

// giveTo gives files to a user.
func giveTo(t *testing.T, uid int, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if err := os.Lchown(name, uid, 0); err != nil || info.Mode()&fs.ModeSymlink != 0 {
				return err
			}
			return os.Chmod(name, info.Mode()) // chown removes setuid
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// extended gives the daemon an image of a base and layers that were applied to it.
func (d *daemon) extended(b *base, r result) string {
	d.t.Helper()
	img := b.image
	for _, l := range r.Layers {
		layer, err := tarball.LayerFromFile(l)
		if err != nil {
			d.t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			d.t.Fatal(err)
		}
	}
	ref := strings.ToLower("baseplan-e2e/got-" + regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(d.t.Name(), "-") + ":x")
	d.loadImage(ref, d.configured(img, r.Config))
	return ref
}

// config is what of an image's configuration a Dockerfile can change.
func (d *daemon) config(ref string) map[string]any {
	d.t.Helper()
	var all []struct{ Config map[string]any }
	if err := json.Unmarshal([]byte(d.docker(nil, "image", "inspect", ref)), &all); err != nil {
		d.t.Fatal(err)
	}
	got := map[string]any{}
	for _, key := range []string{"Env", "User", "WorkingDir", "Labels", "Shell", "ExposedPorts", "Volumes", "StopSignal", "Healthcheck"} {
		got[key] = all[0].Config[key]
	}
	labels, _ := got["Labels"].(map[string]any)
	delete(labels, "io.buildpacks.rebasable")
	if len(labels) == 0 {
		got["Labels"] = nil
	}
	return got
}

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// check holds every way of applying a Dockerfile against docker build.
func (d *daemon) check(b *base, context, dockerfile string) {
	d.t.Helper()
	want := d.want(b, context, dockerfile)
	wantTree, wantConfig := d.tree(want), d.config(want)
	t := d.t
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			d := *d
			d.t = t
			r, output := w.run(&d, b, context, dockerfile)
			if r.Error != "" {
				t.Fatalf("%s\n%s", r.Error, output)
			}
			got := d.extended(b, r)
			if diff := cmp.Diff(wantTree, d.tree(got)); diff != "" {
				t.Errorf("the file tree differs (-docker +ours):\n%s", diff)
			}
			if diff := cmp.Diff(wantConfig, d.config(got)); diff != "" {
				t.Errorf("the configuration differs (-docker +ours):\n%s", diff)
			}
		})
	}
}
