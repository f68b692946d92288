package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/reference"
)

var update = flag.Bool("update", false, "write what commands print into the scripts")

// asLifecycle is the variable that makes the test binary act as the lifecycle.
const asLifecycle = "BASEPLAN_TEST_LIFECYCLE"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == keyless.Name {
		beVerifier()
		return
	}
	if os.Getenv(asLifecycle) != "" || os.Args[0] == dialerName {
		main()
		return
	}
	os.Exit(m.Run())
}

// cnbUser is the build image's user where the tests run as root.
const cnbUser = 1000

// TestScripts runs the phases as a platform does. Where the tests run as root, the phases are
// root and give up their privileges, but for detector and builder, which are the CNB user.
func TestScripts(t *testing.T) {
	registry := lifecycletest.Registry()
	t.Cleanup(registry.Close)
	if err := verifierBeside(); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"io.buildpacks.base.distro.name": "debian", "io.buildpacks.base.distro.version": "12"}
	for name, img := range map[string]v1.Image{
		"plain": lifecycletest.Debian(), "curl": lifecycletest.Debian("curl"), "tree": lifecycletest.Debian("tree"),
	} {
		registry.Push("run:"+name, withUser(t, lifecycletest.Labelled(img, labels)))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("REGISTRY", registry.Name)
			env.Setenv("TEST", strings.ToLower(filepath.Base(env.WorkDir)))
			return setup(env.WorkDir, env)
		},
		Cmds: commands(),
		Condition: func(name string) (bool, error) {
			return name == "root" && os.Geteuid() == 0, nil
		},
	})
}

// commands are what scripts can do besides.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"phase": runPhase, "terminal": runOnTerminal, "label": printLabel, "config": printConfig, "files": printFiles, "valid": validImage, "same": sameImages,
		"buildpack": writeModule("buildpack"), "extension": writeModule("extension"), "order": writeOrder, "fresh": freshLayers,
		"show": show, "json": showJSON, "layer-of": layerFiles, "created": printCreated,
		"copy": copyImage, "save": saveImage, "delete": deleteImage, "relabel": changeImage, "layer": addLayer, "attach": attachSBOM,
		"attach-unbound": attachUnbound, "keys": makeKeys, "authority": makeAuthorities, "attest": attest, "certify": certify,
		"registry": startRegistry, "proxy": startProxy, "odd": oddPhase, "poison": poisonCache,
		"baseplan": runBaseplan,
	}
}

// withUser is a run image with a user and a PATH, as platforms want it.
func withUser(t *testing.T, img v1.Image) v1.Image {
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.Config.User, cfg.Config.Env = "1000:1000", []string{"PATH=/usr/bin:/bin"}
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		t.Fatal(err)
	}
	return img
}

// setup makes a build's directories of a script's files.
func setup(work string, env *testscript.Env) error {
	for name, value := range map[string]string{
		"CNB_PLATFORM_API": "0.15", "CNB_LAYERS_DIR": work + "/layers", "CNB_APP_DIR": work + "/app", "CNB_PLATFORM_DIR": work + "/platform",
		"CNB_BUILDPACKS_DIR": work + "/buildpacks", "CNB_EXTENSIONS_DIR": work + "/extensions", "CNB_ORDER_PATH": work + "/order.toml",
		"CNB_RUN_PATH": work + "/run.toml", "CNB_STACK_PATH": work + "/stack.toml", "CNB_SYSTEM_PATH": work + "/system.toml",
		"CNB_BUILD_CONFIG_DIR": work + "/build-config", "CNB_BASEPLAN_PATH": work + "/baseplan.toml", "CNB_KANIKO_DIR": work + "/kaniko",
		"CNB_NO_COLOR": "true", "HOME": work, "PATH": "/usr/bin:/bin",
	} {
		env.Setenv(name, value)
	}
	for _, dir := range []string{"layers", "app", "platform", "kaniko"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(work, "launcher"), []byte("the launcher"), 0o755); err != nil {
		return err
	}
	for dir := work; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return filepath.WalkDir(work, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(filepath.Dir(path), "/bin") {
			err = os.Chmod(path, 0o755)
		}
		if err == nil && os.Geteuid() == 0 {
			err = os.Lchown(path, cnbUser, cnbUser)
		}
		return err
	})
}

// runPhase runs a phase: phase NAME ARG..., which has to succeed, or ! phase CODE NAME ARG...
func runPhase(ts *testscript.TestScript, neg bool, args []string) {
	want := 0
	if neg {
		_, err := fmt.Sscan(args[0], &want)
		ts.Check(err)
		args = args[1:]
	}
	out, errs, exit := startPhase(ts, args)
	fmt.Fprint(ts.Stdout(), out)
	fmt.Fprint(ts.Stderr(), errs)
	if exit != want {
		ts.Fatalf("%s: exit code %d, want %d", args[0], exit, want)
	}
}

// runOnTerminal runs a phase whose streams are one pipe: terminal CODE NAME ARG...
func runOnTerminal(ts *testscript.TestScript, _ bool, args []string) {
	var both bytes.Buffer
	if got := fmt.Sprint(startPhaseTo(ts, &both, &both, args[1:])); got != args[0] {
		ts.Fatalf("%s: exit code %s, want %s\n%s", args[1], got, args[0], &both)
	}
	_, err := both.WriteTo(ts.Stdout())
	ts.Check(err)
}

// startPhase runs a phase and gives what it prints, and its exit code.
func startPhase(ts *testscript.TestScript, args []string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = startPhaseTo(ts, &out, &errs, args)
	return out.String(), errs.String(), code
}

// startPhaseTo runs a phase and gives its exit code. With the same buffer for both, its streams are one pipe.
func startPhaseTo(ts *testscript.TestScript, stdout, stderr *bytes.Buffer, args []string) (code int) {
	self, err := os.Open("/proc/self/exe")
	ts.Check(err)
	defer self.Close()
	cmd := exec.CommandContext(context.Background(), "/proc/self/fd/3", args[1:]...)
	cmd.Args[0] = "/cnb/lifecycle/" + args[0]
	cmd.ExtraFiles = []*os.File{self}
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "REGISTRY", "TMPDIR", "SOURCE_DATE_EPOCH"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, asLifecycle+"=1")
	for _, name := range variables() {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if os.Geteuid() == 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("CNB_USER_ID=%d", cnbUser), fmt.Sprintf("CNB_GROUP_ID=%d", cnbUser))
		if ts.Getenv("AS_ROOT") == "" && (args[0] == "detector" || args[0] == "builder") || ts.Getenv("AS_USER") != "" {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: cnbUser, Gid: cnbUser}}
		}
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// variables are those of the platform that a script may set.
func variables() []string {
	names := []string{"CNB_PLATFORM_API", "CNB_EXPERIMENTAL_MODE", "CNB_DEPRECATION_MODE", "HTTP_PROXY", "HTTPS_PROXY", "DOCKER_CONFIG"}
	for _, name := range platform.PhaseNames() {
		phase, _ := platform.PhaseOf(name)
		for _, r := range platform.InputRows(phase) {
			if r.Env != "" && !slices.Contains(names, r.Env) {
				names = append(names, r.Env)
			}
		}
	}
	return names
}

// open opens an image that a phase wrote.
func open(ts *testscript.TestScript, ref string) *image.Image {
	img, err := (&image.Opener{}).Open(context.Background(), reference.Parse(ref))
	ts.Check(err)
	return img
}

// printLabel prints a label: label IMAGE KEY.
func printLabel(ts *testscript.TestScript, neg bool, args []string) {
	value, ok := open(ts, args[0]).Config.Config.Labels[args[1]]
	if ok == neg {
		ts.Fatalf("label %s of %s: there is %q", args[1], args[0], value)
	}
	fmt.Fprintln(ts.Stdout(), value)
}

// printConfig prints what an image starts, its environment and its history: config IMAGE.
func printConfig(ts *testscript.TestScript, _ bool, args []string) {
	file := open(ts, args[0]).Config
	fmt.Fprintf(ts.Stdout(), "entrypoint %q\ncmd %q\ndir %s\nuser %s\n", file.Config.Entrypoint, file.Config.Cmd, file.Config.WorkingDir, file.Config.User)
	for _, e := range file.Config.Env {
		fmt.Fprintln(ts.Stdout(), e)
	}
	for _, h := range file.History {
		fmt.Fprintln(ts.Stdout(), strings.TrimSpace("layer "+h.CreatedBy))
	}
}

// printFiles prints the names in an image's file system, below a directory: files IMAGE DIR.
func printFiles(ts *testscript.TestScript, _ bool, args []string) {
	names, err := filesOf(open(ts, args[0]).Image, strings.TrimPrefix(ts.MkAbs(args[1]), "/"))
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), strings.Join(names, "\n")+"\n")
}

// validImage checks an image from top to bottom: valid IMAGE.
func validImage(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(validate.Image(open(ts, args[0]).Image))
}

// sameImages compares digests: same IMAGE IMAGE, or ! same IMAGE IMAGE.
func sameImages(ts *testscript.TestScript, neg bool, args []string) {
	a, b := open(ts, args[0]), open(ts, args[1])
	if same := a.Digest == b.Digest; same == neg {
		ts.Fatalf("%s is %s, %s is %s", args[0], a.Digest, args[1], b.Digest)
	}
}

func filesOf(img v1.Image, below string) ([]string, error) {
	r := mutate.Extract(img)
	defer r.Close()
	var names []string
	for name := range tarNames(r) {
		if rest, ok := strings.CutPrefix(strings.Trim(name, "/"), below); ok && rest != "" {
			names = append(names, strings.TrimPrefix(rest, "/"))
		}
	}
	slices.SortFunc(names, cmp.Compare[string])
	return names, nil
}

// tarNames are the names in a tar stream.
func tarNames(r io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := tar.NewReader(r); ; {
			h, err := t.Next()
			if err != nil || !yield(h.Name) {
				return
			}
		}
	}
}
